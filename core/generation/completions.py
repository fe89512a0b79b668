"""OpenAI's protocol for chats, streamed: what an answer needs of it, and nothing else.

The client libraries make several objects of each word: they take as long as all the rest of a question
(docs/decisions.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

PATH = "/chat/completions"
DONE = "[DONE]"
# Of the body of a refusal, which is a sentence or two.
LONGEST_REFUSAL = 65_536


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer, which may be empty."""

    text: str
    is_last: bool
    """The server says that it ended, and not only that it stops."""


class Refused(Exception):
    """The server answered with an error; the message is its own."""

    def __init__(self, response: httpx.Response, message: str) -> None:
        super().__init__(message)
        self.response = response


class Unreadable(Exception):
    """The server sent what is no part of an answer, or told of an error in the middle of one."""


async def stream(
    client: httpx.AsyncClient, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AsyncGenerator[Piece, None]:
    """The answer as it is written. `url` is the API's, without the path. Raises `httpx.HTTPError`, `Refused`, `Unreadable`."""
    request = client.build_request("POST", url.rstrip("/") + PATH, json={**body, "stream": True}, headers=dict(headers))
    response = await client.send(request, stream=True)
    try:
        if not response.is_success:
            raise Refused(response, await _beginning(response))
        async for event in EventSource(response).aiter_sse():
            if event.data == DONE:
                return
            yield _piece(event.data)
    except SSEError as error:
        raise Unreadable("this is no stream of events") from error
    finally:
        await close(response)


async def close(response: httpx.Response) -> None:
    """Close its connection, also when the caller is cancelled meanwhile.

    httpcore 1.0 marks a connection as closed before it closes it: a cancellation in between would leave it open for good.
    """
    closing = asyncio.ensure_future(response.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await closing
        raise


def _piece(data: str) -> Piece:
    try:
        event = json.loads(data)
        if event.get("error"):
            raise Unreadable("the server told of an error")
        if not event["choices"]:
            return Piece("", is_last=False)
        choice = event["choices"][0]
        return Piece(choice["delta"].get("content") or "", bool(choice.get("finish_reason")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable("this is no event of a chat") from error


async def _beginning(response: httpx.Response) -> str:
    read = bytearray()
    async for part in response.aiter_bytes():
        read += part
        if len(read) > LONGEST_REFUSAL:
            break
    return read[:LONGEST_REFUSAL].decode(errors="replace")
