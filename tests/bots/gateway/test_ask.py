"""`POST /v1/ask`: what an answer looks like, and what becomes of everything that is no question."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from core.ports import Vectors
from tests.bots.gateway.serving import LEAVE, QUESTION, Server, serving, settings
from tests.fakes.embedder import WordEmbedder
from tests.fakes.openai_server import fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWER_KEYS = {"id", "outcome", "text", "citations", "nearest", "namespace", "thread", "generator", "notice"}
CITATION_KEYS = {"number", "title", "locator", "quote", "document_id", "url", "chunk_id", "page", "version"}


class GatedEmbedder(WordEmbedder):
    """Stops where documents are embedded until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.gate = threading.Event(), threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.reached.set()
        assert self.gate.wait(30)
        return super().embed(texts)


def assert_problem(response: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["reference"] == response.headers["x-request-id"]
    for word in words:
        assert word in body["detail"]
    return body


async def test_an_answer_cites_the_document_it_is_from(server: Server) -> None:
    document = (await server.upload("leave.md")).json()["document"]
    response = await server.ask()
    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == ANSWER_KEYS
    assert (answer["outcome"], answer["generator"], answer["namespace"]) == ("answered", "extractive", "default")
    assert answer["text"] == "You accrue 13 days of annual leave per year. [1]"
    (citation,) = answer["citations"]
    assert set(citation) == CITATION_KEYS
    assert (citation["number"], citation["title"]) == (1, "Leave")
    assert citation["quote"] == "You accrue 13 days of annual leave per year."
    assert citation["document_id"] == document["id"]


async def test_what_the_documents_do_not_know_is_an_honest_no_answer_with_the_nearest(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, retrieval={"min_confidence": 1.0})) as server:
        await server.upload("leave.md")
        answer = (await server.ask("Who won the annual chess tournament?")).json()
    assert answer["outcome"] == "no_evidence"
    assert answer["citations"] == []
    assert [nearest["title"] for nearest in answer["nearest"]] == ["Leave"]


async def test_a_follow_up_is_looked_up_with_what_was_said_before_in_its_thread(tmp_path: Path) -> None:
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            first = (await server.ask()).json()
            seen = len(model.requests)
            follow_up = (await server.ask("And how is it accrued?", thread=first["thread"])).json()
            rewriting = str(model.requests[seen])
            seen = len(model.requests)
            other = (await server.ask("And how is it accrued?")).json()
            fresh = str(model.requests[seen:])
    assert follow_up["thread"] == first["thread"] != other["thread"]
    assert QUESTION in rewriting
    assert QUESTION not in fresh


async def test_history_that_the_client_keeps_takes_the_place_of_the_thread(tmp_path: Path) -> None:
    history = [{"role": "user", "text": "What about sabbaticals?"}, {"role": "assistant", "text": "Every ten years."}]
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            await server.ask("And how is it accrued?", history=history)
            rewriting = str(model.requests[0])
    assert "sabbaticals" in rewriting


async def test_the_receipt_is_for_the_owner_only(shared: Server) -> None:
    body = {"question": QUESTION, "explain": True}
    assert "why" not in (await shared.client.post("/v1/ask", json=body)).json()
    assert (await shared.client.post("/v1/ask", json=body, headers=shared.owner)).json()["why"]["passages"]


async def test_on_an_empty_index_the_answer_says_how_to_add_documents(server: Server) -> None:
    answer = (await server.ask()).json()
    assert answer["outcome"] == "empty_index"
    assert "lorekeeper documents add" in answer["text"]


async def test_an_unknown_namespace_is_one_without_documents(shared: Server) -> None:
    answer = (await shared.ask(namespace="legal")).json()
    assert answer["outcome"] == "empty_index"
    assert "legal" in answer["text"]


async def test_while_the_index_is_being_built_the_answer_says_so_and_then_it_is_there(tmp_path: Path) -> None:
    embedder = GatedEmbedder()
    async with serving(settings(tmp_path), embedder) as server:
        uploading = asyncio.create_task(server.upload("leave.md"))
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        try:
            early = (await server.ask()).json()
            listed = (await server.client.get("/v1/documents")).json()["documents"]
        finally:
            embedder.gate.set()
        assert (await uploading).status_code == 201
        late = (await server.ask()).json()
    assert early["outcome"] == "empty_index"
    assert "1 document is being indexed" in early["text"]
    assert [document["status"] for document in listed] == ["processing"]
    assert late["outcome"] == "answered"


@pytest.mark.parametrize("question", ["", "   \n\t", "🎉🎉🎉", "?!…", "\u200b\u202e\u0000", "\x1b\x07"])
async def test_what_has_no_words_is_refused_in_plain_words(shared: Server, question: str) -> None:
    response = await shared.ask(question)
    assert response.status_code == 200
    assert response.json()["outcome"] == "invalid_question"
    assert response.json()["citations"] == []


async def test_control_characters_in_a_question_change_nothing(shared: Server) -> None:
    answer = (await shared.ask("How many\x00 days\x1b[31m of\u202e annual\u200b leave\ufeff?")).json()
    assert answer["outcome"] == "answered"
    assert answer["text"].startswith("You accrue 13 days")


