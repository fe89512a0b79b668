"""The whole path under load: the scripted model, the open loop and the arithmetic by themselves, then all of it, briefly."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from core.citations import ground
from core.generation.chat import ChatGenerator
from core.prompts import messages
from core.settings import Generation, load
from core.types import GenerationRequest, Passage
from evals.arrivals import Asked, Plan, last_event, outcome_of
from evals.arrivals import ask as ask_gateway
from evals.datasets import CorpusDocument, Dataset, EvalQuestion
from evals.load import Run, correlate, cpu_seconds, evaluate_load, questions, row
from evals.scripted import Scripted, Written, pieces, reply_to

LEAVE = "Annual leave is generous here. You accrue 13 days of annual leave per year."
PASSAGE = Passage("c1", "d1", "Leave", LEAVE, LEAVE, 1.0)
REQUEST = GenerationRequest("How many days?", "How many days?", (PASSAGE,))


def count_tokens(text: str) -> int:
    return len(text.split())


def asked(question: str, begin: float, end: float, outcome: str = "answered", *, is_warm_up: bool = False) -> Asked:
    return Asked(question, begin, end, outcome, is_warm_up)


def dataset(count: int) -> Dataset:
    documents = tuple(
        CorpusDocument(
            str(number), f"Leave in office {number}", f"In office {number} you accrue {number} days of leave."
        )
        for number in range(10, 20)
    )
    wanted = tuple(
        EvalQuestion(
            f"{number}",
            f"How many days of leave in office {10 + number % 10}, case {number}?",
            (),
            frozenset(),
            (),
            True,
        )
        for number in range(count)
    )
    return Dataset("tiny", documents, wanted)


# ── the scripted model ───────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def scripted(seconds: float = 0.05, tokens: int = 5) -> AsyncIterator[tuple[str, Scripted]]:
    model = Scripted(seconds, tokens)
    async with listening(model.serve) as port:
        yield f"http://127.0.0.1:{port}", model


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A port; in the end, all connections to it have come to theirs."""
    connections = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        await serve(reader, writer)

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])
    await asyncio.gather(*(each for each in connections if each is not None))


def test_the_reply_is_a_sentence_of_the_first_passage_that_grounding_keeps() -> None:
    prompt = [{"role": role, "content": text} for role, text in messages(REQUEST, 1000, count_tokens)]
    reply = reply_to(prompt)
    assert reply == "Annual leave is generous here. [1]"
    grounded = ground(reply, [PASSAGE])
    assert grounded.text == "Annual leave is generous here. [1]"
    assert [each.document_id for each in grounded.citations] == ["d1"]


def test_a_passage_without_sentences_gives_its_first_words_and_no_passage_no_answer() -> None:
    assert reply_to([{"content": '<passage number="1" source="x">\nRed\n</passage>'}]) == "Red [1]"
    assert reply_to([{"content": "no passages"}]) == "I could not find this in the documents."


@pytest.mark.parametrize(("text", "count"), [("abcdefghij", 4), ("abc", 20), ("a" * 100, 20)])
def test_pieces_are_together_the_text(text: str, count: int) -> None:
    assert "".join(pieces(text, count)) == text
    assert len(pieces(text, count)) <= count


async def test_our_chat_generator_reads_the_scripted_model_and_its_time_is_noted() -> None:
    async with scripted(0.2) as (url, model):
        generator = ChatGenerator(Generation(mode="chat", base_url=f"{url}/v1", model="scripted"), count_tokens)
        text = "".join([piece async for piece in generator.stream(REQUEST)])
        noted = httpx.Response(200, content=await _get(f"{url}/written")).json()
    assert text == "Annual leave is generous here. [1]"
    [written] = model.written
    assert noted == [{"question": "How many days?", "begin": written.begin, "end": written.end}]
    assert 0.2 <= written.end - written.begin < 2


async def test_the_scripted_model_lists_itself_and_serves_several_requests_on_a_connection() -> None:
    async with scripted() as (url, _), httpx.AsyncClient() as client:
        for _ in range(2):
            assert (await client.get(f"{url}/v1/models")).json()["data"][0]["id"] == "scripted"
        assert (await client.get(f"{url}/other")).status_code == 404


async def _get(url: str) -> bytes:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).content


# ── the open loop ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens: it is bound, so that nobody else gets it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def test_outcomes_are_the_gateways_own_or_the_status() -> None:
    assert outcome_of(200, b'{"outcome": "no_evidence"}', stream=False) == "no_evidence"
    assert outcome_of(503, b"", stream=False) == "http 503"
    done = b'id: a:1\nevent: status\ndata: {}\n\nid: a:2\nevent: done\ndata: {"outcome": "answered"}\n\n'
    assert outcome_of(200, done, stream=True) == "answered"
    assert outcome_of(200, b'event: error\ndata: {"status": 503}\n\n', stream=True) == "http 503"
    assert outcome_of(200, b"event: token\ndata: {}\n\n", stream=True) == "cut off"
    assert last_event("") == ("", "")


