"""Feedback, with a copy of what it is about."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from core.errors import NotFound
from core.store.conversations import Conversations
from core.store.feedback import FeedbackStore
from core.types import Answer, Feedback, Outcome, Question, Reason, Scope, Thumb


@pytest.fixture
def feedback(engine: Engine) -> FeedbackStore:
    for answer_id, namespace in (("1", "default"), ("2", "hr")):
        question = Question(answer_id, f"Question {answer_id}?", Scope(namespace), thread="t")
        Conversations(engine).append(question, Answer(answer_id, Outcome.ANSWERED, f"Answer {answer_id}. [1]"))
    return FeedbackStore(engine)


def test_feedback_keeps_what_was_asked_and_answered(feedback: FeedbackStore) -> None:
    given = Feedback("1", Thumb.DOWN, "ann", Reason.OUTDATED, "It is 14 days now.")
    feedback.rate(given)
    (rated,), total = feedback.page()
    assert (rated.feedback, rated.question, rated.answer, total) == (given, "Question 1?", "Answer 1. [1]", 1)


def test_it_outlives_the_conversation(engine: Engine, feedback: FeedbackStore) -> None:
    feedback.rate(Feedback("1", Thumb.UP))
    Conversations(engine, keep_days=0).append(Question("3", "Later?", thread="u"), Answer("3", Outcome.ANSWERED, ""))
    assert [rated.question for rated in feedback.page()[0]] == ["Question 1?"]


def test_a_person_has_one_view_of_an_answer_and_may_change_or_withdraw_it(feedback: FeedbackStore) -> None:
    feedback.rate(Feedback("1", Thumb.DOWN, "ann", Reason.WRONG))
    feedback.rate(Feedback("1", Thumb.UP, "ann"))
    feedback.rate(Feedback("1", Thumb.UP, "bob"))
    assert {(rated.feedback.rater, rated.feedback.thumb, rated.feedback.reason) for rated in feedback.page()[0]} == {
        ("ann", Thumb.UP, None),
        ("bob", Thumb.UP, None),
    }
    feedback.withdraw("1", "ann")
    assert [rated.feedback.rater for rated in feedback.page()[0]] == ["bob"]
    with pytest.raises(NotFound):
        feedback.withdraw("1", "ann")


def test_only_answers_of_the_namespaces_that_one_may_use_exist(feedback: FeedbackStore) -> None:
    with pytest.raises(NotFound):
        feedback.rate(Feedback("2", Thumb.UP), namespaces={"default"})
    feedback.rate(Feedback("2", Thumb.UP), namespaces={"hr"})
    assert feedback.page({"default"}) == ([], 0)
    assert feedback.page({"hr"})[1] == 1


def test_an_answer_that_nobody_gave_cannot_be_judged(feedback: FeedbackStore) -> None:
    with pytest.raises(NotFound, match="no such answer"):
        feedback.rate(Feedback("nothing", Thumb.UP))


def test_it_comes_in_pages_and_by_thumb(feedback: FeedbackStore) -> None:
    for rater, thumb in (("a", Thumb.UP), ("b", Thumb.DOWN), ("c", Thumb.UP)):
        feedback.rate(Feedback("1", thumb, rater))
    assert feedback.page(thumb=Thumb.UP)[1] == 2
    page, total = feedback.page(limit=1, offset=1)
    assert (page[0].feedback.rater, total) == ("b", 3)
