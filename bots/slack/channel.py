"""Slack as a channel: connects, hears, and has the desk answer, until it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bots.chat.answering import Answering, Surface
from bots.chat.desk import Desk, Retry, Work
from bots.chat.files import entries, file_queue, files_key
from bots.chat.incoming import Incoming
from bots.chat.library import Library
from bots.chat.receiving import Destinations, Receiving
from bots.slack.actions import Actions
from bots.slack.admins import Admins
from bots.slack.app import build_app, quiet_logger
from bots.slack.calls import Calls, asked
from bots.slack.events import (
    CHANNEL,
    Deleted,
    Edited,
    HomeOpened,
    Left,
    Opened,
    Said,
    Stopped,
    meaning,
    team_of,
)
from bots.slack.files import Files
from bots.slack.home import Home
from bots.slack.http import Door
from bots.slack.lore import Lore
from bots.slack.manifest import EVENTS_PATH
from bots.slack.membership import Membership
from bots.slack.missed import ABSENT_SECONDS, Missed
from bots.slack.posting import SlackSurface
from bots.slack.private import PrivateSurface
from bots.slack.prompts import suggest
from bots.slack.receiving import SlackFiles
from bots.slack.upload_view import Uploads
from bots.slack.workspaces import Workspace
from core.build import Application, Record
from core.errors import InvalidSettings
from core.health import Check, State
from core.router import Router
from core.settings_channels import Slack
from core.store.inbox import Entry

CONNECTIONS = 100
CALL_SECONDS = 20
CONNECT_SECONDS = 60.0
WATCH_SECONDS = 15.0
log = structlog.get_logger(__name__)


class SlackChannel:
    """Implements `core.ports.Channel`."""

    def __init__(self, application: Application, record: Record) -> None:
        self._application = application
        self._settings: Slack = application.settings.slack
        self._record = record
        installations = record.installations(CHANNEL)
        self._membership = Membership(self._settings, application.settings.server.public_url, installations)
        self._workspaces = self._membership.workspaces
        self._session: aiohttp.ClientSession | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._is_listening = False
        bound = {f"{CHANNEL}:{channel}": namespace for channel, namespace in self._settings.channels.items()}
        self._router = Router(bound)
        self._door = Door()
        self._library = Library(
            application.documents,
            application.versions,
            application.jobs,
            record.bindings,
            record.conversations,
            bound,
            application.checks,
            application.settings.history.keep_removed_days,
        )
        self._admins = Admins(self._settings.admins)
        self._home = Home(lambda: self._workspaces, self._library, self._admins)
        answering = Answering(
            asker=application.asker,
            threads=record.threads,
            bindings=record.bindings,
            conversations=record.conversations,
            surface=self._surface,
            router=self._router,
            seconds=application.settings.server.request_seconds,
        )
        server, documents = application.settings.server, application.documents
        self._files = Files(
            lambda: self.session, application.settings.data_dir, self._settings.api_url, server.max_upload_mb
        )
        receiving = Receiving(
            SlackFiles(self._find, record.inbox, self._admins, self._files),
            documents,
            Destinations(documents, record.bindings, self._settings.channels),
            self._note_files,
        )
        questions = Work(answering.answer, answering.interrupted, answering.give_up)
        observe = application.metrics.settled
        self._desk = Desk(record.inbox, CHANNEL, questions, observe=observe)
        self._file_desk = Desk(record.inbox, file_queue(CHANNEL), receiving.work, observe=observe)
        self._uploads = Uploads(self._file_desk, documents)
        self._missed = Missed(self._settings, record, self._find, self._take)
        self._workspaces.arrived = self._arrived

    @property
    def doors(self) -> Mapping[str, Any]:
        """What the gateway serves for it: events, unless they come by Socket Mode, and the pages for installing."""
        events = {} if self._uses_sockets else {EVENTS_PATH: self._door}
        return {**events, **self._membership.doors}

    async def serve(self) -> None:
        async with self._client() as client, self._membership.open(client):
            app = build_app(client, self._workspaces, self.receive, self._signing_secret)
            Actions(
                lambda: self._workspaces, self._desk, self._record, self._application.documents, self.session
            ).install(app)
            self._uploads.install(app)
            await asyncio.to_thread(self._files.tidy, alone=self._application.claim is not None)
            Lore(
                lambda: self._workspaces, self._library, self._admins, self.session, self._uploads.open_upload
            ).install(app)
            self._home.install(app)
            await self._missed.drop_deleted(self._workspaces.all(), self._withdraw)
            alone = self._application.claim is not None
            working = [asyncio.create_task(desk.run(alone=alone)) for desk in (self._desk, self._file_desk)]
            try:
                async with self._listening(app):
                    teams = [workspace.team for workspace in self._workspaces.all()]
                    log.info("slack is connected", teams=teams)
                    shown = f"connected to {', '.join(teams) or 'no workspace yet'}"
                    self._application.reports[CHANNEL] = Check(CHANNEL, State.OK, shown)
                    self._is_listening = True
                    self._catch_up()
                    ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                    await ended.pop()
            finally:
                self._is_listening = False
                await self._end(*working, *self._background)

    async def receive(self, body: dict[str, Any]) -> None:
        """Write down what an event asks for. Raises `StorageFailed`: then Slack must send it again."""
        workspace = self._workspaces.find(team_of(body))
        if workspace is None:
            log.warning("an event of a workspace that is not known", team=team_of(body))
            return
        meant = meaning(body, workspace.bot_user)
        if isinstance(meant, Said | Edited | Deleted):
            await self._written(meant)
        elif isinstance(meant, Stopped):
            self._stop(meant.thread)
        elif isinstance(meant, Left):
            await self._membership.left(meant.team)
        elif isinstance(meant, Opened | HomeOpened):
            await self._opened(workspace, meant)

    async def _written(self, meant: Said | Edited | Deleted) -> None:
        if isinstance(meant, Deleted):
            await self._withdraw(meant.key, may_come=not self._is_too_old(meant.key.rpartition(":")[2]))
            return
        is_old = self._is_too_old(meant.incoming.place["ts"])
        for entry in entries(meant.incoming):
            if isinstance(meant, Edited):
                # An old message that becomes a question now is as old as it is.
                await self._desk_of(entry).revise(replace(entry, opens=False) if is_old else entry)
            elif not is_old:
                await self._desk_of(entry).accept(entry)

    async def _withdraw(self, key: str, *, may_come: bool = False) -> None:
        await self._file_desk.withdraw(files_key(key), may_come=may_come)
        await self._desk.withdraw(key, may_come=may_come)

    async def _take(self, incoming: Incoming) -> None:
        """What was said while nobody listened, perhaps known already."""
        for entry in entries(incoming):
            desk = self._desk_of(entry)
            if incoming.version:
                await desk.revise(entry)
            # Known ones are not taken twice.
            await desk.accept(entry)

    def _desk_of(self, entry: Entry) -> Desk:
        return self._file_desk if entry.channel == file_queue(CHANNEL) else self._desk

    def _stop(self, thread: str) -> None:
        self._desk.stop(thread)
        self._file_desk.stop(thread)

    async def _opened(self, workspace: Workspace, opened: Opened | HomeOpened) -> None:
        if isinstance(opened, HomeOpened):
            self._spawn(self._home.show(workspace, opened.user, opened.channel))
            return
        namespace = await self._library.namespace_of(f"{CHANNEL}:{opened.channel}")
        self._spawn(suggest(workspace.calls, self._record.conversations, opened.channel, namespace))

    @property
    def session(self) -> aiohttp.ClientSession:
        """Open while it serves."""
        assert self._session is not None  # noqa: S101
        return self._session

    @property
    def _uses_sockets(self) -> bool:
        return bool(self._settings.app_token.get_secret_value())

    @property
    def _signing_secret(self) -> str:
        return "" if self._uses_sockets else self._settings.signing_secret.get_secret_value()

    def _find(self, team: str) -> Workspace | None:
        return self._workspaces.find(team)

    async def _note_files(self, entry: Entry, reply: dict[str, Any]) -> None:
        await self._file_desk.note(entry, reply)

    def _is_too_old(self, ts: str) -> bool:
        # What has just been said may take a moment to arrive.
        oldest = max(timedelta(minutes=self._settings.missed_minutes), timedelta(seconds=ABSENT_SECONDS))
        return datetime.now(UTC) - datetime.fromtimestamp(float(ts), UTC) > oldest

    def _surface(self, incoming: Incoming, entry: Entry) -> Surface:
        if "ts" not in incoming.place:
            return PrivateSurface(self.session, incoming, entry, self._desk.note)
        workspace = self._workspaces.find(incoming.place["team"])
        if workspace is None:
            raise Retry("the workspace is not known yet")
        return SlackSurface(workspace.posting, self._record.inbox, incoming, entry, self._desk.note, self._stop)

    def _arrived(self, workspace: Workspace) -> None:
        if self._is_listening:
            self._spawn(self._missed.catch_up(workspace.team))

    def _catch_up(self) -> None:
        for workspace in self._workspaces.all():
            self._spawn(self._missed.catch_up(workspace.team))

    async def _watch(self, handler: AsyncSocketModeHandler) -> None:
        """Report a connection that stays away, and hear afterwards what was said meanwhile."""
        away = 0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            was_away, away = away, 0 if await handler.client.is_connected() else away + 1
            refused = next((each for each in self._workspaces.all() if each.calls.locked_out), None)
            if was_away and not away:
                self._catch_up()
            if away > 1:
                detail = "no connection by Socket Mode; it is tried again and again"
                self._application.reports[CHANNEL] = Check(CHANNEL, State.DEGRADED, detail, "Run `lorekeeper doctor`.")
            elif refused is not None:
                detail = f"Slack does not take the token of {refused.team} ({refused.calls.locked_out})"
                self._application.reports[CHANNEL] = Check(CHANNEL, State.DEGRADED, detail, "Run `lorekeeper doctor`.")
            elif self._application.reports[CHANNEL].state is not State.OK and not away:
                self._application.reports[CHANNEL] = Check(CHANNEL, State.OK, "connected again")

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _end(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncWebClient]:
        """One pool of connections for everything; without it, the library opens one for each call."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            yield AsyncWebClient(
                base_url=self._settings.api_url.rstrip("/") + "/",
                timeout=CALL_SECONDS,
                session=self._session,
                # What is tried again, and when, is decided in bots.slack.calls.
                retry_handlers=[],
                logger=quiet_logger(),
            )

    @asynccontextmanager
    async def _listening(self, app: AsyncApp) -> AsyncIterator[None]:
        if not self._uses_sockets:
            with self._door.open(app):
                yield
            return
        token = self._settings.app_token.get_secret_value()
        # The library tries for ever with a token that Slack does not take.
        await asked(Calls(app.client, token), "apps.connections.open", "SLACK_APP_TOKEN")
        handler = AsyncSocketModeHandler(app, token, logger=quiet_logger())
        try:
            # The library tries for ever by itself, and says nothing to us.
            async with asyncio.timeout(CONNECT_SECONDS):
                await handler.connect_async()  # type: ignore[no-untyped-call]
            watching = asyncio.create_task(self._watch(handler))
            try:
                yield
            finally:
                await self._end(watching)
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]
            client = handler.client
            # Its tasks are awaited, so that none outlives the loop.
            own = (client.current_session_monitor, client.message_receiver, client.message_processor)
            await asyncio.gather(*(task for task in own if task is not None), return_exceptions=True)


def open_channel(application: Application) -> SlackChannel:
    """Raises `InvalidSettings` for tokens that cannot be right."""
    if application.record is None:
        raise InvalidSettings("Slack runs where the data is: start it with `lorekeeper run`.")
    settings = application.settings.slack
    events = settings.app_token.get_secret_value() or settings.signing_secret.get_secret_value()
    if settings.client_id:
        if not (settings.client_secret.get_secret_value() and events and application.settings.server.public_url):
            raise InvalidSettings(
                "To be installed by several workspaces, Slack needs slack.client_id and client_secret, SLACK_APP_TOKEN or "
                "SLACK_SIGNING_SECRET, and server.public_url. See docs/slack.md."
            )
    elif not settings.bot_token.get_secret_value() or not events:
        raise InvalidSettings(
            "Slack needs SLACK_BOT_TOKEN, and SLACK_APP_TOKEN or SLACK_SIGNING_SECRET. docs/slack.md says where to find them."
        )
    return SlackChannel(application, application.record)
