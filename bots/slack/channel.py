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
from bots.chat.incoming import Incoming
from bots.slack.actions import Actions
from bots.slack.app import build_app, quiet_logger
from bots.slack.calls import Refused, Unknown
from bots.slack.events import CHANNEL, Deleted, Edited, Opened, Said, Stopped, meaning
from bots.slack.http import EVENTS_PATH, Door
from bots.slack.missed import missed
from bots.slack.posting import SlackSurface
from bots.slack.private import PrivateSurface
from bots.slack.prompts import suggest
from bots.slack.workspaces import Workspace, Workspaces, introduce
from core.build import Application, Record
from core.errors import InvalidSettings
from core.health import Check, State
from core.router import Router
from core.settings import Slack
from core.store.inbox import Entry

CONNECTIONS = 100
CALL_SECONDS = 20
log = structlog.get_logger(__name__)


class SlackChannel:
    """Implements `core.ports.Channel`."""

    def __init__(self, application: Application, record: Record) -> None:
        self._application = application
        self._settings: Slack = application.settings.slack
        self._record = record
        self._workspaces = Workspaces({})
        self._session: aiohttp.ClientSession | None = None
        self._background: set[asyncio.Task[None]] = set()
        bound = {f"{CHANNEL}:{channel}": namespace for channel, namespace in self._settings.channels.items()}
        self._router = Router(bound)
        self._door = Door()
        answering = Answering(
            asker=application.asker,
            threads=record.threads,
            bindings=record.bindings,
            surface=self._surface,
            router=self._router,
            seconds=application.settings.server.request_seconds,
        )
        self._desk = Desk(record.inbox, CHANNEL, Work(answering.answer, answering.interrupted, answering.give_up))

    @property
    def doors(self) -> Mapping[str, Any]:
        """What the gateway serves for it: in Socket Mode, nothing."""
        return {} if self._uses_sockets else {EVENTS_PATH: self._door}

    async def serve(self) -> None:
        async with self._client() as client:
            workspace = await introduce(client, self._settings.bot_token.get_secret_value())
            self._workspaces = Workspaces({workspace.team: workspace})
            app = build_app(client, self._workspaces, self.receive, self._signing_secret)
            Actions(
                lambda: self._workspaces, self._desk, self._record, self._application.documents, self.session
            ).install(app)
            working = asyncio.create_task(self._desk.run(alone=self._application.claim is not None))
            try:
                async with self._listening(app):
                    log.info("slack is connected", team=workspace.team)
                    self._application.reports[CHANNEL] = Check(CHANNEL, State.OK, f"connected to {workspace.team}")
                    self._spawn(self._catch_up(workspace))
                    await working
            finally:
                await self._end(working, *self._background)

    async def receive(self, body: dict[str, Any]) -> None:
        """Write down what an event asks for. Raises `StorageFailed`: then Slack must send it again."""
        workspace = self._workspaces.find(str(body.get("team_id") or ""))
        if workspace is None:
            return
        meant = meaning(body, workspace.bot_user)
        if isinstance(meant, Said):
            if not self._is_too_old(meant.incoming):
                await self._desk.accept(meant.incoming.entry())
        elif isinstance(meant, Edited):
            entry = meant.incoming.entry()
            # An old message that becomes a question now is as old as it is.
            await self._desk.revise(replace(entry, opens=False) if self._is_too_old(meant.incoming) else entry)
        elif isinstance(meant, Deleted):
            await self._desk.withdraw(meant.key)
        elif isinstance(meant, Stopped):
            self._desk.stop(meant.thread)
        elif isinstance(meant, Opened):
            namespace = self._router.bindings.get(f"{CHANNEL}:{meant.channel}", "default")
            self._spawn(suggest(workspace.calls, self._record.conversations, meant.channel, namespace))

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

    def _is_too_old(self, incoming: Incoming) -> bool:
        sent = datetime.fromtimestamp(float(incoming.place["ts"]), UTC)
        return datetime.now(UTC) - sent > timedelta(minutes=self._settings.missed_minutes)

    def _surface(self, incoming: Incoming, entry: Entry) -> Surface:
        if "ts" not in incoming.place:
            return PrivateSurface(self.session, incoming)
        workspace = self._workspaces.find(incoming.place["team"])
        if workspace is None:
            raise Retry("the workspace is not known yet")
        return SlackSurface(workspace.posting, self._record.inbox, incoming, entry, self._desk.note)

    async def _catch_up(self, workspace: Workspace) -> None:
        """Hear what was said while nobody listened."""
        try:
            since = datetime.now(UTC) - timedelta(minutes=self._settings.missed_minutes)
            async for incoming in missed(workspace, since):
                await self._desk.accept(incoming.entry())
        except (Refused, Unknown, Retry) as error:
            log.warning("what was said meanwhile could not be read", cause=str(error))

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
        handler = AsyncSocketModeHandler(app, token, logger=quiet_logger())
        try:
            await handler.connect_async()  # type: ignore[no-untyped-call]
            yield
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
    bot, app = settings.bot_token.get_secret_value(), settings.app_token.get_secret_value()
    if not bot or not (app or settings.signing_secret.get_secret_value()):
        raise InvalidSettings(
            "Slack needs SLACK_BOT_TOKEN, and SLACK_APP_TOKEN or SLACK_SIGNING_SECRET. docs/slack.md says where to find them."
        )
    return SlackChannel(application, application.record)
