"""Questions to a gateway at a fixed rate, whether or not earlier ones are answered (an open loop).

    python -m evals.arrivals < plan.json

A process of its own, so that its CPU is counted apart. Reads a `Plan` as JSON from standard input and writes one line of
JSON for each question when it has ended (`Asked`), and `{"mark": "begin"}` and `{"mark": "end"}` at the moments at which
the warm-up is over and the last question was sent. Times are seconds of the system's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import httptools

LONGEST_SECONDS = 60.0
BEGIN, END = "begin", "end"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask, at `rate` a second; the first `warm_up` questions are marked as such."""

    host: str
    port: int
    questions: Sequence[str]
    rate: float
    warm_up: int
    stream: bool
    key: str = ""
    """Of the HTTP API, where one is needed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one question. It begins when it was due, so that a client that is late counts as waiting."""

    question: str
    begin: float
    end: float
    outcome: str
    """The gateway's own, `http 503` and the like, or the name of the error that the connection ended with."""
    is_warm_up: bool


class Reply:
    """What came back, put together by httptools."""

    def __init__(self) -> None:
        self.body = b""
        self.is_complete = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    @property
    def status(self) -> int:
        return self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_complete = True


def outcome_of(status: int, body: bytes, *, stream: bool) -> str:
    """In one word, from a reply as JSON or as events."""
    if status != 200:  # noqa: PLR2004
        return f"http {status}"
    if not stream:
        return str(json.loads(body)["outcome"])
    name, data = last_event(body.decode())
    if name == "done":
        return str(json.loads(data)["outcome"])
    return "cut off" if name != "error" else f"http {json.loads(data)['status']}"


def last_event(text: str) -> tuple[str, str]:
    """Name and data of the last server-sent event."""
    events = [event for event in text.replace("\r\n", "\n").split("\n\n") if "data:" in event]
    fields = [line.partition(": ") for line in events[-1].split("\n")] if events else []
    name = next((value for field, _, value in fields if field == "event"), "")
    return name, "\n".join(value for field, _, value in fields if field == "data")


async def ask(plan: Plan, number: int, due: float) -> Asked:
    question = plan.questions[number]
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            reply = await _post(plan, question)
        outcome = outcome_of(reply.status, reply.body, stream=plan.stream) if reply.is_complete else "cut off"
    except (OSError, TimeoutError, ValueError, KeyError, httptools.HttpParserError) as error:
        outcome = type(error).__name__
    return Asked(question, due, time.monotonic(), outcome, number < plan.warm_up)


async def _post(plan: Plan, question: str) -> Reply:
    """Each question has a connection of its own, as people's browsers have."""
    body = json.dumps({"question": question, "stream": plan.stream}).encode()
    head = (
        f"POST /v1/ask HTTP/1.1\r\nhost: {plan.host}:{plan.port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n"
    )
    if plan.key:
        head += f"authorization: Bearer {plan.key}\r\n"
    head += "\r\n"
    reader, writer = await asyncio.open_connection(plan.host, plan.port)
    try:
        writer.write(head.encode() + body)
        reply = Reply()
        while not reply.is_complete and (data := await reader.read(2**16)):
            reply.feed(data)
        return reply
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def run(plan: Plan) -> None:
    start = time.monotonic() + 0.1
    async with asyncio.TaskGroup() as group:
        for number in range(len(plan.questions)):
            due = start + number / plan.rate
            await asyncio.sleep(due - time.monotonic())
            if number == plan.warm_up:
                _write({"mark": BEGIN})
            group.create_task(_report(plan, number, due))
        await asyncio.sleep(start + len(plan.questions) / plan.rate - time.monotonic())
        _write({"mark": END})


async def _report(plan: Plan, number: int, due: float) -> None:
    _write(asdict(await ask(plan, number, due)))


def _write(row: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(Plan(**json.load(sys.stdin))))
