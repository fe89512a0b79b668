"""So many people who ask again as soon as they are answered (a closed loop), with streams that are read to their end.

Plain sockets and one parser, for whichever server is asked, so that the client weighs the same on both sides of a
comparison. Times are seconds of the performance counter.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httptools

LONGEST_SECONDS = 300.0
# What may have come of a line before the rest of it.
TAIL = 64
# How Lorekeeper and vLLM say that a stream is whole, and that what began well did not end well.
ENDED = re.compile(rb"(?m)^(?:event: done|data: \[DONE\])")
FAILED = re.compile(rb'(?m)^(?:event: error|data: \{"error":)')
FirstWord = Callable[[Mapping[str, Any]], bool]
"""Whether the data of an event holds text that a person would read."""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of JSON that is answered with server-sent events."""

    url: str
    body: Mapping[str, Any]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What became of one request. `first` is the moment of the first word; None when there was none."""

    begin: float
    first: float | None
    end: float
    failure: str = ""

    @property
    def first_ms(self) -> float | None:
        return None if self.first is None else (self.first - self.begin) * 1000


class _Reply:
    """Put together by httptools; notes when the first word came."""

    def __init__(self, is_first: FirstWord) -> None:
        self.is_complete = False
        self.first: float | None = None
        self.has_ended = self.has_failed = False
        self._tail = b""
        self._is_first = is_first
        self._text = b""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    @property
    def status(self) -> int:
        return self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        window = self._tail + data
        self._tail = window[-TAIL:]
        self.has_ended = self.has_ended or bool(ENDED.search(window))
        self.has_failed = self.has_failed or bool(FAILED.search(window))
        if self.first is not None:
            return
        self._text += data
        *lines, self._text = self._text.split(b"\n")
        if any(self._is_first(value) for value in map(_data, lines) if value is not None):
            self.first = time.perf_counter()

    def on_message_complete(self) -> None:
        self.is_complete = True


async def ask_all(
    requests: Sequence[Request], people: int, is_first: FirstWord, report: Callable[[int], None]
) -> list[Streamed]:
    """Every request once, `people` at a time. `report` is told how many have ended."""
    left = iter(requests)
    ended: list[Streamed] = []

    async def person() -> None:
        for request in left:
            ended.append(await ask(request, is_first))
            report(len(ended))

    await asyncio.gather(*(person() for _ in range(people)))
    return ended


async def ask(request: Request, is_first: FirstWord) -> Streamed:
    """One request on a connection of its own. What goes wrong is what became of it."""
    begin = time.perf_counter()
    reply = _Reply(is_first)
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await _post(request, reply)
        if reply.status != 200:  # noqa: PLR2004
            failure = f"http {reply.status}"
        elif reply.has_failed:
            failure = "error"
        elif not reply.has_ended:
            failure = "cut off"
        else:
            failure = "" if reply.first is not None else "no words"
    except (OSError, TimeoutError, ValueError, httptools.HttpParserError) as error:
        failure = type(error).__name__
    return Streamed(begin, reply.first, time.perf_counter(), failure)


async def _post(request: Request, reply: _Reply) -> None:
    parts = urlsplit(request.url)
    is_secure = parts.scheme == "https"
    body = json.dumps(request.body).encode()
    key = f"authorization: Bearer {request.key}\r\n" if request.key else ""
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n{key}content-type: application/json\r\n"
        f"accept: text/event-stream\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    secured = ssl.create_default_context() if is_secure else None
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or (443 if is_secure else 80), ssl=secured
    )
    try:
        writer.write(head.encode() + body)
        while not reply.is_complete and (data := await reader.read(2**16)):
            reply.feed(data)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _data(line: bytes) -> Mapping[str, Any] | None:
    """Of a line of an event; None for other lines, and for what is no JSON object."""
    field, _, value = line.partition(b":")
    try:
        found = json.loads(value) if field == b"data" else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
