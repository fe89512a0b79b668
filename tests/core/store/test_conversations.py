"""What was asked and answered, by thread."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from core.store.conversations import Conversations
from core.types import Answer, Outcome, Turn


def answer(text: str) -> Answer:
    return Answer("q", Outcome.ANSWERED, text)


def test_a_threads_turns_come_back_in_order(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append("t1", "default", "1", "First?", answer("One."))
    conversations.append("t2", "default", "2", "Elsewhere?", answer("Two."))
    conversations.append("t1", "default", "3", "Then?", answer("Three."))
    assert conversations.history("t1") == (
        Turn("user", "First?"),
        Turn("assistant", "One."),
        Turn("user", "Then?"),
        Turn("assistant", "Three."),
    )
    assert conversations.history("t3") == ()


def test_only_the_last_turns_count(engine: Engine) -> None:
    conversations = Conversations(engine)
    for number in range(5):
        conversations.append("t", "default", str(number), f"Question {number}", answer("Yes."))
    assert [turn.text for turn in conversations.history("t", 2) if turn.role == "user"] == ["Question 3", "Question 4"]


def test_recording_a_question_twice_changes_nothing(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append("t", "default", "1", "First?", answer("One."))
    conversations.append("t", "default", "1", "First?", answer("One."))
    assert len(conversations.history("t")) == 2


def test_the_same_id_in_two_threads_is_two_questions(engine: Engine) -> None:
    conversations = Conversations(engine)
    conversations.append("c1", "default", "1700.1", "First?", answer("One."))
    conversations.append("c2", "default", "1700.1", "Other?", answer("Two."))
    assert [turn.text for turn in conversations.history("c1")] == ["First?", "One."]


def test_old_conversations_are_deleted(engine: Engine) -> None:
    Conversations(engine).append("t", "default", "1", "First?", answer("One."))
    Conversations(engine, keep_days=0).append("t", "default", "2", "Then?", answer("Two."))
    assert [turn.text for turn in Conversations(engine).history("t")] == ["Then?", "Two."]
