"""Discord's calls to the gateway: interactions, where the application names an address for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bots.discord.invocation import PING, PONG, Invoked, invoked_of
from bots.discord.responses import Response as Answered

MOST_BYTES = 1_000_000
READ_SECONDS = 5.0
Finish = Callable[[Invoked, Answered], Awaitable[None]]
Respond = Callable[[Invoked], Awaitable[Answered]]
log = structlog.get_logger(__name__)


class Door:
    """An ASGI application. Before and after the channel is connected, people are told by Discord that it does not answer."""

    def __init__(self, public_key: str) -> None:
        self._key = VerifyKey(bytes.fromhex(public_key))
        self._handlers: tuple[Respond, Finish] | None = None

    def open(self, respond: Respond, finish: Finish) -> None:
        """From now on, interactions are responded to; `finish` is called when the response is on its way."""
        self._handlers = respond, finish

    def close(self) -> None:
        self._handlers = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return PlainTextResponse("Discord sends interactions here.\n", 405, {"Allow": "POST"})
        try:
            content = await _content(request)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("Too slow.\n", 408)
        if content is None:
            return PlainTextResponse("Too large.\n", 413)
        if not self._is_signed(request, content):
            # Discord tries wrong signatures, and takes no address that accepts them.
            return PlainTextResponse("The signature is wrong.\n", 401)
        try:
            body: dict[str, Any] = json.loads(content)
            invoked = None if body.get("type") == PING else invoked_of(body)
        except (ValueError, KeyError, TypeError, AttributeError):
            return PlainTextResponse("This is no interaction.\n", 400)
        return JSONResponse({"type": PONG}) if invoked is None else await self._respond(invoked)

    async def _respond(self, invoked: Invoked) -> Response:
        if self._handlers is None:
            return PlainTextResponse("Discord is not connected yet.\n", 503, {"Retry-After": "5"})
        respond, finish = self._handlers
        response = await respond(invoked)
        return JSONResponse(response.body, background=BackgroundTask(finish, invoked, response))

    def _is_signed(self, request: Request, content: bytes) -> bool:
        timestamp = request.headers.get("x-signature-timestamp", "")
        try:
            signature = bytes.fromhex(request.headers.get("x-signature-ed25519", ""))
            self._key.verify(timestamp.encode() + content, signature)
        except (BadSignatureError, ValueError, TypeError):
            return False
        return True


async def _content(request: Request) -> bytes | None:
    """None when it is more than any interaction."""
    content = bytearray()
    async with asyncio.timeout(READ_SECONDS):
        async for piece in request.stream():
            content += piece
            if len(content) > MOST_BYTES:
                return None
    return bytes(content)