async def test_a_question_in_another_language_gets_an_outcome_and_no_error(server: Server) -> None:
    await server.upload("urlaub.md", b"# Urlaub\n\nJeder Angestellte hat 30 Urlaubstage im Jahr.\n")
    await server.upload("休暇.md", "# 休暇\n\n年次有給休暇は二十日です。\n".encode())
    german = (await server.ask("Wie viele Urlaubstage hat jeder Angestellte?")).json()
    japanese = (await server.ask("年次有給休暇は何日ですか?")).json()
    arabic = (await server.ask("كم عدد أيام الإجازة؟")).json()
    assert "30 Urlaubstage" in german["text"]
    assert {japanese["outcome"], arabic["outcome"]} <= {"answered", "no_evidence"}


async def test_a_question_that_reads_like_search_syntax_is_only_words(shared: Server) -> None:
    answer = (await shared.ask('leave" OR NEAR(annual* -days) AND text:"; DROP TABLE chunks; --')).json()
    assert answer["outcome"] in {"answered", "no_evidence"}
    assert (await shared.ask()).json()["outcome"] == "answered"


async def test_a_long_question_is_refused_with_the_limit(shared: Server) -> None:
    answer = (await shared.ask("How many days? " * 1000)).json()
    assert answer["outcome"] == "invalid_question"
    assert "4000" in answer["text"]


async def test_an_enormous_question_is_not_even_read(shared: Server) -> None:
    assert_problem(await shared.ask("word " * 200_000), 413, "64 KB")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{not json", "JSON"),
        (b"", "required"),
        (b"[]", "JSON object"),
        (b'"a question"', "JSON object"),
        (b"{}", "question: Field required"),
        (b'{"question": 7}', "question: Input should be a valid string"),
        (b'{"question": null}', "question"),
        (b'{"question": "q", "namespace": 1}', "namespace"),
        (b'{"question": "q", "namespace": "../../etc"}', "namespace"),
        (b'{"question": "q", "namespace": ""}', "namespace"),
        (b'{"question": "q", "thread": "a b"}', "thread"),
        (b'{"question": "q", "thread": {}}', "thread"),
        (b'{"question": "q", "history": [{"role": "system", "text": "x"}]}', "history.0.role"),
        (b'{"question": "q", "explain": "yes"}', "explain"),
        (b'{"question": "q", "namspace": "hr"}', "namspace is no field of this request"),
    ],
)
async def test_a_wrong_body_is_a_problem_that_names_the_field(shared: Server, body: bytes, words: str) -> None:
    response = await shared.client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    problem = assert_problem(response, 422, words)
    assert problem["code"] == "invalid_request"


@pytest.mark.parametrize("body", [b'{"question": "\xff\xfe"}', b'{"question": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"])
async def test_a_body_that_cannot_be_parsed_is_a_problem(shared: Server, body: bytes) -> None:
    response = await shared.client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "body")


async def test_a_lone_surrogate_is_no_reason_to_fail(shared: Server) -> None:
    body = b'{"question": "annual leave \\ud800 days"}'
    response = await shared.client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {200, 422}, response.text


async def test_a_wrong_method_or_address_is_a_problem_too(shared: Server) -> None:
    assert_problem(await shared.client.get("/v1/ask"), 405)
    assert_problem(await shared.client.get("/v1/nothing"), 404)


async def test_a_model_that_is_down_still_means_an_answer_and_a_notice(tmp_path: Path) -> None:
    generation = {"base_url": "http://127.0.0.1:9/v1", "connect_seconds": 0.5, "retries": 0}
    async with serving(settings(tmp_path, generation=generation)) as server:
        await server.upload("leave.md")
        answer = (await server.ask()).json()
    assert answer["outcome"] == "answered"
    assert answer["generator"] == "extractive"
    assert "not available" in answer["notice"]


async def test_a_model_that_talks_nonsense_or_breaks_off_still_means_an_answer_and_a_notice(tmp_path: Path) -> None:
    generation = {"first_token_seconds": 0.3, "total_seconds": 0.6, "retries": 0}
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={**generation, "base_url": model.url})) as server:
            await server.upload("leave.md")
            for behaviour in ("garbage", "html", "empty", "cut", "stall", "slow"):
                model.behaviour = behaviour
                answer = (await server.ask()).json()
                assert answer["outcome"] == "answered", behaviour
                assert answer["text"] == "You accrue 13 days of annual leave per year. [1]", behaviour
                assert "not available" in answer["notice"], behaviour


async def test_a_model_that_has_to_answer_and_is_down_is_a_problem_with_a_reference(tmp_path: Path) -> None:
    generation = {"mode": "chat", "base_url": "http://127.0.0.1:9/v1", "connect_seconds": 0.5, "retries": 0}
    async with serving(settings(tmp_path, generation=generation)) as server:
        await server.upload("leave.md")
        problem = assert_problem(await server.ask(), 503, "reference")
    assert problem["code"] == "answer_failed"


async def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with fake_openai(behaviour="slow") as model:
        chosen = settings(tmp_path, generation={"base_url": model.url}, server={"request_seconds": 0.5})
        async with serving(chosen) as server:
            await server.upload("leave.md", LEAVE)
            problem = assert_problem(await server.ask(), 504, "try again")
            assert problem["title"] == "Gateway Timeout"
            assert (await server.client.get("/healthz")).status_code == 200


async def test_a_client_that_leaves_takes_its_question_along(tmp_path: Path) -> None:
    with fake_openai(pause=0.05, answer="word " * 600) as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            asking = asyncio.create_task(server.ask())
            while not model.requests:
                await asyncio.sleep(0.01)
            with capture_logs() as logged:
                asking.cancel()
                async with asyncio.timeout(10):
                    while not (model.left_early and logged):
                        await asyncio.sleep(0.01)
    assert [entry["event"] for entry in logged] == ["the client left before the answer"]
