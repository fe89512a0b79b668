"""Connections, before they are requests: not too many at once, and none that is held open without saying what it wants."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
# What is not read fills the buffers; then it waits so long.
UNREAD_SECONDS = 60.0
# Each needs a file descriptor; the rest is for the database, the index and files.
SPARE_DESCRIPTORS = 256
MOST_CONNECTIONS = 4096
TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 5\r\n"
    b"content-length: 50\r\nconnection: close\r\n\r\nThe server is busy. Please try again in a moment.\n"
)
LARGEST_HEAD = 64 * 1024
HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 35\r\nconnection: close\r\n\r\nThe request's headers are too long."
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
    """uvicorn's protocol with limits: on connections, on a request's head, and on clients that do not read."""

    most = MOST_CONNECTIONS
    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _unheard = 0
    """Bytes since a head was complete or a part of a body came: of a head, or of trailers, which nobody wants."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.most:
            log.warning("too many connections", most=self.most)
            self._refuse(TOO_MANY)
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unheard += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unheard > LARGEST_HEAD:
            self._refuse(HEAD_TOO_LARGE)
        elif self.cycle is None or self.cycle.response_complete:
            # Whatever it was that came, a request has to follow.
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unheard = 0
        super().on_body(body)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self._not_read)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._end)

    def _head_came(self) -> None:
        self._unheard = 0
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _not_read(self) -> None:
        self._unread = None
        log.info("a client did not read its answer")
        self.transport.abort()

    def _end(self) -> None:
        # A transport that is closed politely waits until the client has read everything, which may be never.
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse(self, reply: bytes) -> None:
        self.transport.write(reply)
        self.transport.close()


def connection_class(most: int) -> type[Connection]:
    """The same with another limit; uvicorn makes one for each connection."""
    return type("LimitedConnection", (Connection,), {"most": most})
