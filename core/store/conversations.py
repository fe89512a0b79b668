"""What was asked and answered, by thread, so that follow-ups are understood and a conversation can be read again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading, transaction
from core.store.schema import exchanges, feedback
from core.store.upsert import upsert
from core.types import Answer, Citation, Exchange, Outcome, Question, Scope, Turn

# How long those that are too old may stay beyond their time while somebody asks: to look for them takes as long as to record one.
SWEEP = timedelta(minutes=1)
_WITHOUT_ANSWER = (Outcome.NO_EVIDENCE.value, Outcome.EMPTY_INDEX.value)


def thread_key(scope: Scope, thread: str | None, asker: str = "") -> str:
    """A thread's history is only ever used in the namespace, with the eyes and by the asker it was made with."""
    return json.dumps([scope.namespace, sorted(scope.readers), asker, thread])


class Conversations:
    """A thread is named by its `thread_key`."""

    def __init__(self, engine: Engine, keep_days: int = 30) -> None:
        self._engine = engine
        self._keep = timedelta(days=keep_days)
        self._swept = -math.inf

    def append(self, question: Question, answer: Answer) -> None:
        """Record one question with its answer, and delete those that are too old. Raises `StorageFailed`.

        Doing so twice changes nothing.
        """
        now = datetime.now(UTC)
        row = {
            "id": question.id,
            "thread": thread_key(question.scope, question.thread, question.asker),
            "namespace": question.scope.namespace,
            "question": question.text,
            "asked_at": now,
            "outcome": answer.outcome.value,
            "answer": answer.text,
            "details": {
                "citations": [asdict(each) for each in answer.citations],
                "nearest": [asdict(each) for each in answer.nearest],
                "generator": answer.generator,
                "notice": answer.notice,
                "thread": question.thread,
            },
        }
        with transaction(self._engine) as connection:
            if is_due := time.monotonic() - self._swept >= min(self._keep, SWEEP).total_seconds():
                connection.execute(sa.delete(exchanges).where(exchanges.c.asked_at < now - self._keep))
            upsert(connection, exchanges, [row], key=("thread", "id"), keep=("asked_at",))
        if is_due:
            self._swept = time.monotonic()

    def history(self, thread: str, limit: int = 10, *, before: str = "") -> tuple[Turn, ...]:
        """The last `limit` questions with their answers, oldest first. Raises `StorageFailed`.

        `before` is the id of a question that may be asked for the second time: only what came before it counts.
        """
        return _turns(self.exchanges(thread, limit, before=before))

    def exchanges(self, thread: str, limit: int = 100, *, before: str = "") -> tuple[Exchange, ...]:
        """The last `limit` questions with their whole answers, oldest first. Raises `StorageFailed`.

        `before` is the id of one of them: only what came before it counts. One that is not there changes nothing.
        """
        query = sa.select(exchanges).where(exchanges.c.thread == thread).order_by(exchanges.c.position.desc())
        if before:
            again = sa.select(exchanges.c.position).where(exchanges.c.thread == thread, exchanges.c.id == before)
            query = query.where(
                exchanges.c.position < sa.func.coalesce(again.scalar_subquery(), exchanges.c.position + 1)
            )
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return tuple(_exchange(row) for row in reversed(rows))

    def lately(
        self, scope: Scope, threads: str, since: datetime, limit: int = 3, *, before: str = ""
    ) -> tuple[Turn, ...]:
        """The last exchanges since then in all threads whose names begin with `threads`, oldest first.

        `before` as for `history`. Raises `StorageFailed`.
        """
        begin = thread_key(scope, threads).removesuffix('"]')
        query = sa.select(exchanges).where(
            exchanges.c.asked_at >= since, exchanges.c.thread.startswith(begin, autoescape=True)
        )
        if before:
            again = sa.select(sa.func.min(exchanges.c.position)).where(exchanges.c.id == before)
            query = query.where(
                exchanges.c.position < sa.func.coalesce(again.scalar_subquery(), exchanges.c.position + 1)
            )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(exchanges.c.position.desc()).limit(limit)).mappings().all()
        return _turns([_exchange(row) for row in reversed(rows)])

    def find(self, answer_id: str) -> Exchange | None:
        """The exchange with this answer, in whatever thread; None when it is not kept (any more)."""
        query = sa.select(exchanges).where(exchanges.c.id == answer_id).order_by(exchanges.c.position.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _exchange(row)

    def popular(self, namespace: str, limit: int, least: int = 2) -> list[str]:
        """The questions that were asked (and answered) most often, at least `least` times: what one person asked once
        is that person's business.
        """
        times = sa.func.count()
        query = (
            sa.select(exchanges.c.question)
            .where(exchanges.c.namespace == namespace, exchanges.c.outcome == Outcome.ANSWERED.value)
            .group_by(exchanges.c.question)
            .having(times >= least)
            .order_by(times.desc(), sa.func.max(exchanges.c.position).desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return list(connection.scalars(query))

    def unanswered(self, namespaces: Collection[str], limit: int) -> list[Exchange]:
        """The questions in these namespaces that the documents did not answer when they were last asked, newest first.

        The same question appears once. Raises `StorageFailed`.
        """
        latest = (
            sa.select(sa.func.max(exchanges.c.position))
            .where(exchanges.c.namespace.in_(namespaces))
            .group_by(exchanges.c.namespace, exchanges.c.question)
        )
        query = (
            sa.select(exchanges)
            .where(exchanges.c.position.in_(latest), exchanges.c.outcome.in_(_WITHOUT_ANSWER))
            .order_by(exchanges.c.position.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [_exchange(row) for row in connection.execute(query).mappings()]

    def forget(self, thread: str) -> int:
        """Delete a thread, with the feedback on its answers; returns how many answers there were."""
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(feedback).where(feedback.c.thread == thread))
            return connection.execute(sa.delete(exchanges).where(exchanges.c.thread == thread)).rowcount


def _turns(asked: Iterable[Exchange]) -> tuple[Turn, ...]:
    return tuple(turn for each in asked for turn in (Turn("user", each.question), Turn("assistant", each.answer.text)))


def _exchange(row: Any) -> Exchange:
    details = row["details"]
    answer = Answer(
        id=row["id"],
        outcome=Outcome(row["outcome"]),
        text=row["answer"],
        citations=_citations(details["citations"]),
        nearest=_citations(details.get("nearest", ())),
        namespace=row["namespace"],
        thread=details.get("thread"),
        generator=details["generator"],
        notice=details.get("notice"),
    )
    return Exchange(row["question"], row["asked_at"], answer)


def _citations(values: Iterable[dict[str, Any]]) -> tuple[Citation, ...]:
    # Once, only references to chunks were recorded.
    return tuple(Citation(**each) for each in values if "quote" in each)