async def test_a_question_that_reaches_nobody_is_an_outcome_too(nobody: int) -> None:
    ended = await ask_gateway(Plan("127.0.0.1", nobody, ["Anyone?"], 1.0, 0, False), 0, time.monotonic())
    assert ended.outcome == "ConnectionRefusedError"
    assert ended.question == "Anyone?"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b'HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{"outcome": "answered"}', "answered"),
        (
            b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n17\r\n{"outcome": "answered"}\r\n0\r\n\r\n',
            "answered",
        ),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"outcome": "answered"}', "cut off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops", "JSONDecodeError"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "http 503"),
        (b"nonsense\r\n\r\n", "HttpParserInvalidStatusError"),
    ],
)
async def test_whatever_comes_back_is_counted(reply: bytes, outcome: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(reply)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with listening(serve) as port:
        ended = await ask_gateway(Plan("127.0.0.1", port, ["Well?"], 1.0, 0, False), 0, time.monotonic())
    assert ended.outcome == outcome or (outcome.startswith("Http") and ended.outcome.startswith("Http"))


@pytest.mark.parametrize("key", ["", "lk-1"])
async def test_a_key_is_sent_where_one_is_needed(key: str) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        await writer.wait_closed()

    async with listening(serve) as port:
        await ask_gateway(Plan("127.0.0.1", port, ["Well?"], 1.0, 0, False, key), 0, time.monotonic())
    assert (b"\r\nauthorization: Bearer lk-1\r\n" in heads[0]) is bool(key)


# ── the arithmetic ───────────────────────────────────────────────────────────────────────────────


def test_each_question_gets_the_time_that_the_model_needed_for_it() -> None:
    timed = correlate(
        [asked("a", 0.0, 1.0), asked("b", 0.1, 0.2, "no_evidence"), asked("a", 5.0, 7.0)],
        [Written("a", 5.5, 6.5), Written("a", 0.25, 0.75)],
    )
    assert [each.written for each in timed] == [0.5, None, 1.0]
    assert [round(each.overhead_ms) for each in timed] == [500, 100, 1000]


def test_what_was_written_at_another_time_or_for_another_question_is_not_taken() -> None:
    timed = correlate([asked("a", 0.0, 1.0)], [Written("a", 2.0, 3.0), Written("b", 0.2, 0.3)])
    assert timed[0].written is None


def test_nothing_is_lost_in_a_row_and_the_warm_up_does_not_count() -> None:
    run = Run(
        (
            asked("w", 0.0, 9.0, is_warm_up=True),
            asked("a", 10.0, 10.6),
            asked("b", 11.0, 11.7),
            asked("c", 12.0, 12.01, "no_evidence"),
            asked("d", 13.0, 13.1, "http 503"),
            asked("e", 14.0, 14.1, "ConnectionRefusedError"),
        ),
        (Written("w", 0.1, 8.0), Written("a", 10.05, 10.55), Written("b", 11.1, 11.6)),
        {"gateway": 0.1, "model": 0.01, "askers": 0.02},
        300.0,
    )
    found = row(run, 1.0, 5.0, 6)
    assert (found["offered"], found["answered"], found["failed"], found["generated"]) == (5, 3, 2, 2)
    assert found["outcomes"] == {"ConnectionRefusedError": 1, "answered": 2, "http 503": 1, "no_evidence": 1}
    assert found["generator_ms"] == 500.0
    assert (found["overhead_ms_p50"], found["overhead_ms_p95"], found["overhead_ms_p99"]) == (100.0, 200.0, 200.0)
    assert (found["cpu_ms_per_question"], found["model_cpu_ms_per_question"]) == (20.0, 2.0)


def test_questions_are_different_as_long_as_there_are_enough() -> None:
    assert len(set(questions(dataset(30), 30))) == 30
    assert len(questions(dataset(5), 12)) == 12
    assert questions(dataset(5), 12) == questions(dataset(5), 12)


def test_cpu_of_a_process_is_read() -> None:
    before = cpu_seconds(os.getpid())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert 0.05 < cpu_seconds(os.getpid()) - before < 30


# ── all of it ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
async def test_the_gateway_under_load_loses_nothing(stream: bool) -> None:
    found = await evaluate_load(
        dataset(25),
        load(),
        lambda *progress: None,
        rate=20,
        seconds=1,
        stream=stream,
        warm_up=0.25,
        generation_seconds=0.1,
    )
    assert (found["dataset"], found["offered"], found["distinct_questions"]) == ("tiny", 20, 25)
    assert (found["answered"], found["failed"]) == (20, 0), json.dumps(found)
    assert sum(found["outcomes"].values()) == 20
    assert found["generated"] > 0
    assert found["generator_ms"] >= 100
    assert 0 < found["overhead_ms_p50"] <= found["overhead_ms_p95"] <= found["overhead_ms_p99"]
    assert found["cpu_ms_per_question"] > 0
    assert found["rss_mb"] > 0


@pytest.mark.slow
async def test_the_gateway_loses_nothing_while_documents_are_added() -> None:
    found = await evaluate_load(
        dataset(25),
        load(),
        lambda *progress: None,
        rate=10,
        seconds=2,
        warm_up=0.2,
        generation_seconds=0.1,
        importing=200,
    )
    assert (found["answered"], found["failed"]) == (20, 0), json.dumps(found)
    assert 1 < found["imported"] <= 200
