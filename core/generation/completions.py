"""OpenAI's protocol for chats, streamed: what an answer needs of it, and nothing else.

A client library that makes several objects of each word takes as long as all the rest of a question (docs/decisions.md).
What the server wrote meanwhile is read at once, so that the faster it writes, the less a word costs.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx

PATH = "/chat/completions"
DONE = b"[DONE]"
# Of the body of a refusal, which is a sentence or two.
LONGEST_REFUSAL = 65_536


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer, which may be empty."""

    text: str
    is_last: bool
    """The server says that it ended, and not only that it stops."""


class Unreachable(Exception):
    """Nobody answers, or can be asked with this address, key or proxy, or the connection broke."""


class Unreadable(Exception):
    """The server sent what is no part of an answer, or told of an error in the middle of one."""


class Refused(Exception):
    """The server answered with an error; the message is its own."""

    def __init__(self, status: int, message: str, retry_after: str) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        """The header as it came, or empty."""


async def stream(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], connect_seconds: float
) -> AsyncGenerator[Piece, None]:
    """The answer as it is written, without a limit of time. `url` is the API's, without the path.

    Each has a connection of its own, which costs nothing beside the answer, never turns out to be dead, and is not left
    open when the reader leaves. Raises `Unreachable`, `Refused` or `Unreadable`.
    """
    limits = aiohttp.ClientTimeout(total=None, connect=connect_seconds)
    asked = {**body, "stream": True}
    try:
        trusted = await asyncio.to_thread(certificates) if url.startswith("https:") else True
        connector = aiohttp.TCPConnector(force_close=True, ssl=trusted)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limits) as session,
            session.post(
                url.rstrip("/") + PATH,
                json=asked,
                headers=dict(headers),
                proxy=_proxy(url),
                allow_redirects=False,
            ) as response,
        ):
            if response.status != HTTPStatus.OK:
                message = await _beginning(response.content.iter_any())
                raise Refused(response.status, message, response.headers.get("retry-after", ""))
            if response.content_type != "text/event-stream":
                raise Unreadable("this is no stream of events")
            async with aclosing(_pieces(response.content.iter_any())) as pieces:
                async for piece in pieces:
                    yield piece
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unreachable(type(error).__name__) from error


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """Those of the environment, else httpx's; aiohttp takes the system's, of which some Pythons know none.

    To load them takes tens of milliseconds.
    """
    return httpx.create_ssl_context()


def _proxy(url: str) -> str | None:
    """That of the environment. aiohttp would read passwords in ~/.netrc as well, and refuse them beside a key."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unreachable("this is no address") from error
    if proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and not proxy.startswith(("http://", "https://")):
        raise Unreachable("only HTTP proxies can be used")
    return proxy


async def _pieces(parts: AsyncIterator[bytes]) -> AsyncGenerator[Piece, None]:
    """One for all events that came together. These servers write the data of an event in one line."""
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        events = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
        read = [_piece(event) for event in takewhile(DONE.__ne__, events)]
        if read:
            yield Piece(_whole("".join(each.text for each in read)), any(each.is_last for each in read))
        if DONE in events:
            return


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold, and which cannot be sent to anybody."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _piece(event: bytes) -> Piece:
    try:
        read = json.loads(event)
        if read.get("error"):
            raise Unreadable("the server told of an error")
        if not read["choices"]:
            return Piece("", is_last=False)
        choice = read["choices"][0]
        # Some services send events about an answer that add nothing to it.
        delta = choice.get("delta") or {}
        return Piece(delta.get("content") or "", bool(choice.get("finish_reason")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable("this is no event of a chat") from error


async def _beginning(parts: AsyncIterator[bytes]) -> str:
    read = bytearray()
    async for part in parts:
        read += part
        if len(read) >= LONGEST_REFUSAL:
            break
    return read[:LONGEST_REFUSAL].decode(errors="replace")
