"""What was asked and answered, by thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.conversations import Conversations, thread_key
from core.store.engine import transaction
from core.store.feedback import FeedbackStore
from core.store.schema import exchanges
from core.types import Answer, Citation, Feedback, Outcome, Question, Scope, Thumb, Turn

CITED = Citation(1, "Leave", "page 3", "13 days", "d1", chunk_id="c1", page=3)


def key(thread: str, asker: str = "") -> str:
    return thread_key(Scope(), thread, asker)


def asked(thread: str, question_id: str, text: str, answer: str, asker: str = "") -> tuple[Question, Answer]:
    return (
        Question(question_id, text, thread=thread, asker=asker),
        Answer(question_id, Outcome.ANSWERED, answer, (CITED,), thread=thread, generator="extractive"),
    )


def test_a_threads_turns_come_back_in_order(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append(*asked("t1", "1", "First?", "One."))
    conversations.append(*asked("t2", "2", "Elsewhere?", "Two."))
    conversations.append(*asked("t1", "3", "Then?", "Three."))
    assert conversations.history(key("t1")) == (
        Turn("user", "First?"),
        Turn("assistant", "One."),
        Turn("user", "Then?"),
        Turn("assistant", "Three."),
    )
    assert conversations.history(key("t3")) == ()


def test_only_the_last_turns_count(engine: Engine) -> None:
    conversations = Conversations(engine)
    for number in range(5):
        conversations.append(*asked("t", str(number), f"Question {number}", "Yes."))
    assert [turn.text for turn in conversations.history(key("t"), 2) if turn.role == "user"] == [
        "Question 3",
        "Question 4",
    ]


@pytest.mark.parametrize(("before", "seen"), [("1", ""), ("3", "12"), ("4", "123"), ("unknown", "1234"), ("", "1234")])
def test_a_question_asked_again_sees_neither_its_answer_nor_later_ones(engine: Engine, before: str, seen: str) -> None:
    conversations = Conversations(engine)
    for number in "1234":
        conversations.append(*asked("t", number, f"Question {number}", f"Answer {number}"))
    turns = conversations.history(key("t"), before=before)
    assert [turn.text for turn in turns] == [f"{kind} {each}" for each in seen for kind in ("Question", "Answer")]


def test_what_was_said_lately_in_one_place(engine: Engine) -> None:
    conversations = Conversations(engine)
    for thread, number in (("chat:D_1:a", "1"), ("chat:D_1:b", "2"), ("chat:DX1:a", "3"), ("chat:D_1:c", "4")):
        conversations.append(*asked(thread, number, f"Question {number}", "Yes."))
    conversations.append(*asked("chat:D_1:a", "5", "Question 5", "Yes.", asker="ann"))

    def said(**given: Any) -> list[str]:
        since = datetime.now(UTC) - timedelta(minutes=given.pop("minutes", 1))
        turns = conversations.lately(Scope(given.pop("namespace", "default")), "chat:D_1:", since, **given)
        return [turn.text.removeprefix("Question ") for turn in turns if turn.role == "user"]

    assert said() == ["1", "2", "4"]
    assert said(limit=2) == ["2", "4"]
    assert said(before="4") == ["1", "2"]
    assert said(before="9") == ["1", "2", "4"]
    assert said(minutes=-1) == []
    assert said(namespace="other") == []


def test_recording_a_question_twice_changes_nothing(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append(*asked("t", "1", "First?", "One."))
    conversations.append(*asked("t", "1", "First?", "One."))
    assert len(conversations.history(key("t"))) == 2


def test_the_same_id_in_two_threads_is_two_questions(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append(*asked("c1", "1700.1", "First?", "One."))
    conversations.append(*asked("c2", "1700.1", "Other?", "Two."))
    assert [turn.text for turn in conversations.history(key("c1"))] == ["First?", "One."]


def test_old_conversations_are_deleted(engine: Engine) -> None:
    Conversations(engine).append(*asked("t", "1", "First?", "One."))
    Conversations(engine, keep_days=0).append(*asked("t", "2", "Then?", "Two."))
    assert [turn.text for turn in Conversations(engine).history(key("t"))] == ["Then?", "Two."]


def test_those_kept_for_no_time_are_deleted_with_each_question(engine: Engine) -> None:
    conversations = Conversations(engine, keep_days=0)
    for number in "123":
        conversations.append(*asked("t", number, f"Question {number}?", "Yes."))
        assert [turn.text for turn in conversations.history(key("t"))] == [f"Question {number}?", "Yes."]


def test_old_ones_are_looked_for_now_and_then(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    conversations = Conversations(engine)
    conversations.append(*asked("t", "1", "First?", "One."))
    with transaction(engine) as connection:
        connection.execute(sa.update(exchanges).values(asked_at=datetime.now(UTC) - timedelta(days=31)))
    conversations.append(*asked("t", "2", "Then?", "Two."))
    assert len(conversations.exchanges(key("t"))) == 2
    monkeypatch.setattr("core.store.conversations.SWEEP", timedelta(0))
    conversations.append(*asked("t", "3", "Last?", "Three."))
    assert [each.question for each in conversations.exchanges(key("t"))] == ["Then?", "Last?"]


def test_a_thread_can_be_read_again_with_its_sources(engine: Engine) -> None:
    conversations = Conversations(engine)
    question, answer = asked("t", "1", "First?", "One. [1]")
    conversations.append(question, answer)
    (exchange,) = conversations.exchanges(key("t"))
    assert (exchange.question, exchange.answer) == ("First?", answer)


def test_threads_of_the_same_name_are_apart_for_different_askers(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append(*asked("t", "1", "Mine?", "One.", asker="key-1"))
    conversations.append(*asked("t", "2", "Yours?", "Two.", asker="key-2"))
    assert [each.question for each in conversations.exchanges(key("t", "key-1"))] == ["Mine?"]


def test_a_forgotten_thread_is_gone_with_its_feedback_and_the_others_stay(engine: Engine) -> None:
    conversations, feedback = Conversations(engine), FeedbackStore(engine)
    conversations.append(*asked("t1", "1", "First?", "One."))
    conversations.append(*asked("t2", "2", "Elsewhere?", "Two."))
    for answer_id in ("1", "2"):
        feedback.rate(Feedback(answer_id, Thumb.UP))
    assert conversations.forget(key("t1")) == 1
    assert conversations.exchanges(key("t1")) == ()
    assert [rated.question for rated in feedback.page()[0]] == ["Elsewhere?"]
    assert conversations.forget(key("t1")) == 0


def test_what_the_documents_did_not_answer_is_listed_newest_first(engine: Engine) -> None:
    conversations = Conversations(engine)
    told = (
        ("1", "Wifi?", Outcome.NO_EVIDENCE, "it"),
        ("2", "Lunch?", Outcome.NO_EVIDENCE, "it"),
        ("3", "Leave?", Outcome.EMPTY_INDEX, "hr"),
        ("4", "Wifi?", Outcome.NO_EVIDENCE, "it"),
        ("5", "Pay?", Outcome.FAILED, "it"),
        ("6", "Bonus?", Outcome.NO_EVIDENCE, "board"),
    )
    for number, text, outcome, namespace in told:
        question = Question(number, text, Scope(namespace), thread=number)
        conversations.append(question, Answer(number, outcome, "", namespace=namespace, thread=number))
    assert [each.question for each in conversations.unanswered(["it", "hr"], 10)] == ["Wifi?", "Leave?", "Lunch?"]
    assert [each.answer.namespace for each in conversations.unanswered(["it", "hr"], 2)] == ["it", "hr"]
    assert conversations.unanswered([], 10) == []


def test_a_question_that_was_answered_since_is_not_without_an_answer(engine: Engine) -> None:
    conversations = Conversations(engine)
    for number, outcome in (("1", Outcome.NO_EVIDENCE), ("2", Outcome.ANSWERED)):
        conversations.append(Question(number, "Wifi?", thread=number), Answer(number, outcome, "", thread=number))
    assert conversations.unanswered(["default"], 10) == []
