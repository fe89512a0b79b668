"""What was asked and answered, by thread, so that follow-ups are understood."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, insert, select

from core.store.engine import reading, transaction
from core.store.schema import turns
from core.types import Answer, Turn


class Conversations:
    """The thread key is scoped by the caller: two threads that must not see each other have different keys."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, thread: str, namespace: str, question_id: str, question: str, answer: Answer) -> None:
        citations = [
            {"number": each.number, "document_id": each.document_id, "chunk_id": each.chunk_id} for each in answer.citations
        ]
        with transaction(self._engine) as connection:
            connection.execute(
                insert(turns).values(
                    thread=thread,
                    namespace=namespace,
                    question_id=question_id,
                    question=question,
                    outcome=answer.outcome.value,
                    answer=answer.text,
                    citations=citations,
                    asked_at=datetime.now(UTC),
                )
            )

    def history(self, thread: str, limit: int = 10) -> tuple[Turn, ...]:
        """The last `limit` questions with their answers, oldest first."""
        query = select(turns.c.question, turns.c.answer).where(turns.c.thread == thread)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(turns.c.row.desc()).limit(limit)).all()
        return tuple(
            turn for question, answer in reversed(rows) for turn in (Turn("user", question), Turn("assistant", answer))
        )
