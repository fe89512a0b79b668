"""Slack's calls to the gateway, where there is no Socket Mode. Signatures and their age are verified by Slack's library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send


class Door:
    """An ASGI application that lets Slack in while the channel is connected; before and after, Slack tries again."""

    def __init__(self) -> None:
        self._handler: AsyncSlackRequestHandler | None = None

    @contextmanager
    def open(self, app: AsyncApp) -> Iterator[None]:
        self._handler = AsyncSlackRequestHandler(app)
        try:
            yield
        finally:
            self._handler = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return PlainTextResponse("Slack sends events here.\n", 405, {"Allow": "POST"})
        if self._handler is None:
            return PlainTextResponse("Slack is not connected yet.\n", 503, {"Retry-After": "5"})
        return await self._handler.handle(request)
