"""What every request passes before a route sees it: whose page sent it, how large it is; and headers on the way back."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bots.gateway.problems import problem

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LARGEST_BODY = 64 * 1024
MULTIPART_SLACK = 64 * 1024
# Reading on for a while lets a client finish sending and see the answer instead of a broken connection.
DRAIN_SECONDS = 30.0
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UPLOAD_PATH = "/v1/documents"


class Protection:
    """Pure ASGI, so that bodies and answers stream through."""

    def __init__(self, app: ASGIApp, *, host: str, max_upload_bytes: int) -> None:
        self._app = app
        self._is_local = is_loopback(host)
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = _with_security_headers(send, scope["path"])
        if refusal := self._refuse(scope["method"], headers):
            await problem(HTTPStatus.FORBIDDEN, refusal)(scope, receive, send)
            return
        limit = self._limit(scope)
        too_large = HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _explain(limit))
        if _announced_size(headers) > limit:
            if "100-continue" not in headers.get("expect", "").lower():
                await _drain(receive)
            await problem(too_large.status_code, too_large.detail)(scope, receive, send)
            return
        await self._app(scope, _limited(receive, limit, too_large), send)

    def _limit(self, scope: Scope) -> int:
        is_upload = scope["path"] == UPLOAD_PATH and scope["method"] == "POST"
        return self._max_upload_bytes + MULTIPART_SLACK if is_upload else LARGEST_BODY

    def _refuse(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        # A page on the internet can make its own name point here (DNS rebinding); its Host header gives it away.
        if self._is_local and _name(host) not in LOOPBACK_NAMES:
            return "This server answers only to localhost. Use http://127.0.0.1 or http://localhost with its port."
        if method in READING_METHODS:
            return None
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != host
        if foreign or headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            return "Requests from pages of another site are not accepted."
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _name(host: str) -> str:
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0].lower()


def _announced_size(headers: Headers) -> int:
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() else 0


def _explain(limit: int) -> str:
    if limit == LARGEST_BODY:
        return f"The request is too large; at most {LARGEST_BODY // 1024} KB are accepted here."
    megabytes = (limit - MULTIPART_SLACK) // 2**20
    return f"The file is too large; at most {megabytes} MB are accepted (server.max_upload_mb)."


def _limited(receive: Receive, limit: int, too_large: HTTPException) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            await _drain(receive)
            raise too_large
        return message

    return counted


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _with_security_headers(send: Send, path: str) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "no-store")
        await send(message)

    return sending
