"""The protocol of resumable uploads, tus 1.0.0 (tus.io/protocols/resumable-upload): its headers, in and out."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from core.errors import InvalidRequest, LorekeeperError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
PIECE_TYPE = "application/offset+octet-stream"
READ_ON_SECONDS = 30.0


def metadata_of(header: str) -> dict[str, str]:
    """`key base64,key base64,…` to texts by key. Raises `InvalidRequest`."""
    found: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        key, _, value = pair.partition(" ")
        if not key.isascii() or key in found:
            raise InvalidRequest("Upload-Metadata names the same key twice, or a key that is not ASCII.")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise InvalidRequest(f"Upload-Metadata: the value of {key[:40]!r} is not UTF-8 text in base64.") from None
    return found


def http_date(moment: datetime) -> str:
    """As in RFC 9110, 5.6.7."""
    return format_datetime(moment, usegmt=True)


def speaks_tus(request: Request) -> None:
    """A dependency for routes: 412 for clients of another version, or of none."""
    if request.headers.get("tus-resumable") != VERSION:
        raise HTTPException(
            HTTPStatus.PRECONDITION_FAILED,
            f"Uploads in pieces speak tus {VERSION}: send the header Tus-Resumable: {VERSION}.",
            {"Tus-Version": VERSION},
        )


class TusRoute(APIRoute):
    """Every answer names the version, refusals too; those wait a while for the rest of the piece, so that they arrive."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            body = _Body(request)
            try:
                response = await handle(Request(request.scope, body.receive))
            except (LorekeeperError, HTTPException, RequestValidationError) as error:
                await body.read_on()
                response = await _refusal(request, error)
            response.headers["Tus-Resumable"] = VERSION
            return response

        return handler


class _Body:
    """What is still to come of a request's body."""

    def __init__(self, request: Request) -> None:
        self._receive: Receive = request.receive
        # Who waits to be told to go on has sent nothing, and need not when the answer is no.
        self._is_held_back = "100-continue" in request.headers.get("expect", "").lower()
        self._is_over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_held_back = False
        self._is_over = not message.get("more_body", False)
        return message

    async def read_on(self) -> None:
        if self._is_held_back:
            return
        with suppress(TimeoutError, HTTPException):
            async with asyncio.timeout(READ_ON_SECONDS):
                while not self._is_over:
                    await self.receive()


async def _refusal(request: Request, error: Exception) -> Response:
    """What the application's own handler makes of it."""
    handlers: dict[Any, Any] = request.app.exception_handlers
    found = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    response: Response = await found(request, error)
    return response
