"""Chats by OpenAI's protocol: what is read of them, of what comes together at once, and what cannot be read."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import pytest

from core.generation.completions import Piece, Refused, Unreachable, Unreadable, certificates, stream
from tests.fakes.openai_server import MODEL, fake_openai

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "How many days?"}]}
EVENTS = b"text/event-stream; charset=utf-8"


async def read(url: str, body: Mapping[str, object] = BODY, **headers: str) -> list[Piece]:
    async with aclosing(stream(url, body, headers, 5.0)) as pieces:
        return [piece async for piece in pieces]


@asynccontextmanager
async def server(parts: Sequence[bytes], kind: bytes = EVENTS, status: bytes = b"200 OK") -> AsyncGenerator[str, None]:
    """Answers with these parts, each sent by itself; yields its address."""

    answered: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered.append(is_answered := asyncio.Event())
        with suppress(OSError, EOFError):  # the reader may have left
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-type: " + kind + b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        is_answered.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        try:
            yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        finally:
            await asyncio.gather(*(each.wait() for each in answered))


async def served(*parts: bytes, kind: bytes = EVENTS) -> list[Piece]:
    async with server(parts, kind) as url:
        return await read(url)


def event(content: str) -> bytes:
    return b'data: {"choices": [{"delta": {"content": "' + content.encode() + b'"}}]}\n\n'


async def test_the_words_are_read_and_the_end_is_the_server_s() -> None:
    with fake_openai(answer="You accrue 13 days [1].") as model:
        pieces = await read(f"{model.url}/", authorization="Bearer sesame")
        assert "".join(piece.text for piece in pieces) == "You accrue 13 days [1]."
        assert [piece.is_last for piece in pieces].count(True) == 1
        assert model.requests[-1] == {**BODY, "stream": True}
        assert model.headers[-1]["authorization"] == "Bearer sesame"


async def test_what_came_together_is_one_piece() -> None:
    pieces = await served(event("You "), event("accrue ") + event("13 ") + event("days"), b"data: [DONE]\n\n")
    assert [piece.text for piece in pieces] == ["You ", "accrue 13 days"]


async def test_half_of_a_surrogate_pair_reaches_nobody() -> None:
    pieces = await served(event(r"Well \ud83d") + event(r"\ude00"), event(r" \ud83d done"))
    assert [piece.text for piece in pieces] == ["Well \N{GRINNING FACE}", " \N{REPLACEMENT CHARACTER} done"]


async def test_events_may_be_cut_anywhere_and_carry_more_than_words() -> None:
    whole = (
        b": a comment\r\n\r\n"
        b'event: message\r\ndata: {"choices": [{"delta": {"role": "assistant"}}]}\r\n\r\n'
        b'data:{"choices": [{"delta": {"content": "J\xc3\xbcrgen\\n"}}]}\n\n'
        b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
        b'data: {"choices": [{"finish_reason": null, "content_filter_results": {}}]}\n\n'
        b'data: {"choices": [{"delta": {"content": null}, "finish_reason": "stop"}]}\n\n'
        b"data: [DONE]\n\ndata: this is not read\n\n"
    )
    for cut in (20, 60, whole.index(b"\xbc"), len(whole) - 40):
        pieces = await served(whole[:cut], whole[cut:])
        assert "".join(piece.text for piece in pieces) == "Jürgen\n"
        assert pieces[-1].is_last


async def test_a_server_that_dies_says_no_end() -> None:
    assert not any(piece.is_last for piece in await served(event("You accrue")))


async def test_a_refusal_has_the_server_s_status_and_words() -> None:
    with fake_openai() as model:
        with pytest.raises(Refused, match="does not exist") as refused:
            await read(model.url, {**BODY, "model": "unknown"})
        assert refused.value.status == 404


async def test_only_the_beginning_of_a_long_refusal_is_read() -> None:
    async with server([b"x" * 50_000] * 100, b"text/plain", b"500 Internal Server Error") as url:
        with pytest.raises(Refused) as refused:
            await read(url)
    assert len(str(refused.value)) == 65_536


@pytest.mark.parametrize("status", [b"307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/", b"204 No Content"])
async def test_nobody_is_sent_elsewhere(status: bytes) -> None:
    async with server([], b"text/plain", status) as url:
        with pytest.raises((Refused, Unreadable)):
            await read(url)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"<html>hello</html>", b"text/html"),
        (b"data: {not json\n\n", EVENTS),
        (b"data: []\n\n", EVENTS),
        (b'data: {"choices": [{"delta": 3}]}\n\n', EVENTS),
        (b'data: {"choices": 3}\n\n', EVENTS),
        (b'data: {"error": {"message": "out of memory"}}\n\n', EVENTS),
    ],
)
async def test_what_is_no_answer_cannot_be_read(answer: bytes, kind: bytes) -> None:
    with pytest.raises(Unreadable):
        await served(answer, kind=kind)


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, name: str, scheme: str) -> None:
    async with server([event("13 days")]) as proxy:
        monkeypatch.setenv(name, proxy.removesuffix("/v1").replace("http://", scheme))
        assert [piece.text for piece in await read("http://model.test/v1")] == ["13 days"]
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(Unreachable):
            await read("http://127.0.0.1:1/v1")


async def test_a_port_may_be_kept_from_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with server([event("13 days")]) as url:
        monkeypatch.setenv("no_proxy", url.removeprefix("http://").removesuffix("/v1"))
        assert [piece.text for piece in await read(url)] == ["13 days"]


async def test_a_proxy_of_another_kind_is_not_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server([event("13 days")]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.removesuffix("/v1").replace("http", "socks5"))
        with pytest.raises(Unreachable):
            await read("http://model.test/v1")


async def test_the_certificates_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificates.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(Unreachable, match="FileNotFoundError"):
        await read("https://127.0.0.1:1/v1")


async def test_a_key_that_cannot_be_sent_is_not_the_server_s_fault() -> None:
    async with server([event("13 days")]) as url:
        with pytest.raises(Unreachable):
            await read(url, authorization="Bearer sesame\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://[::1", "ftp://127.0.0.1/v1", "no address"])
async def test_where_nobody_answers_it_says_so(url: str) -> None:
    with pytest.raises(Unreachable):
        await read(url)


async def test_a_server_that_takes_nothing_is_given_up_after_the_limit() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(Unreachable):
            async with aclosing(stream(f"http://127.0.0.1:{full.getsockname()[1]}", BODY, {}, 0.1)) as pieces:
                await anext(pieces)
        for each in waiting:
            each.close()


@pytest.mark.parametrize("steps", [1, 2, 5, 20, 200])
async def test_a_reader_who_is_cancelled_at_any_time_leaves_nothing_open(steps: int) -> None:
    with fake_openai(answer="word " * 20, pause=0.001) as model:
        reading = [asyncio.create_task(read(model.url)) for _ in range(4)]
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        for each in reading:
            each.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    # What is left open is told as a warning, which is an error here.
    gc.collect()
