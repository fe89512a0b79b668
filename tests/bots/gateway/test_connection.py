"""Connections that say nothing, say half, or are too many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from bots.gateway.connection import connection_class, most_connections
from tests.bots.gateway.serving import Server, serving, settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server, None]:
    """Waits for a request's head for a moment only."""
    with patch("bots.gateway.connection.HEAD_SECONDS", 1.0):
        async with serving(settings(tmp_path_factory.mktemp("impatient"))) as server:
            yield server


async def connected(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
async def test_who_does_not_say_what_they_want_is_not_waited_for(impatient: Server, sent: bytes) -> None:
    reader, writer = await connected(impatient)
    writer.write(sent)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_the_second_request_on_a_connection_has_the_same_limit(impatient: Server) -> None:
    reader, writer = await connected(impatient)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(b'{"status":"ok"}'))
    writer.write(b"GET /healthz HTTP/1.1\r\nHos")
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_more_connections_than_it_can_hold_are_refused_politely_and_later_ones_served(tmp_path: Path) -> None:
    with patch("bots.gateway.channel.most_connections", lambda: 8):
        async with serving(settings(tmp_path)) as server:
            await server.client.aclose()
            held = [await connected(server) for _ in range(8)]
            reader, writer = await connected(server)
            async with asyncio.timeout(10):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            for each in (*held, (reader, writer)):
                each[1].close()
            assert b"503 Service Unavailable" in head
            assert b"retry-after: 5" in head
            assert int(head.split(b"content-length: ")[1].split(b"\r\n")[0]) == len(body)
            async with asyncio.timeout(10):
                while b"200 OK" not in await health_of(server):
                    await asyncio.sleep(0.05)


async def health_of(server: Server) -> bytes:
    reader, writer = await connected(server)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_slow_body_is_not_taken_for_a_slow_head(tmp_path: Path) -> None:
    with patch("bots.gateway.connection.HEAD_SECONDS", 1.0):
        async with serving(settings(tmp_path)) as server:

            async def slowly() -> AsyncGenerator[bytes, None]:
                for piece in (b'{"question": ', b'"How much leave?"', b"}"):
                    await asyncio.sleep(0.5)
                    yield piece

            headers = {"Content-Type": "application/json"}
            answer = await server.client.post("/v1/ask", content=slowly(), headers=headers)
    assert answer.json()["outcome"] == "empty_index"


async def test_the_limit_leaves_descriptors_for_the_rest() -> None:
    assert 1 <= most_connections() <= 4096
    assert connection_class(7).most == 7


async def test_who_sends_a_byte_now_and_then_is_not_waited_for(tmp_path: Path) -> None:
    head = b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    with patch("bots.gateway.protection.SILENCE_SECONDS", 0.4):
        async with serving(settings(tmp_path)) as server:
            reader, writer = await connected(server)
            writer.write(head)
            answering = asyncio.create_task(reader.readline())
            async with asyncio.timeout(10):
                while not answering.done():
                    writer.write(b" ")
                    await asyncio.sleep(0.1)
            assert b"408" in await answering
            writer.close()


async def test_who_does_not_read_the_answer_loses_the_connection(tmp_path: Path) -> None:
    text = "\n\n".join(f"# Part {number}\n\nRule {number} says {'much ' * 100}." for number in range(400))
    with patch("bots.gateway.connection.UNREAD_SECONDS", 0.3), capture_logs() as logged:
        async with serving(settings(tmp_path)) as server:
            document = (await server.upload("long.md", text.encode())).json()["document"]
            request = f"GET /v1/documents/{document['id']}/passages?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            # Asks often and reads nothing, until no buffer takes any more.
            silent = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
            silent.setblocking(False)

            async def ask_on() -> None:
                while True:
                    with suppress(BlockingIOError):
                        silent.send(request.encode())
                    await asyncio.sleep(0.02)

            async with asyncio.timeout(30):
                with pytest.raises(ConnectionError):
                    await ask_on()
            silent.close()
            assert (await server.client.get("/healthz")).status_code == 200
    assert "a client did not read its answer" in {entry["event"] for entry in logged}


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(300)),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 300_000,
    ],
)
async def test_a_head_that_is_too_long_is_refused_before_it_is_all_there(impatient: Server, head: bytes) -> None:
    reader, writer = await connected(impatient)
    writer.write(head)
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            reply = await reader.readline()
            assert b"431" in reply or b"400" in reply or not reply
            await reader.read()
    writer.close()


async def test_trailers_without_end_are_not_kept(impatient: Server) -> None:
    reader, writer = await connected(impatient)
    writer.write(b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"X-Trailer: " + b"y" * 10_000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
    writer.close()


@pytest.mark.parametrize("more", [b"\r\n", b"\n", b"x"])
async def test_a_byte_now_and_then_does_not_keep_a_connection_that_has_its_answer(
    impatient: Server, more: bytes
) -> None:
    reader, writer = await connected(impatient)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b'{"status":"ok"}')
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            writer.write(more)
            await reader.read()
    writer.close()


async def test_a_websocket_is_no_way_around(impatient: Server) -> None:
    reader, writer = await connected(impatient)
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4\r\n"
    writer.write(b"GET /v1/documents HTTP/1.1\r\nHost: evil.example\r\n" + upgrade + b"\r\n")
    async with asyncio.timeout(10):
        assert b"403" in await reader.readline()
    writer.close()
