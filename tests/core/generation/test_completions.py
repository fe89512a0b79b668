"""Chats by OpenAI's protocol: what is read of them, and connections that do not outlive their reader."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress

import httpx
import pytest

from core.generation.completions import Piece, Refused, Unreadable, close, stream
from tests.fakes.openai_server import MODEL, fake_openai

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "How many days?"}]}


async def read(url: str, body: Mapping[str, object] = BODY, **headers: str) -> list[Piece]:
    async with httpx.AsyncClient() as client, aclosing(stream(client, url, body, headers)) as pieces:
        return [piece async for piece in pieces]


async def served(answer: bytes, kind: str = "text/event-stream") -> list[Piece]:
    """What is read of this answer."""

    async def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=answer, headers={"content-type": kind})

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(reply)) as client,
        aclosing(stream(client, "http://model/v1", BODY, {})) as pieces,
    ):
        return [piece async for piece in pieces]


async def test_the_words_are_read_and_the_end_is_the_server_s() -> None:
    with fake_openai(answer="You accrue 13 days [1].") as server:
        pieces = await read(f"{server.url}/", authorization="Bearer sesame")
        assert "".join(piece.text for piece in pieces) == "You accrue 13 days [1]."
        assert [piece.is_last for piece in pieces].count(True) == 1
        assert server.requests[-1] == {**BODY, "stream": True}
        assert server.headers[-1]["authorization"] == "Bearer sesame"


async def test_a_refusal_has_the_server_s_status_and_words() -> None:
    with fake_openai() as server:
        with pytest.raises(Refused, match="does not exist") as refused:
            await read(server.url, {**BODY, "model": "unknown"})
        assert refused.value.response.status_code == 404


async def test_only_the_beginning_of_a_long_refusal_is_read() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, content=b"x" * 1_000_000)

    async with httpx.AsyncClient(transport=httpx.MockTransport(reply)) as client:
        with pytest.raises(Refused) as refused:
            await anext(stream(client, "http://model/v1", BODY, {}))
    assert len(str(refused.value)) == 65_536


async def test_events_may_be_cut_anywhere_and_carry_more_than_words() -> None:
    answer = (
        b": a comment\r\n\r\n"
        b'event: message\r\ndata: {"choices": [{"delta": {"role": "assistant"}}]}\r\n\r\n'
        b'data:{"choices": [{"delta": {"content": "J\xc3\xbcrgen\\n"}}]}\n\n'
        b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
        b'data: {"choices": [{"delta": {"content": null}, "finish_reason": "stop"}]}\n\n'
        b"data: [DONE]\n\ndata: this is not read\n\n"
    )
    pieces = await served(answer)
    assert [piece.text for piece in pieces] == ["", "Jürgen\n", "", ""]
    assert [piece.is_last for piece in pieces] == [False, False, False, True]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"<html>hello</html>", "text/html"),
        (b"data: {not json\n\n", "text/event-stream"),
        (b"data: []\n\n", "text/event-stream"),
        (b'data: {"choices": [{}]}\n\n', "text/event-stream"),
        (b'data: {"choices": 3}\n\n', "text/event-stream"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "text/event-stream"),
    ],
)
async def test_what_is_no_answer_cannot_be_read(answer: bytes, kind: str) -> None:
    with pytest.raises(Unreadable):
        await served(answer, kind)


@pytest.mark.parametrize("steps", range(1, 7))
async def test_a_reader_who_is_cancelled_while_closing_leaves_no_connection(steps: int) -> None:
    with fake_openai(pause=0.05) as server:
        transport = httpx.AsyncHTTPTransport()
        async with httpx.AsyncClient(transport=transport) as client:
            request = client.build_request("POST", f"{server.url}/chat/completions", json=BODY)
            response = await client.send(request, stream=True)
            parts = response.aiter_bytes()
            await anext(parts)
            closing = asyncio.create_task(close(response))
            for _ in range(steps):
                await asyncio.sleep(0)
            closing.cancel()
            with suppress(asyncio.CancelledError):
                await closing
            assert transport._pool.connections == []
