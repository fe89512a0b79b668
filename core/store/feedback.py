"""What people think of answers, with a copy of what they judged."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.errors import NotFound
from core.store.engine import reading, transaction
from core.store.schema import exchanges, feedback
from core.store.upsert import upsert
from core.types import Feedback, Outcome, RatedExchange, Reason, Thumb

GONE = "There is no such answer, or it was deleted meanwhile."


class FeedbackStore:
    """One row for each answer and rater."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rate(self, given: Feedback, namespaces: Collection[str] = ()) -> None:
        """Record feedback on an answer of these namespaces (without any: of all); the rater's earlier one is replaced.

        Raises `NotFound` when the answer is not recorded (any more), `StorageFailed`.
        """
        with transaction(self._engine) as connection:
            query = sa.select(exchanges).where(exchanges.c.id == given.answer_id)
            judged = connection.execute(_within(query, exchanges, namespaces).limit(1)).mappings().first()
            if judged is None:
                raise NotFound(GONE)
            copied = ("thread", "namespace", "question", "outcome", "answer", "details")
            row: dict[str, Any] = {
                "answer_id": given.answer_id,
                "rater": given.rater,
                "thumb": given.thumb.value,
                "reason": given.reason.value if given.reason else None,
                "comment": given.comment,
                **{name: judged[name] for name in copied},
                "rated_at": datetime.now(UTC),
            }
            upsert(connection, feedback, [row])

    def withdraw(self, answer_id: str, rater: str) -> None:
        """Delete a rater's feedback on an answer. Raises `NotFound`, `StorageFailed`."""
        statement = sa.delete(feedback).where(feedback.c.answer_id == answer_id, feedback.c.rater == rater)
        with transaction(self._engine) as connection:
            if connection.execute(statement).rowcount == 0:
                raise NotFound("There is no feedback on such an answer.")

    def thumbs(self, answer_ids: Collection[str], rater: str) -> dict[str, Thumb]:
        """What a rater gave to these answers, by answer. Raises `StorageFailed`."""
        query = sa.select(feedback.c.answer_id, feedback.c.thumb).where(
            feedback.c.answer_id.in_(answer_ids), feedback.c.rater == rater
        )
        with reading(self._engine) as connection:
            return {answer_id: Thumb(thumb) for answer_id, thumb in connection.execute(query)}

    def page(
        self, namespaces: Collection[str] = (), thumb: Thumb | None = None, limit: int = 100, offset: int = 0
    ) -> tuple[list[RatedExchange], int]:
        """The newest first, and how many there are in all. Raises `StorageFailed`."""
        query = _within(sa.select(feedback), feedback, namespaces)
        if thumb is not None:
            query = query.where(feedback.c.thumb == thumb.value)
        order = (feedback.c.rated_at.desc(), feedback.c.answer_id, feedback.c.rater)
        with reading(self._engine) as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
            rows = connection.execute(query.order_by(*order).limit(limit).offset(offset)).mappings().all()
        return [_rated(row) for row in rows], total


def _within(query: sa.Select[Any], table: sa.Table, namespaces: Collection[str]) -> sa.Select[Any]:
    return query.where(table.c.namespace.in_(namespaces)) if namespaces else query


def _rated(row: Any) -> RatedExchange:
    given = Feedback(
        row["answer_id"],
        Thumb(row["thumb"]),
        row["rater"],
        Reason(row["reason"]) if row["reason"] else None,
        row["comment"],
    )
    return RatedExchange(
        given, row["namespace"], row["question"], row["answer"], Outcome(row["outcome"]), row["rated_at"]
    )
