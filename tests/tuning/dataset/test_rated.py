"""What people think of answers, as material."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.store.conversations import Conversations
from core.store.engine import open_engine, upgrade
from core.store.feedback import FeedbackStore
from core.types import Answer, Citation, Feedback, Outcome, Question, Scope, Thumb, Turn
from tuning.dataset.rated import RatedAnswer, corrections, liked, read_rated, without_marks
from tuning.dataset.types import Kind, person

CITED = Citation(1, "Leave", "", "13 days", "open", chunk_id="c1")
ANSWER = "Annual leave accrues at 13 days per year. [1]"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def asked(
    engine: Engine,
    answer_id: str,
    text: str = "How much leave?",
    answer: str = ANSWER,
    document: str = "open",
    asker: str = "",
) -> None:
    outcome = Outcome.ANSWERED if answer else Outcome.NO_EVIDENCE
    citations = (Citation(1, "Leave", "", "13 days", document, chunk_id="c1"),) if answer else ()
    question = Question(answer_id, text, Scope("hr"), thread="t", asker=asker)
    Conversations(engine).append(question, Answer(answer_id, outcome, answer or "I could not find this.", citations))


def rate(engine: Engine, answer_id: str, thumb: Thumb, rater: str = "slack:U1", comment: str = "") -> None:
    FeedbackStore(engine).rate(Feedback(answer_id, thumb, rater, comment=comment))


def read(engine: Engine, **keep: int) -> list[RatedAnswer]:
    return read_rated(engine, Conversations(engine, **keep), ["hr"], {"open"})


def test_a_liked_answer_becomes_a_draft_with_its_documents_and_people(engine: Engine) -> None:
    asked(engine, "1", asker="key-7")
    rate(engine, "1", Thumb.UP)
    (draft,) = liked(read(engine), {})
    assert (draft.kind, draft.question, draft.answer) == (Kind.LIKED, "How much leave?", without_marks(ANSWER))
    assert (draft.documents, draft.feedback, draft.is_trusted) == (frozenset({"open"}), "1", True)
    assert set(draft.people) == {person("slack:U1"), person("key-7")}
    assert "U1" not in str(draft.people)


def test_a_liked_no_answer_is_one(engine: Engine) -> None:
    asked(engine, "1", answer="")
    rate(engine, "1", Thumb.UP)
    assert [draft.answer for draft in liked(read(engine), {})] == [""]


def test_what_somebody_else_disliked_is_not_liked(engine: Engine) -> None:
    asked(engine, "1")
    rate(engine, "1", Thumb.UP, "slack:U1")
    rate(engine, "1", Thumb.UP, "slack:U2")
    assert len(list(liked(read(engine), {}))) == 1
    rate(engine, "1", Thumb.DOWN, "slack:U3")
    assert list(liked(read(engine), {})) == []


def test_all_who_liked_it_are_named(engine: Engine) -> None:
    asked(engine, "1", asker="key-7")
    rate(engine, "1", Thumb.UP, "slack:U1")
    rate(engine, "1", Thumb.UP, "slack:U2")
    (draft,) = liked(read(engine), {})
    assert set(draft.people) == {person("slack:U1"), person("slack:U2"), person("key-7")}


def test_a_liked_no_answer_knows_which_documents_are_newer(engine: Engine) -> None:
    asked(engine, "1", answer="")
    rate(engine, "1", Thumb.UP)
    changed = {"old": datetime(2020, 1, 1, tzinfo=UTC), "new": datetime(2120, 1, 1, tzinfo=UTC)}
    assert [draft.unseen for draft in liked(read(engine), changed)] == [frozenset({"new"})]


def test_a_comment_on_a_bad_answer_may_be_a_correction_and_is_not_trusted(engine: Engine) -> None:
    asked(engine, "1")
    rate(engine, "1", Thumb.DOWN, comment="It is 14 days since July. [9]")
    (draft,) = corrections(read(engine))
    assert (draft.kind, draft.answer, draft.is_trusted) == (Kind.CORRECTION, "It is 14 days since July.", False)
    assert draft.documents == frozenset()


def test_an_answer_from_a_document_that_not_everybody_may_read_is_left_out(engine: Engine) -> None:
    asked(engine, "1", document="secret")
    rate(engine, "1", Thumb.UP)
    assert read(engine) == []


def test_a_follow_up_comes_with_what_was_said_before(engine: Engine) -> None:
    asked(engine, "1")
    asked(engine, "2", "And in the second year?")
    rate(engine, "2", Thumb.UP)
    (draft,) = liked(read(engine), {})
    assert draft.history == (Turn("user", "How much leave?"), Turn("assistant", ANSWER))
    assert draft.quoted == {"open"}


def test_a_follow_up_after_a_restricted_answer_is_left_out(engine: Engine) -> None:
    asked(engine, "1", document="secret")
    asked(engine, "2", "And in the second year?")
    rate(engine, "2", Thumb.UP)
    assert list(liked(read(engine), {})) == []


def test_a_question_whose_conversation_is_gone_stays_if_it_stands_alone(engine: Engine) -> None:
    asked(engine, "1", "How much annual leave do employees have?")
    asked(engine, "2", "And that?")
    rate(engine, "1", Thumb.UP)
    rate(engine, "2", Thumb.UP)
    Conversations(engine, keep_days=0).append(
        Question("3", "Later?", Scope("hr"), thread="u"), Answer("3", Outcome.ANSWERED, "")
    )
    assert [draft.question for draft in liked(read(engine), {})] == ["How much annual leave do employees have?"]


def test_other_namespaces_are_not_read(engine: Engine) -> None:
    asked(engine, "1")
    rate(engine, "1", Thumb.UP)
    assert read_rated(engine, Conversations(engine), ["sales"], {"open"}) == []
