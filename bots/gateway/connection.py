"""Connections, before they are requests: not too many at once, and none that is held open without saying what it wants."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
# Each needs a file descriptor; the rest is for the database, the index and files.
SPARE_DESCRIPTORS = 256
MOST_CONNECTIONS = 4096
TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 5\r\n"
    b"content-length: 50\r\nconnection: close\r\n\r\nThe server is busy. Please try again in a moment.\n"
)
log = structlog.get_logger(__name__)


def most_connections() -> int:
    """How many connections this process can hold; raises its limit of open files to what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft - SPARE_DESCRIPTORS))
    )


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with a limit on connections, and one on the time that a request's head may take."""

    most = MOST_CONNECTIONS
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most:
            log.warning("too many connections", most=self.most)
            transport.write(TOO_MANY)
            transport.close()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_slow(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()


def connection_class(most: int) -> type[Connection]:
    """The same with another limit; uvicorn makes one for each connection."""
    return type("LimitedConnection", (Connection,), {"most": most})
