"""How large a request may be, and how long its body may pause."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bots.gateway.problems import problem_for

LARGEST_BODY = 64 * 1024
# As much as a command line can hold (on Linux 2 MB), with room for JSON around each path.
# A chat client sends the whole conversation each time.
LARGEST_BODY_OF = {"/v1/documents/paths": 4 * 2**20, "/v1/chat/completions": 4 * 2**20}
# A chat platform repeats a long message several times in one event.
LARGEST_AT_A_DOOR = 2**20
MULTIPART_SLACK = 64 * 1024
# Reading on for a while lets a client finish sending and see the answer instead of a broken connection.
DRAIN_SECONDS = 30.0
# Without a byte of the body for so long, the client is gone or means no good.
SILENCE_SECONDS = 60.0
# And who sends a byte now and then only wants to keep the connection.
SLOWEST_BYTES_PER_SECOND = 4096
STOPPING_SECONDS = 2.0
UPLOAD_PATH = "/v1/documents"
PIECES_PATH = "/v1/uploads"


class Protection:
    """Pure ASGI, so that bodies and answers stream through."""

    def __init__(self, app: ASGIApp, *, max_upload_bytes: int, doors: Collection[str] = ()) -> None:
        """`doors`: paths at which chat platforms deliver events."""
        self._app = app
        self._largest = LARGEST_BODY_OF | dict.fromkeys(doors, LARGEST_AT_A_DOOR)
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
        limit = self._limit(scope)
        too_large = HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._explain(scope, limit))
        if _announced_size(headers) > limit:
            if "100-continue" not in headers.get("expect", "").lower():
                await _drain(receive)
            await problem_for(scope["path"], too_large.status_code, too_large.detail)(scope, receive, send)
            return
        await self._app(scope, self._limited(receive, limit, too_large), send)

    def _limited(self, receive: Receive, limit: int, too_large: HTTPException) -> Receive:
        received = 0
        is_complete = False
        begun = asyncio.get_running_loop().time()

        async def counted() -> Message:
            nonlocal received, is_complete
            # After the body the only message is that the client left, which may take as long as it likes.
            until = begun + SILENCE_SECONDS + received / SLOWEST_BYTES_PER_SECOND
            message = await (receive() if is_complete else self._in_time(receive, until))
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > limit:
                await _drain(receive)
                raise too_large
            return message

        return counted

    async def _in_time(self, receive: Receive, until: float) -> Message:
        now = asyncio.get_running_loop().time()
        patience = STOPPING_SECONDS if self._is_stopping else SILENCE_SECONDS
        try:
            async with asyncio.timeout_at(min(until, now + patience)) as limit:
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
        return self._largest.get(scope["path"], LARGEST_BODY)

    def _explain(self, scope: Scope, limit: int) -> str:
        if _is_upload(scope):
            megabytes = self._max_upload_bytes // 2**20
            return f"The file is too large; at most {megabytes} MB are accepted (server.max_upload_mb)."
        shown = f"{limit // 1024} KB" if limit < 2**20 else f"{limit // 2**20} MB"
        return f"The request is too large; at most {shown} are accepted here."


def _is_upload(scope: Scope) -> bool:
    path, method = scope["path"], scope["method"]
    is_piece = path.startswith(f"{PIECES_PATH}/") and method in {"PATCH", "POST"}
    return bool(is_piece or (path in {UPLOAD_PATH, PIECES_PATH} and method == "POST"))


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
