"""A language model that is none: an OpenAI-compatible server whose every answer takes the same time.

    python -m evals.scripted --seconds 0.5 --tokens 20

It repeats a sentence of the prompt's first passage with the mark [1], so that the answer is grounded, and notes from when
to when it had each request. The clock is the system's monotonic one, which all processes share. One line on standard
output says where it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from core.sentences import quotable

SECONDS, TOKENS = 0.5, 20
MODEL = "scripted"
# Of a passage in which no sentence can stand alone.
FIRST_WORDS = 20
LONGEST_HEAD = 2**16
MODELS, COMPLETIONS, WRITTEN = "/v1/models", "/v1/chat/completions", "/written"
_PASSAGE = re.compile(r'<passage number="1"[^>]*>\n(.*?)\n</passage>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Written:
    """One answer: from having read the request to having sent the last byte, in seconds of the monotonic clock."""

    question: str
    begin: float
    end: float


def reply_to(messages: Sequence[Mapping[str, str]]) -> str:
    """The first sentence of the prompt's first passage, cited."""
    found = _PASSAGE.search(messages[0]["content"])
    if found is None:
        return "I could not find this in the documents."
    passage = found.group(1)
    sentence = next(iter(quotable(passage)), None) or " ".join(passage.split()[:FIRST_WORDS])
    return f"{sentence} [1]"


def pieces(text: str, count: int) -> list[str]:
    """The text in `count` parts of about the same length, or fewer if it has fewer characters."""
    step = max(1, math.ceil(len(text) / count))
    return [text[start : start + step] for start in range(0, len(text), step)]


class Scripted:
    """Answers one connection after the other request; keeps what it wrote."""

    def __init__(self, seconds: float, tokens: int) -> None:
        self._seconds = seconds
        self._tokens = tokens
        self.written: list[Written] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # a client may leave at any time
            while request := await _request(reader):
                path, body = request
                await self._answer(path, body, writer)
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if path == COMPLETIONS:
            await self._complete(json.loads(body)["messages"], writer)
        elif path == MODELS:
            await _send_json(writer, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == WRITTEN:
            await _send_json(writer, [asdict(each) for each in self.written])
        else:
            await _send_json(writer, {"error": {"message": "There is nothing here."}}, "404 Not Found")

    async def _complete(self, messages: Sequence[Mapping[str, str]], writer: asyncio.StreamWriter) -> None:
        begin = time.monotonic()
        parts = pieces(reply_to(messages), self._tokens)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for number, part in enumerate(parts, start=1):
            # To fixed points in time, so that what oversleeps does not add up.
            await asyncio.sleep(begin + self._seconds * number / len(parts) - time.monotonic())
            writer.write(_chunk(_event({"content": part}, None)))
        writer.write(_chunk(_event({}, "stop")) + _chunk("data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        self.written.append(Written(messages[-1]["content"], begin, time.monotonic()))


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes] | None:
    """Path and body of the next request; None when there is none."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    length = re.search(r"(?im)^content-length:\s*(\d+)", head)
    body = await reader.readexactly(int(length.group(1))) if length else b""
    return head.split(" ", 2)[1], body


async def _send_json(writer: asyncio.StreamWriter, value: Any, status: str = "200 OK") -> None:
    data = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    await writer.drain()


def _event(delta: Mapping[str, str], reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


def _chunk(text: str) -> bytes:
    data = text.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _main(host: str, seconds: float, tokens: int) -> None:
    server = await asyncio.start_server(Scripted(seconds, tokens).serve, host, 0, limit=LONGEST_HEAD)
    sys.stdout.write(f"http://{host}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--host", default="127.0.0.1")
    given = parser.parse_args()
    asyncio.run(_main(given.host, given.seconds, given.tokens))
