"""Ten thousand requests and ten thousand open streams, against the server as it is run: it lives, and keeps nothing."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.bots.command import Place, Serving, place
from tests.fakes.openai_server import fake_openai

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
REQUESTS, ROUNDS, AT_ONCE = 10_000, 5, 16
QUESTION = {"question": "How many days of vacation do I accrue?"}
LEAVE = "# Leave\n\nFull-time staff accrue 15 days of vacation each year.\n"
MEGABYTE = 2**20
# The allocator's own slack; a leak of 10 KB per request would be ten times as much.
MOST_GROWTH = 40 * MEGABYTE
# Threads and database connections that so many questions at once bring about, and that stay.
MOST_DESCRIPTORS = 64


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with fake_openai(answer="You accrue 15 days of vacation each year [1].") as model:
        made = place(tmp_path, LOREKEEPER_LOG__LEVEL="error", LOREKEEPER_GENERATION__BASE_URL=model.url)
        (tmp_path / "leave.md").write_text(LEAVE)
        assert made.run("documents", "add", "leave.md").status == 0
        yield made


def memory(server: Serving) -> int:
    """Resident, in bytes."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(server: Serving) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


async def half_an_upload(client: httpx.AsyncClient) -> None:
    async def body() -> AsyncGenerator[bytes, None]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\nHalf of '
        raise ConnectionError

    with suppress(ConnectionError):
        await client.post("/v1/documents", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"})


async def leave_a_stream(client: httpx.AsyncClient) -> None:
    async with client.stream("POST", "/v1/ask", json=QUESTION | {"stream": True}) as response:
        async for _ in response.aiter_lines():
            return


async def a_request(client: httpx.AsyncClient, number: int) -> None:
    """One of a mixture, of which a few are answered at some cost."""
    send: list[Callable[[], Awaitable[object]]] = [
        lambda: client.get("/"),
        lambda: client.get("/static/app.js"),
        lambda: client.get("/v1/documents"),
        lambda: client.get(f"/v1/documents/{number:032x}"),
        lambda: client.get(f"/nowhere/{number}"),
        lambda: client.post("/v1/ask", content=b"{"),
        lambda: client.post("/v1/ask", json={"question": "🙂"}),
        lambda: client.post("/v1/ask", content=b"x" * 100_000),
        lambda: client.get("/v1/threads/t"),
        lambda: client.get("/metrics"),
        lambda: client.post("/v1/feedback", json={"answer": f"{number}", "thumb": "up"}),
        lambda: client.get("/v1/models"),
        lambda: half_an_upload(client),
        lambda: client.post("/v1/ask", json=QUESTION),
        lambda: leave_a_stream(client),
        lambda: client.get("/healthz"),
    ]
    # Questions cost a hundred times as much as the rest, so one in ten of those is asked.
    chosen = number % len(send)
    await (send[0] if chosen in {13, 14} and number // len(send) % 10 else send[chosen])()


async def send_round(url: str, first: int) -> None:
    numbers = iter(range(first, first + REQUESTS // ROUNDS))

    async def worker() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            for number in numbers:
                await a_request(client, number)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def test_ten_thousand_requests_leave_neither_memory_nor_descriptors_behind(here: Place) -> None:
    with here.serving() as server:
        measured: list[tuple[int, int]] = []
        for number in range(ROUNDS):
            asyncio.run(send_round(server.url, number * REQUESTS // ROUNDS))
            measured.append((memory(server), descriptors(server)))
        answer = httpx.post(f"{server.url}/v1/ask", json=QUESTION, timeout=60, trust_env=False)
    assert answer.json()["outcome"] == "answered"
    assert measured[-1][0] - measured[0][0] < MOST_GROWTH
    assert measured[-1][1] <= measured[0][1] + 8


def test_ten_thousand_open_streams_are_bounded_and_the_rest_refused_politely(here: Place) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 11_000:
        pytest.skip("this process may not open so many connections (ulimit -n)")
    with here.serving() as server:
        before = descriptors(server)
        replies = asyncio.run(open_streams(server, 10_000))
        assert set(replies) <= {b"200", b"503"}
        assert replies.count(b"200") >= 32
        assert replies.count(b"503") >= 5_000
        for _ in range(200):
            if descriptors(server) <= before + MOST_DESCRIPTORS:
                break
            asyncio.run(asyncio.sleep(0.1))
        assert descriptors(server) <= before + MOST_DESCRIPTORS
        # The answers that nobody waits for any more are ended soon, on a busy machine somewhat later.
        for _ in range(200):
            answer = httpx.post(f"{server.url}/v1/ask", json=QUESTION, timeout=60, trust_env=False)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            asyncio.run(asyncio.sleep(0.1))
    assert answer.json()["outcome"] == "answered"


async def open_streams(server: Serving, count: int) -> list[bytes]:
    """Ask on so many connections, read only the beginning of each reply and keep all open; returns the statuses."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    body = b'{"question": "How many days of vacation do I accrue?", "stream": true}'
    head = (
        b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    gate = asyncio.Semaphore(500)

    async def one() -> tuple[bytes, asyncio.StreamWriter]:
        async with gate:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head + body)
            return (await reader.readuntil(b"\r\n")).split()[1], writer

    opened = await asyncio.gather(*(one() for _ in range(count)))
    for _, writer in opened:
        writer.close()
    return [status for status, _ in opened]
