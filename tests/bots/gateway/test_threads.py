"""Conversations that can be read again, feedback, and passages alone."""

from __future__ import annotations

import pytest

from tests.bots.gateway.serving import QUESTION, Server
from tests.bots.gateway.test_ask import assert_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_conversation_can_be_read_again_with_its_sources(shared: Server) -> None:
    first = (await shared.ask(thread="a.1")).json()
    await shared.ask("And what about managers?", thread="a.1")
    thread = (await shared.client.get("/v1/threads/a.1")).json()
    assert [turn["question"] for turn in thread["turns"]] == [QUESTION, "And what about managers?"]
    assert thread["turns"][0]["answer"] == first
    assert thread["turns"][0]["thumb"] is None
    assert (thread["thread"], thread["namespace"]) == ("a.1", "default")


async def test_a_conversation_in_another_namespace_is_another_one(shared: Server) -> None:
    await shared.ask(thread="b.1")
    assert_problem(await shared.client.get("/v1/threads/b.1?namespace=hr"), 404, "no such conversation")


async def test_a_conversation_can_be_deleted(shared: Server) -> None:
    await shared.ask(thread="c.1")
    assert (await shared.client.delete("/v1/threads/c.1")).status_code == 204
    assert_problem(await shared.client.get("/v1/threads/c.1"), 404)
    assert_problem(await shared.client.delete("/v1/threads/c.1"), 404)


@pytest.mark.parametrize("thread", ["a%20b", "ü", "x" * 129, "%00", "a%0Ab"])
async def test_what_cannot_be_a_thread_is_refused(shared: Server, thread: str) -> None:
    assert (await shared.client.get(f"/v1/threads/{thread}")).status_code == 422


async def test_an_answer_can_be_judged_and_judged_again(shared: Server) -> None:
    answer = (await shared.ask(thread="d.1")).json()
    body = {"answer": answer["id"], "thumb": "down", "reason": "outdated", "text": "It is 14 days since July."}
    given = await shared.client.post("/v1/feedback", json=body)
    assert (given.status_code, given.json()) == (201, body)
    await shared.client.post("/v1/feedback", json={"answer": answer["id"], "thumb": "up"})
    (turn,) = (await shared.client.get("/v1/threads/d.1")).json()["turns"]
    assert turn["thumb"] == "up"
    listed = (await shared.client.get("/v1/feedback?thumb=up")).json()
    (rated,) = (each for each in listed["feedback"] if each["answer"] == answer["id"])
    assert (rated["question"], rated["answer_text"], rated["reason"], rated["text"]) == (
        QUESTION,
        answer["text"],
        None,
        "",
    )
    assert (await shared.client.delete(f"/v1/feedback/{answer['id']}")).status_code == 204
    assert_problem(await shared.client.delete(f"/v1/feedback/{answer['id']}"), 404)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"thumb": "sideways"}, "thumb"),
        ({"reason": "because"}, "reason"),
        ({"text": "x" * 4001}, "text"),
        ({"answer": "../../etc"}, "answer"),
        ({"rating": 5}, "rating"),
        ({"thumb": None}, "thumb"),
    ],
)
async def test_feedback_that_cannot_be_understood_is_refused(
    shared: Server, change: dict[str, object], words: str
) -> None:
    body = {"answer": "abc", "thumb": "up"} | change
    assert_problem(await shared.client.post("/v1/feedback", json=body), 422, words)


async def test_an_answer_that_nobody_gave_cannot_be_judged(shared: Server) -> None:
    assert_problem(
        await shared.client.post("/v1/feedback", json={"answer": "abc", "thumb": "up"}), 404, "no such answer"
    )


async def test_a_search_gives_passages_and_no_answer(shared: Server) -> None:
    found = (await shared.client.post("/v1/search", json={"query": "annual leave", "limit": 3})).json()
    (passage,) = found["passages"]
    assert passage["text"] == "You accrue 13 days of annual leave per year."
    assert (passage["title"], passage["locator"]) == ("Leave", "")
    assert passage["score"] > 0
    assert (found["query"], found["namespace"]) == ("annual leave", "default")


async def test_a_search_in_an_empty_namespace_finds_nothing(shared: Server) -> None:
    found = await shared.client.post("/v1/search", json={"query": "annual leave", "namespace": "empty"})
    assert found.json()["passages"] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"query": ""}, "query"),
        ({"query": "🙂"}, ""),
        ({"query": "x" * 4001}, "query"),
        ({"query": "a", "limit": 51}, "limit"),
        ({}, "query"),
        ({"query": 'a" OR NEAR('}, ""),
    ],
)
async def test_a_search_for_nothing_or_too_much_is_refused_and_syntax_is_text(
    shared: Server, body: dict[str, object], words: str
) -> None:
    answer = await shared.client.post("/v1/search", json=body)
    assert answer.status_code == (422 if words else 200), answer.text
    assert words in answer.text.lower()
