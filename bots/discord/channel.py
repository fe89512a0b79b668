"""Discord as a channel: connects, hears, and has the desk answer, until it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
import discord
import structlog

from bots.chat.answering import Answering, Surface
from bots.chat.board import Board, Refused, Unknown
from bots.chat.desk import Desk, Retry, Work
from bots.chat.files import FILES, entries, file_queue, files_key
from bots.chat.incoming import Incoming, incoming_of
from bots.chat.library import Library
from bots.chat.receiving import Destinations, Receiving
from bots.discord import commands
from bots.discord.board import ChannelBoard
from bots.discord.calls import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION, Calls, is_code
from bots.discord.client import Client
from bots.discord.events import CHANNEL, FORUMS, key_of, sent_at, written
from bots.discord.http import Door
from bots.discord.interactions import Interactions
from bots.discord.invocation import Invoked, invoked_of
from bots.discord.manifest import INTERACTIONS_PATH, has_message_content
from bots.discord.missed import Missed
from bots.discord.posting import DiscordSurface
from bots.discord.private import InteractionBoard
from bots.discord.receiving import DiscordFiles
from bots.discord.render import Rendered
from bots.discord.responses import Response
from bots.discord.servers import People
from core.build import Application, Record
from core.errors import InvalidSettings, LorekeeperError
from core.health import Check, State
from core.router import Router
from core.settings import Discord
from core.store.inbox import Entry

Json = dict[str, Any]
LOGIN_SECONDS, CONNECT_SECONDS, CLOSE_SECONDS = 30.0, 120.0, 10.0
# Discord sends no event again, whatever became of it here.
AGAIN_SECONDS = (1.0, 5.0, 20.0, 60.0, 240.0)
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
        self._bound = {f"{CHANNEL}:{place}": namespace for place, namespace in self._settings.channels.items()}
        self._library = Library(
            application.documents, record.bindings, record.conversations, self._bound, application.checks
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
        self._missed = Missed(self._settings.missed_minutes, record, self._take)
        self._interactions = Interactions(
            lambda: self.calls,
            lambda: (self._desk, self._file_desk),
            record,
            documents,
            self._library,
            self._people,
            lambda guild: self.client.me(guild),  # noqa: PLW0108 - it is another one after each start
            self._is_welcome,
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
        self._client = Client(self._settings, message_content=has_content, hear=self.hear, ready=self._ready)
        async with aiohttp.ClientSession() as self._session, self._client as client:
            async with asyncio.timeout(LOGIN_SECONDS):
                await client.login(token)
            self._calls = Calls(client.http)
            await self._synced(client, application_id)
            alone = self._application.claim is not None
            await asyncio.to_thread(self._files.tidy, alone=alone)
            await self._missed.drop_deleted(self._calls, self._withdraw)
            tasks = [asyncio.create_task(desk.run(alone=alone)) for desk in (self._desk, self._file_desk)]
            connection = asyncio.create_task(client.connect())
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
                await self._end(*tasks, *self._background)
                await client.close()
                await self._end(connection)

    async def hear(self, name: str, data: Json) -> None:
        """An event of the gateway. What goes wrong is in the log, tried again for minutes, and read after the next start."""
        for pause in (*AGAIN_SECONDS, None):
            if await self._taken(name, data) or pause is None:
                return
            await asyncio.sleep(pause)

    async def _taken(self, name: str, data: Json) -> bool:
        """False where it may go well later. To take it twice does what taking it once does."""
        try:
            match name:
                case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
                    await self._said(data, str(data.get("guild_id") or ""), is_edit=name == "MESSAGE_UPDATE")
                case "MESSAGE_DELETE":
                    await self._withdraw(key_of(str(data["channel_id"]), str(data["id"])))
                case "MESSAGE_DELETE_BULK":
                    for each in data.get("ids") or ():
                        await self._withdraw(key_of(str(data["channel_id"]), str(each)))
                case "INTERACTION_CREATE":
                    await self._interacted(data)
        except (
            LorekeeperError,
            Refused,
            Unknown,
            Retry,
            discord.DiscordException,
            OSError,
            aiohttp.ClientError,
        ) as error:
            cause = error.message if isinstance(error, LorekeeperError) else type(error).__name__
            log.error("an event was not taken", event_name=name, cause=cause)  # noqa: TRY400 - it may hold words of people
            return isinstance(error, Refused | discord.Forbidden | discord.NotFound) or name == "INTERACTION_CREATE"
        except Exception:  # one event must not stop the others
            log.exception("an event was not taken", event_name=name)
            return name == "INTERACTION_CREATE"
        return True

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

    async def _said(self, message: Json, guild: str, *, is_edit: bool = False) -> None:
        if is_edit and not message.get("edited_timestamp"):
            # Discord unfolded a link, or made a thread of it.
            return
        if guild and not self.client.is_served(guild):
            return
        place = await self.client.place(str(message["channel_id"]), guild)
        me = self.client.me(guild, message)
        incoming = written(message, place, me, is_known=is_edit)
        if incoming is None:
            await self._hint(message, guild)
            return
        if not await self._is_welcome(guild, incoming.message.author):
            return
        incoming = await self._placed(incoming, place.parent_kind in FORUMS)
        is_old = datetime.now(UTC).timestamp() - sent_at(str(message["id"])) > self._settings.missed_minutes * 60
        for entry in entries(incoming):
            desk = self._file_desk if FILES in entry.payload["place"] else self._desk
            if is_edit or incoming.version:
                # An old message that becomes a question now is as old as it is.
                await desk.revise(replace(entry, opens=False) if is_old else entry)
            elif not is_old:
                await desk.accept(entry)

    async def _is_welcome(self, guild: str, user: str) -> bool:
        """Whether somebody is answered in a server, or directly. Raises `Retry`."""
        if guild or not self._settings.servers:
            return not guild or self.client.is_served(guild)
        return await self._people.is_member(user)

    async def _take(self, message: Json, guild: str) -> None:
        """What was said while nobody listened, perhaps known already."""
        if "channel_id" in message:
            await self._said(message, guild)

    async def _placed(self, incoming: Incoming, is_forum: bool) -> Incoming:
        """With what only the record knows: which conversation a reply belongs to, and whether a forum is answered."""
        message = incoming.message
        if (name := incoming.place.get("replies_to")) and not incoming.place.get("in_thread"):
            thread = await asyncio.to_thread(self._record.inbox.thread_of, CHANNEL, f":{name}")
            if thread is not None:
                place = {key: value for key, value in incoming.place.items() if key != "makes_thread"}
                return replace(incoming, message=replace(message, thread=thread.split(":", 2)[2]), place=place)
        if is_forum and "post" in incoming.place and not message.addressed:
            where = f"{CHANNEL}:{message.conversation}"
            bound = await asyncio.to_thread(self._record.bindings.namespaces, [where])
            if bound.get(where) or where in self._bound:
                return replace(incoming, message=replace(message, addressed=True), is_direct=True)
        return incoming

    async def _hint(self, message: Json, guild: str) -> None:
        """Where the bot is in the thread and may not read what is not said to it, it says so once."""
        author = message.get("author") or {}
        is_unreadable = not (message.get("content") or message.get("attachments") or message.get("embeds"))
        if self.client.has_content or not is_unreadable or author.get("bot") or message.get("type", 0) not in {0, 19}:
            return
        place = await self.client.place(str(message["channel_id"]), guild)
        incoming = written({**message, "content": "?"}, place, self.client.me(guild)) if place.is_thread else None
        if incoming is None:
            return
        key = f"{CHANNEL}:{place.channel}:hint"
        place_of = {"channel": place.channel, "in_thread": "1", "guild": guild, "hint": "1"}
        hint = replace(incoming, message=replace(incoming.message, id=key), place=place_of)
        await self._desk.accept(hint.entry())

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

    async def _withdraw(self, key: str) -> None:
        await self._file_desk.withdraw(files_key(key))
        await self._desk.withdraw(key)

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
        self._application.reports[CHANNEL] = Check(CHANNEL, State.OK, f"connected to {len(client.guilds)} servers")
        self._spawn(self._missed.catch_up(client, self.calls, shard))

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
