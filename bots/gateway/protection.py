"""What every request passes before a route sees it: whose page sent it, how large it is; and headers on the way back."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bots.gateway.access import STATE
from bots.gateway.problems import problem
from core.types import Caller

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
# As much as a command line can hold (on Linux 2 MB), with room for JSON around each path.
LARGEST_BODY_OF = {"/v1/documents/paths": 4 * 2**20}
MULTIPART_SLACK = 64 * 1024
# Reading on for a while lets a client finish sending and see the answer instead of a broken connection.
DRAIN_SECONDS = 30.0
# Without a byte of the body for so long, the client is gone or means no good.
SILENCE_SECONDS = 60.0
STOPPING_SECONDS = 2.0
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UPLOAD_PATH = "/v1/documents"


class Protection:
    """Pure ASGI, so that bodies and answers stream through."""

    def __init__(self, app: ASGIApp, *, host: str, max_upload_bytes: int, owner_token: str) -> None:
        self._app = app
        self._owner_token = owner_token
        self._is_local = is_loopback(host)
        self._max_upload_bytes = max_upload_bytes
        self._receiving: set[asyncio.Timeout] = set()
        self._is_stopping = False

    def stop(self) -> None:
        """From now on, clients that are silent in the middle of a request are given little time."""
        self._is_stopping = True
        soon = asyncio.get_running_loop().time() + STOPPING_SECONDS
        for limit in self._receiving:
            limit.reschedule(soon)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = _with_security_headers(send, scope["path"])
        if refusal := self._refuse(scope["method"], headers):
            await problem(HTTPStatus.FORBIDDEN, refusal)(scope, receive, send)
            return
        scope[STATE] = self._caller(headers)
        limit = self._limit(scope)
        too_large = HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._explain(scope, limit))
        if _announced_size(headers) > limit:
            if "100-continue" not in headers.get("expect", "").lower():
                await _drain(receive)
            await problem(too_large.status_code, too_large.detail)(scope, receive, send)
            return
        await self._app(scope, self._limited(receive, limit, too_large), send)

    def _caller(self, headers: Headers) -> Caller:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = self._owner_token
        is_owner = bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())
        return Caller(is_owner=is_owner)

    def _limited(self, receive: Receive, limit: int, too_large: HTTPException) -> Receive:
        received = 0
        is_complete = False

        async def counted() -> Message:
            nonlocal received, is_complete
            # After the body the only message is that the client left, which may take as long as it likes.
            message = await (receive() if is_complete else self._in_time(receive))
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > limit:
                await _drain(receive)
                raise too_large
            return message

        return counted

    async def _in_time(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(STOPPING_SECONDS if self._is_stopping else SILENCE_SECONDS) as limit:
                self._receiving.add(limit)
                try:
                    return await receive()
                finally:
                    self._receiving.discard(limit)
        except TimeoutError:
            words = "The rest of the request did not come. Please send it again."
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, words, {"Connection": "close"}) from None

    def _limit(self, scope: Scope) -> int:
        if _is_upload(scope):
            return self._max_upload_bytes + MULTIPART_SLACK
        return LARGEST_BODY_OF.get(scope["path"], LARGEST_BODY)

    def _explain(self, scope: Scope, limit: int) -> str:
        if _is_upload(scope):
            megabytes = self._max_upload_bytes // 2**20
            return f"The file is too large; at most {megabytes} MB are accepted (server.max_upload_mb)."
        shown = f"{limit // 1024} KB" if limit < 2**20 else f"{limit // 2**20} MB"
        return f"The request is too large; at most {shown} are accepted here."

    def _refuse(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        # A page on the internet can make its own name point here (DNS rebinding); its Host header gives it away.
        if self._is_local and not is_loopback(_name(host)):
            return "This server answers only to localhost. Use http://127.0.0.1 or http://localhost with its port."
        if method in READING_METHODS:
            return None
        origin = headers.get("origin")
        own = {f"http://{host}".lower(), f"https://{host}".lower()}
        foreign = origin is not None and origin.lower() not in own
        if foreign or headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            return "Requests from pages of another site are not accepted."
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_upload(scope: Scope) -> bool:
    return bool(scope["path"] == UPLOAD_PATH and scope["method"] == "POST")


def _name(host: str) -> str:
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _announced_size(headers: Headers) -> int:
    value = headers.get("content-length", "")
    return int(value) if value.isdecimal() else 0


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
