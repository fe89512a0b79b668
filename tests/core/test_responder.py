"""From a question to its outcome: every way in which a question can end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import GenerationUnavailable, StorageFailed
from core.followup import RuleRewriter
from core.generation.auto import FALLEN_BACK, BaseForAll, Piece
from core.responder import Responder
from core.settings import Namespace
from core.store.conversations import Conversations, thread_key
from core.store.documents import DocumentStore
from core.store.engine import open_engine, upgrade
from core.types import (
    Event,
    Finished,
    GenerationRequest,
    Outcome,
    Passage,
    Question,
    Retrieval,
    Scope,
    Signals,
    Status,
    Token,
    Turn,
)
from tests.core.store.samples import document, publish

LEAVE = Passage("c1", "d1", "Leave", "You accrue 13 days of annual leave per year.", "", 0.9, ("Annual leave",), 7)
TRAVEL = Passage("c2", "d2", "Travel", "Travel to conferences needs approval.", "", 0.5)
SURE = Signals(top_dense=0.95, top_sentence=0.95, coverage=1.0)


class Found:
    """Always finds the same, for the same reasons, and remembers what it was asked."""

    def __init__(self, *passages: Passage, signals: Signals = SURE) -> None:
        self.passages, self.given = passages, signals
        self.queries: list[str] = []
        self.error: Exception | None = None
        self.was_enough: bool | None = None

    async def retrieve(self, query: str, scope: Scope, limit: int | None = None) -> Retrieval:
        self.queries.append(query)
        if self.error:
            raise self.error
        return Retrieval(query, self.passages)

    def signals(self, found: Retrieval, suffices: Callable[[Signals], bool] | None = None) -> Signals:
        self.was_enough = None if suffices is None else suffices(self.given)
        return self.given


class Writes:
    """A chooser that writes given pieces."""

    def __init__(self, *pieces: str | Piece | Exception) -> None:
        self.pieces = pieces
        self.requests: list[GenerationRequest] = []
        self.models: list[str] = []

    async def stream(self, request: GenerationRequest, model: str = "") -> AsyncGenerator[Piece, None]:
        self.requests.append(request)
        self.models.append(model)
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece if isinstance(piece, Piece) else Piece(piece, "writer")

    async def healthy(self) -> bool:
        return True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield DocumentStore(engine)
    engine.dispose()


def responder(
    store: DocumentStore, found: Found, writes: Writes | None = None, threshold: float = 0.5, contact: str = ""
) -> Responder:
    return Responder(
        retriever=found,
        evidence=found,
        chooser=writes or Writes(f"{LEAVE.text} [1]"),
        rewriter=RuleRewriter(),
        store=store,
        conversations=Conversations(store._engine),
        threshold=threshold,
        namespaces={"default": Namespace(contact=contact)},
    )


def question(text: str = "How many days of annual leave do I accrue?", **values: object) -> Question:
    return Question("q1", text, **values)  # type: ignore[arg-type]


async def events(asked: Responder, about: Question) -> list[Event]:
    return [event async for event in asked.stream(about)]


class Tuned:
    """Every namespace has an adapter of its name."""

    async def model_for(self, namespace: str) -> str:
        return f"{namespace}-1"


@pytest.mark.parametrize(("namespace", "model"), [("hr", "hr-1"), ("it", "by-hand"), ("default", "default-1")])
async def test_a_namespace_is_answered_by_the_model_of_its_settings_or_else_by_its_tuned_one(
    store: DocumentStore, namespace: str, model: str
) -> None:
    writes = Writes(f"{LEAVE.text} [1]")
    asked = replace(
        responder(store, Found(LEAVE), writes), models=Tuned(), namespaces={"it": Namespace(model="by-hand")}
    )
    await asked.ask(question(scope=Scope(namespace)))
    await replace(asked, models=BaseForAll()).ask(question(scope=Scope("hr")))
    assert writes.models == [model, ""]


@pytest.mark.parametrize(
    ("until_sure", "threshold", "enough"), [(True, 0.5, True), (True, 1.0, False), (False, 0.5, None)]
)
async def test_evidence_is_looked_for_until_the_threshold_is_reached(
    store: DocumentStore, until_sure: bool, threshold: float, enough: bool | None
) -> None:
    found = Found(LEAVE)
    asked = replace(responder(store, found, threshold=threshold), until_sure=until_sure)
    await asked.ask(question())
    assert found.was_enough is enough


async def test_an_answer_cites_document_place_and_quote(store: DocumentStore) -> None:
    answer = await responder(store, Found(LEAVE, TRAVEL)).ask(question())
    assert answer.outcome is Outcome.ANSWERED
    assert answer.text == f"{LEAVE.text} [1]"
    (citation,) = answer.citations
    assert (citation.title, citation.locator, citation.quote) == ("Leave", "page 7, Annual leave", LEAVE.text)


async def test_a_stream_tells_its_stages_and_ends_with_the_answer(store: DocumentStore) -> None:
    seen = await events(
        responder(store, Found(LEAVE), Writes("You accrue 13 days ", "of leave per year. [1]")), question()
    )
    assert [type(event) for event in seen] == [Status, Status, Token, Token, Finished]


async def test_weak_evidence_is_an_honest_no_answer_with_the_nearest_passages(store: DocumentStore) -> None:
    writes = Writes("never asked")
    found = Found(TRAVEL, signals=Signals())
    answer = await responder(store, found, writes, contact="hr@example.org").ask(question())
    assert answer.outcome is Outcome.NO_EVIDENCE
    assert "hr@example.org" in answer.text
    assert [nearest.title for nearest in answer.nearest] == ["Travel"]
    assert not answer.citations
    assert not writes.requests


@pytest.mark.parametrize("written", ["", "The moon is made of cheese.", "I could not find this in the documents."])
async def test_an_answer_that_rests_on_no_passage_is_none(store: DocumentStore, written: str) -> None:
    answer = await responder(store, Found(LEAVE), Writes(written)).ask(question())
    assert answer.outcome is Outcome.NO_EVIDENCE
    assert "moon" not in answer.text


async def test_without_documents_the_answer_says_so(store: DocumentStore) -> None:
    answer = await responder(store, Found()).ask(question())
    assert answer.outcome is Outcome.EMPTY_INDEX
    assert "lorekeeper documents add" in answer.text


async def test_while_documents_are_being_indexed_the_answer_says_so(store: DocumentStore) -> None:
    from core.types import DocumentStatus

    store.put(document("handbook", status=DocumentStatus.PROCESSING))
    answer = await responder(store, Found()).ask(question())
    assert answer.outcome is Outcome.EMPTY_INDEX
    assert "being indexed" in answer.text


async def test_documents_without_anything_near_are_no_evidence(store: DocumentStore) -> None:
    publish(store, document("handbook"), ["Travel needs approval."])
    answer = await responder(store, Found()).ask(question())
    assert answer.outcome is Outcome.NO_EVIDENCE
    assert not answer.nearest


@pytest.mark.parametrize("text", ["", "   ", "\x00\x07", "🙂🙂", "?!", "x" * 5000, "\u200b\u202e"])
async def test_what_is_no_question_is_refused_without_a_search(store: DocumentStore, text: str) -> None:
    found = Found(LEAVE)
    answer = await responder(store, found).ask(question(text))
    assert answer.outcome is Outcome.INVALID_QUESTION
    assert answer.text
    assert not found.queries


async def test_control_characters_do_not_reach_the_search(store: DocumentStore) -> None:
    found = Found(LEAVE)
    await responder(store, found).ask(question("How\x00 much\n\nleave\u202e?"))
    assert found.queries == ["How much leave?"]


async def test_a_known_error_is_told_with_a_reference(store: DocumentStore) -> None:
    found = Found(LEAVE)
    found.error = StorageFailed("The disk is full.")
    answer = await responder(store, found).ask(question())
    assert answer.outcome is Outcome.FAILED
    assert answer.text.startswith("The disk is full. (reference ")


async def test_an_unknown_error_tells_nothing_of_its_inside(store: DocumentStore) -> None:
    found = Found(LEAVE)
    found.error = RuntimeError("secret path /var/lib")
    answer = await responder(store, found).ask(question())
    assert answer.outcome is Outcome.FAILED
    assert "secret" not in answer.text
    assert "reference" in answer.text


async def test_a_model_that_fails_is_an_outcome(store: DocumentStore) -> None:
    answer = await responder(store, Found(LEAVE), Writes(GenerationUnavailable("The model is down."))).ask(question())
    assert answer.outcome is Outcome.FAILED


async def test_a_restart_voids_what_was_written_and_its_notice_stays(store: DocumentStore) -> None:
    pieces = Writes("Half an ans", Piece(f"{LEAVE.text} [1]", "extractive", FALLEN_BACK, restart=True))
    answer = await responder(store, Found(LEAVE), pieces).ask(question())
    assert (answer.text, answer.generator, answer.notice) == (f"{LEAVE.text} [1]", "extractive", FALLEN_BACK)


class TestConversations:
    async def test_a_follow_up_is_looked_up_with_the_question_before(self, store: DocumentStore) -> None:
        found = Found(LEAVE)
        asked = responder(store, found)
        await asked.ask(question("Who accrues annual leave?", thread="t"))
        await asked.ask(Question("q2", "How long is it?", thread="t"))
        assert found.queries[-1] == "How long is it? accrues annual leave"

    async def test_a_thread_is_not_shared_between_people_with_other_rights(self, store: DocumentStore) -> None:
        found = Found(LEAVE)
        asked = responder(store, found)
        await asked.ask(question("Who accrues annual leave?", thread="t", scope=Scope("default", frozenset({"board"}))))
        await asked.ask(Question("q2", "How long is it?", thread="t"))
        assert found.queries[-1] == "How long is it?"

    async def test_nobody_looks_for_what_came_before_the_first_question(self, store: DocumentStore) -> None:
        found = Found(LEAVE)
        asked = responder(store, found)
        await asked.ask(question("Who approves travel?", thread="t"))
        again = Question("q2", "Why is it so?", thread="t", is_first=True)
        await asked.ask(again)
        assert found.queries[-1] == "Why is it so?"

    async def test_given_history_comes_before_the_recorded_one(self, store: DocumentStore) -> None:
        found = Found(LEAVE)
        history = (Turn("user", "Who approves travel?"),)
        await responder(store, found).ask(question("Why is it so?", thread="t", history=history))
        assert found.queries == ["Why is it so? approves travel"]

    @pytest.mark.parametrize("text", ["", "x" * 5000])
    async def test_what_was_refused_is_not_remembered(self, store: DocumentStore, text: str) -> None:
        asked = responder(store, Found(LEAVE))
        await asked.ask(question(text, thread="t"))
        await asked.ask(Question("q2", "Who accrues leave?", thread="t"))
        assert _remembered(asked) == ["Who accrues leave?"]


def _remembered(asked: Responder) -> Sequence[str]:
    return [turn.text for turn in asked.conversations.history(thread_key(Scope(), "t")) if turn.role == "user"]
