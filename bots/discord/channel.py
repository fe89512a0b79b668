"""Discord as a channel: connects, hears, and has the desk answer, until it is cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import aiohttp
import discord
import structlog

from bots.chat.answering import Answering, Surface
from bots.chat.board import Board, Refused, Unknown
from bots.chat.desk import Desk, Retry, Work
from bots.chat.files import file_queue
from bots.chat.incoming import Incoming, incoming_of
from bots.chat.library import Library
from bots.chat.receiving import Destinations, Receiving
from bots.discord import commands
from bots.discord.board import TYPING, ChannelBoard
from bots.discord.calls import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION, Calls, is_code
from bots.discord.client import Client
from bots.discord.events import CHANNEL
from bots.discord.hearing import Hearing
from bots.discord.http import Door
from bots.discord.interactions import Interactions
from bots.discord.invocation import Invoked, invoked_of
from bots.discord.manifest import INTERACTIONS_PATH, has_message_content
from bots.discord.missed import Missed
from bots.discord.posting import TYPING_SECONDS, DiscordSurface
from bots.discord.private import InteractionBoard
from bots.discord.receiving import DiscordFiles
from bots.discord.render import Rendered
from bots.discord.responses import Response
from bots.discord.servers import People
from core.build import Application, Record
from core.errors import InvalidSettings
from core.health import Check, State
from core.router import Router
from core.settings_channels import Discord
from core.store.inbox import Entry

Json = dict[str, Any]
LOGIN_SECONDS = 30.0
WATCH_SECONDS = 15.0
HINT = "I cannot read messages here that do not mention me: mention me, and I will answer."
log = structlog.get_logger(__name__)


class DiscordChannel:
    """Implements `core.ports.Channel`."""

    def __init__(self, application: Application, record: Record) -> None:
        self._application = application
        self._settings: Discord = application.settings.discord
        self._record = record
        self._client: Client | None = None
        self._calls: Calls | None = None
        self._session: aiohttp.ClientSession | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._typing_since: dict[str, float] = {}
        self._bound = {f"{CHANNEL}:{place}": namespace for place, namespace in self._settings.channels.items()}
        self._library = Library(
            application.documents,
            application.versions,
            application.jobs,
            record.bindings,
            record.conversations,
            self._bound,
            application.checks,
            application.settings.history.keep_removed_days,
        )
        self._people = People(self._settings.admins, lambda: self.client, lambda: self.calls)
        answering = Answering(
            asker=application.asker,
            threads=record.threads,
            bindings=record.bindings,
            conversations=record.conversations,
            surface=self._surface,
            router=Router(self._bound),
            seconds=application.settings.server.request_seconds,
        )
        self._answering = answering
        observe = application.metrics.settled
        questions = Work(self._answer, answering.interrupted, answering.give_up)
        self._desk = Desk(record.inbox, CHANNEL, questions, observe=observe)
        self._files = DiscordFiles(
            self._board,
            self._people,
            lambda: self.session,
            application.settings.data_dir,
            self._settings.api_url,
            application.settings.server.max_upload_mb,
        )
        documents = application.documents
        receiving = Receiving(
            self._files, documents, Destinations(documents, record.bindings, self._settings.channels), self._note_files
        )
        self._file_desk = Desk(record.inbox, file_queue(CHANNEL), receiving.work, observe=observe)
        self._hearing = Hearing(
            self._settings,
            record,
            self._bound,
            lambda: self.client,
            self._people,
            (self._desk, self._file_desk),
            self._interacted,
            self._taken_up,
        )
        self._missed = Missed(self._settings.missed_minutes, record, self._hearing.take)
        self._interactions = Interactions(
            lambda: self.calls,
            lambda: (self._desk, self._file_desk),
            record,
            documents,
            self._library,
            self._people,
            lambda guild, message: self.client.me(guild, message),  # noqa: PLW0108 - another one after each start
            lambda channel, guild: self.client.place(channel, guild),  # noqa: PLW0108
            self._hearing.is_welcome,
        )
        self._door = Door(self._settings.public_key) if self._settings.public_key else None

    @property
    def doors(self) -> Mapping[str, Any]:
        """What the gateway serves for it: interactions, where the application has a public key."""
        return {INTERACTIONS_PATH: self._door} if self._door is not None else {}

    @property
    def client(self) -> Client:
        """There while it serves."""
        assert self._client is not None  # noqa: S101
        return self._client

    @property
    def calls(self) -> Calls:
        """There while it serves."""
        assert self._calls is not None  # noqa: S101
        return self._calls

    @property
    def session(self) -> aiohttp.ClientSession:
        """Open while it serves."""
        assert self._session is not None  # noqa: S101
        return self._session

    async def serve(self) -> None:
        token = self._settings.token.get_secret_value().strip()
        has_content, application_id = await self._introduce(token)
        self._client = Client(self._settings, message_content=has_content, hear=self._hearing.hear, ready=self._ready)
        async with aiohttp.ClientSession() as self._session, self._client as client:
            async with asyncio.timeout(LOGIN_SECONDS):
                await client.login(token)
            self._calls = Calls(client.http, client.pace)
            await self._synced(client, application_id)
            alone = self._application.claim is not None
            await asyncio.to_thread(self._files.tidy, alone=alone)
            await self._missed.drop_deleted(self._calls, self._hearing.withdraw)
            tasks = [asyncio.create_task(desk.run(alone=alone)) for desk in (self._desk, self._file_desk)]
            connection = asyncio.create_task(client.connect())
            watching = asyncio.create_task(self._watch(client))
            if self._door is not None:
                self._door.open(self._interactions.respond, partial(self._interactions.finish, was_taken=True))
            try:
                ended, _ = await asyncio.wait([connection, *tasks], return_when=asyncio.FIRST_COMPLETED)
                await ended.pop()
            except discord.ConnectionClosed as error:
                raise _explained(error.code) from error
            except discord.PrivilegedIntentsRequired as error:
                raise _explained(_DISALLOWED_INTENTS) from error
            finally:
                if self._door is not None:
                    self._door.close()
                await self._end(*tasks, watching, *self._background)
                await client.close()
                await self._end(connection)

    def _taken_up(self, channel: str) -> None:
        """Somebody asked something: that shows at once, before there is a thread. All who ask there see the same."""
        now = time.monotonic()
        if now - self._typing_since.get(channel, -TYPING_SECONDS) < TYPING_SECONDS:
            return
        self._typing_since = {place: at for place, at in self._typing_since.items() if now - at < TYPING_SECONDS}
        self._typing_since[channel] = now
        self._spawn(self._type(channel))

    async def _type(self, channel: str) -> None:
        with suppress(Refused, Unknown, Retry):
            await self.calls.call("POST", TYPING, channel_id=channel)

    async def _interacted(self, data: Json) -> None:
        invoked = invoked_of(data)
        response = await self._interactions.respond(invoked)
        was_taken = await self._respond(invoked, response)
        await self._interactions.finish(invoked, response, was_taken=was_taken)

    async def _respond(self, invoked: Invoked, response: Response) -> bool:
        """Whether Discord took it."""
        try:
            await self.calls.call(
                "POST",
                "/interactions/{interaction_id}/{webhook_token}/callback",
                json=response.body,
                interaction_id=invoked.id,
                webhook_token=invoked.token,
            )
        except Refused as refused:
            # Another process was faster, or this one too slow.
            level = log.info if is_code(refused, ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION) else log.warning
            level("an interaction was not taken", code=refused.error)
            return False
        except (Unknown, Retry):
            return False
        return True

    async def _answer(self, entry: Entry) -> None:
        incoming = incoming_of(entry)
        if not incoming.place.get("hint"):
            await self._answering.answer(entry)
            return
        surface = self._surface(incoming, entry)
        try:
            await surface.say(HINT)
        finally:
            await surface.close()

    async def _note_files(self, entry: Entry, reply: Json) -> None:
        await self._file_desk.note(entry, reply)

    def _board(self, incoming: Incoming, entry: Entry) -> Board[Rendered]:
        me = self.client.me("").user
        if "token" in incoming.place:
            acked = partial(self._interactions.acked, incoming.place["token"])
            return InteractionBoard(self.calls, self._record.inbox, me, incoming, entry, acked)
        return ChannelBoard(self.calls, self._record.inbox, me, incoming, entry)

    def _surface(self, incoming: Incoming, entry: Entry) -> Surface:
        board = self._board(incoming, entry)
        return DiscordSurface(
            self.calls,
            board,
            entry,
            self._desk.note,
            private=bool(incoming.place.get("private")),
            typing=board.typing if isinstance(board, ChannelBoard) else None,
            withdrawn=board.withdraw if isinstance(board, ChannelBoard) else None,
            answered=partial(self._mark, incoming.place["channel"]) if "post" in incoming.place else None,
        )

    async def _mark(self, post: str) -> None:
        try:
            await self.client.mark(post, self._settings.answered_tag)
        except (discord.DiscordException, OSError, aiohttp.ClientError) as error:
            log.warning("a post could not be marked as answered", cause=type(error).__name__)

    # Connecting

    async def _introduce(self, token: str) -> tuple[bool, int]:
        """Whether messages may be read that do not mention the bot, and the application's id."""
        first = Client(self._settings, message_content=False, hear=_deaf, ready=lambda _: None)
        async with first:
            try:
                async with asyncio.timeout(LOGIN_SECONDS):
                    await first.login(token)
            except discord.LoginFailure as error:
                raise InvalidSettings("Discord does not take DISCORD_TOKEN. Run `lorekeeper doctor`.") from error
            assert first.application_id is not None  # noqa: S101 - it is logged in
            return has_message_content(first.application_flags.value), first.application_id

    async def _synced(self, client: Client, application_id: int) -> None:
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                if await commands.sync(client.http, application_id):
                    log.info("the commands of discord are registered")
        except (TimeoutError, discord.DiscordException, OSError, aiohttp.ClientError) as error:
            log.warning("the commands of discord could not be registered", cause=type(error).__name__)

    def _ready(self, shard: int) -> None:
        """A shard begins anew, and so may have missed something."""
        client = self.client
        if shard == min(client.shards, default=0):
            log.info("discord is connected", servers=len(client.guilds), message_content=client.has_content)
        self._application.reports[CHANNEL] = Check(CHANNEL, State.OK, _servers(len(client.guilds)))
        self._spawn(self._missed.catch_up(client, self.calls, shard))

    async def _watch(self, client: Client) -> None:
        """Report a connection that stays away: the library tries for ever, and says nothing to us."""
        away = 0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            away = 0 if client.is_connected else away + 1
            said = self._application.reports.get(CHANNEL)
            if away > 1:
                detail = "no connection to the gateway; it is tried again and again"
                self._application.reports[CHANNEL] = Check(CHANNEL, State.DEGRADED, detail, "Run `lorekeeper doctor`.")
            elif not away and said is not None and said.state is not State.OK:
                self._application.reports[CHANNEL] = Check(CHANNEL, State.OK, "connected again")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _end(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _deaf(name: str, data: Json) -> None:
    pass


_DISALLOWED_INTENTS, _WRONG_TOKEN = 4014, 4004


def _explained(code: int | None) -> InvalidSettings:
    """https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes"""
    why = {
        _WRONG_TOKEN: "Discord does not take DISCORD_TOKEN any more",
        _DISALLOWED_INTENTS: "Discord does not grant an intent",
    }.get(code or 0, f"Discord closed the connection (code {code})")
    return InvalidSettings(f"{why}. Run `lorekeeper doctor`.")


def open_channel(application: Application) -> DiscordChannel:
    """Raises `InvalidSettings` for settings that cannot be right."""
    if application.record is None:
        raise InvalidSettings("Discord runs where the data is: start it with `lorekeeper run`.")
    if not application.settings.discord.token.get_secret_value().strip():
        raise InvalidSettings("Discord needs DISCORD_TOKEN. docs/discord.md says where to find it.")
    return DiscordChannel(application, application.record)


def _servers(number: int) -> str:
    return f"connected to {number} server{'' if number == 1 else 's'}"
