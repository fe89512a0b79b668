"""The real slack_sdk and slack-bolt, pointed at the fake: for its own tests, and for the channel's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.slack.delivery import HttpEndpoint
from tests.fakes.slack.server import FakeSlack

SECRET = "shh"


def client_of(slack: FakeSlack, token: str | None = None, timeout: int = 5) -> AsyncWebClient:
    return AsyncWebClient(token or slack.bot.token, base_url=slack.api_url, timeout=timeout)


def bolt(slack: FakeSlack) -> AsyncApp:
    return AsyncApp(client=client_of(slack), signing_secret=SECRET, logger=logging.getLogger("bolt"))


@asynccontextmanager
async def connected(app: AsyncApp, slack: FakeSlack) -> AsyncIterator[AsyncSocketModeHandler]:
    """The application in Socket Mode, until the block ends. Its tasks are awaited, or pytest warns of them."""
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.1)
    before = len(slack.sockets.live)
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]
        await slack.until(lambda: len(slack.sockets.live) > before)
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
        await asyncio.gather(*_of(handler), return_exceptions=True)


def _of(handler: AsyncSocketModeHandler) -> list[asyncio.Future[Any]]:
    client = handler.client
    return [
        task
        for task in (client.current_session_monitor, client.message_receiver, client.message_processor)
        if task is not None
    ]


@asynccontextmanager
async def served(app: AsyncApp, slack: FakeSlack) -> AsyncIterator[None]:
    """The application in HTTP mode on a port of its own; sets `slack.http`."""
    handler = AsyncSlackRequestHandler(app)

    async def events(request: Request) -> Response:
        return await handler.handle(request)

    web = Starlette(routes=[Route("/slack/events", events, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(web, port=0, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await slack.until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    slack.http = HttpEndpoint(f"http://127.0.0.1:{port}/slack/events", SECRET)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def answering(app: AsyncApp) -> AsyncApp:
    @app.event("app_mention")
    async def answer(event: dict[str, Any], client: AsyncWebClient) -> None:
        await client.chat_postMessage(channel=event["channel"], thread_ts=event["ts"], text="13 days")

    @app.event("message")
    async def nothing() -> None:
        pass

    return app
