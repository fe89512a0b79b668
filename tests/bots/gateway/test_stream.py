"""Answers as they are made: events, connections that break, clients that leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from unittest.mock import patch

import pytest
import pytest_asyncio

from tests.bots.gateway.events import Received, received
from tests.bots.gateway.serving import QUESTION, Server, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.fakes.openai_server import FakeOpenAI, fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODY = {"question": QUESTION, "stream": True}
LONG = " ".join(["You accrue 13 days of annual leave per year [1]."] * 20)


@pytest.fixture(scope="module")
def model() -> Iterator[FakeOpenAI]:
    with fake_openai(answer="You accrue 13 days of annual leave per year [1].") as state:
        yield state


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def writing(tmp_path_factory: pytest.TempPathFactory, model: FakeOpenAI) -> AsyncGenerator[Server, None]:
    """A gateway with a language model."""
    chosen = settings(tmp_path_factory.mktemp("writing"), generation={"base_url": model.url, "retries": 0})
    async with serving(chosen) as server:
        await server.upload("leave.md")
        yield server


@pytest.fixture(autouse=True)
def _well(model: FakeOpenAI) -> None:
    model.behaviour, model.pause, model.answer = "ok", 0.0, "You accrue 13 days of annual leave per year [1]."


async def streamed(server: Server, **fields: object) -> list[Received]:
    async with server.client.stream("POST", "/v1/ask", json=BODY | fields) as response:
        assert response.status_code == 200
        return [event async for event in received(response)]


async def first_events(server: Server, wanted: int) -> list[Received]:
    """The first events of an answer; then the connection breaks."""
    got: list[Received] = []
    async with server.client.stream("POST", "/v1/ask", json=BODY) as response, aclosing(received(response)) as events:
        async for event in events:
            got.append(event)
            if len(got) == wanted:
                break
    return got


async def test_an_answer_comes_as_status_tokens_citations_and_the_whole(writing: Server) -> None:
    events = await streamed(writing)
    names = [event.name for event in events]
    assert list(dict.fromkeys(names)) == ["status", "token", "citations", "done"]
    assert names.count("token") > 5
    assert events[-1].data["outcome"] == "answered"
    assert events[-1].data["citations"] == events[-2].data
    assert (
        "".join(event.data["text"] for event in events if event.name == "token")
        == "You accrue 13 days of annual leave per year [1]."
    )
    assert [event.id for event in events] == [f"{events[-1].data['id']}:{n}" for n in range(1, len(events) + 1)]


async def test_a_client_can_ask_for_a_stream_by_its_accept_header(writing: Server) -> None:
    headers = {"Accept": "text/event-stream"}
    async with writing.client.stream("POST", "/v1/ask", json={"question": QUESTION}, headers=headers) as response:
        events = [event async for event in received(response)]
    assert events[-1].name == "done"


async def test_what_was_written_before_the_model_broke_off_is_void(writing: Server, model: FakeOpenAI) -> None:
    model.behaviour = "cut"
    events = await streamed(writing)
    restarts = [event.data["text"] for event in events if event.name == "token" and event.data["restart"]]
    assert restarts == ["You accrue 13 days of annual leave per year. [1]"]
    assert events[-1].data["notice"]


async def test_an_interrupted_stream_goes_on_after_the_last_event(writing: Server, model: FakeOpenAI) -> None:
    model.pause = 0.02
    got = await first_events(writing, 5)
    answer_id = got[-1].id.partition(":")[0]
    headers = {"Last-Event-ID": got[-1].id}
    async with writing.client.stream("GET", f"/v1/ask/{answer_id}", headers=headers) as response:
        rest = [event async for event in received(response)]
    numbers = [int(event.id.rpartition(":")[2]) for event in [*got, *rest]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert rest[-1].name == "done"
    again = await writing.client.post("/v1/ask", json=BODY, headers=headers)
    assert again.text.count("event: done") == 1
    assert again.text.count("event: ") == len(rest)


async def test_two_can_follow_the_same_answer(writing: Server, model: FakeOpenAI) -> None:
    model.pause = 0.02
    (first,) = await first_events(writing, 1)
    answer_id = first.id.partition(":")[0]
    one, two = await asyncio.gather(*(writing.client.get(f"/v1/ask/{answer_id}") for _ in range(2)))
    assert one.text == two.text
    assert "event: done" in one.text


@pytest.mark.parametrize("event_id", ["nothing:1", "nothing", ":", "x:-1", "x:99999999999999999999", "../x:1", "ü:1"])
async def test_an_answer_that_is_not_there_cannot_be_gone_on_with(writing: Server, event_id: str) -> None:
    headers = {"Last-Event-ID": event_id.encode()}
    refused = await writing.client.post("/v1/ask", json=BODY, headers=headers)  # type: ignore[arg-type]
    assert_problem(refused, 404, "ask again")


async def test_the_number_of_another_answers_event_does_not_count(writing: Server) -> None:
    one, two = [(await streamed(writing))[0].id.partition(":")[0] for _ in range(2)]
    refused = await writing.client.get(f"/v1/ask/{one}", headers={"Last-Event-ID": f"{two}:3"})
    assert_problem(refused, 404)


async def test_an_answer_that_nobody_follows_is_given_up(writing: Server, model: FakeOpenAI) -> None:
    model.pause, model.answer, left = 0.02, LONG, model.left_early
    with patch("bots.gateway.runs.ALONE_SECONDS", 0.1):
        got = await first_events(writing, 4)
        async with asyncio.timeout(10):
            while model.left_early == left:
                await asyncio.sleep(0.02)
    headers = {"Last-Event-ID": got[-1].id}
    assert_problem(await writing.client.post("/v1/ask", json=BODY, headers=headers), 404, "ask again")


async def test_an_answer_that_takes_too_long_ends_with_an_error(tmp_path: Path) -> None:
    with fake_openai(behaviour="slow") as model:
        chosen = settings(tmp_path, generation={"base_url": model.url}, server={"request_seconds": 0.5})
        async with serving(chosen) as server:
            await server.upload("leave.md")
            events = await streamed(server)
    assert (events[-1].name, events[-1].data["status"]) == ("error", 504)


async def test_a_model_that_has_to_answer_and_is_down_ends_with_an_error_and_a_reference(tmp_path: Path) -> None:
    generation = {"mode": "chat", "base_url": "http://127.0.0.1:9/v1", "connect_seconds": 0.5, "retries": 0}
    async with serving(settings(tmp_path, generation=generation)) as server:
        await server.upload("leave.md")
        events = await streamed(server)
    assert (events[-1].name, events[-1].data["code"]) == ("error", "answer_failed")
    assert events[-1].data["reference"]


async def test_a_question_that_is_none_is_told_so_in_the_stream(writing: Server) -> None:
    assert (await streamed(writing, question="🙂"))[-1].data["outcome"] == "invalid_question"


async def test_a_long_pause_has_signs_of_life(writing: Server, model: FakeOpenAI) -> None:
    model.pause = 0.15
    with patch("bots.gateway.sse.PULSE_SECONDS", 0.05):
        text = (await writing.client.post("/v1/ask", json=BODY)).text
    assert text.count(": still here\n\n") >= 3
    assert "event: done" in text


async def test_many_answers_leave_little_behind(writing: Server) -> None:
    with patch("bots.gateway.runs.MOST_KEPT", 3):
        for _ in range(8):
            await streamed(writing)
        got = await streamed(writing)
    oldest = got[0].id.partition(":")[0]
    assert (await writing.client.get(f"/v1/ask/{oldest}")).status_code == 200
