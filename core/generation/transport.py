"""HTTP to the model's server, whose connections are closed whatever happens to the one who reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import httpx


class ClosingTransport(httpx.AsyncHTTPTransport):
    """Closes a connection to the end also when its reader is cancelled meanwhile.

    httpcore 1.0 marks a connection as closed before it closes it: a cancellation in between leaves it open for good.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.stream = _ClosedToTheEnd(cast("httpx.AsyncByteStream", response.stream))
        return response


class _ClosedToTheEnd(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        closing = asyncio.ensure_future(self._stream.aclose())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise
