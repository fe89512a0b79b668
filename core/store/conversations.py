"""What was asked and answered, by thread, so that follow-ups are understood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading, transaction
from core.store.schema import exchanges
from core.store.upsert import upsert
from core.types import Answer, Turn


class Conversations:
    """The thread key is scoped by the caller: two threads that must not see each other have different keys."""

    def __init__(self, engine: Engine, keep_days: int = 30) -> None:
        self._engine = engine
        self._keep = timedelta(days=keep_days)

    def append(self, thread: str, namespace: str, question_id: str, question: str, answer: Answer) -> None:
        """Record one question with its answer, and delete those that are too old. Raises `StorageFailed`.

        Doing so twice changes nothing.
        """
        now = datetime.now(UTC)
        citations = [
            {"number": each.number, "document_id": each.document_id, "chunk_id": each.chunk_id}
            for each in answer.citations
        ]
        row = {
            "id": question_id,
            "thread": thread,
            "namespace": namespace,
            "question": question,
            "asked_at": now,
            "outcome": answer.outcome.value,
            "answer": answer.text,
            "details": {"citations": citations, "generator": answer.generator},
        }
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(exchanges).where(exchanges.c.asked_at < now - self._keep))
            upsert(connection, exchanges, [row], key=("thread", "id"), keep=("asked_at",))

    def history(self, thread: str, limit: int = 10) -> tuple[Turn, ...]:
        """The last `limit` questions with their answers, oldest first. Raises `StorageFailed`."""
        query = sa.select(exchanges.c.question, exchanges.c.answer).where(exchanges.c.thread == thread)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(exchanges.c.position.desc()).limit(limit)).all()
        return tuple(
            turn for question, answer in reversed(rows) for turn in (Turn("user", question), Turn("assistant", answer))
        )
