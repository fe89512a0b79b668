"""What is known of places on chat platforms: threads that the bot is in, and which documents a channel asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading, transaction
from core.store.schema import bindings, chat_threads
from core.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class ThreadState:
    """What the gate needs to know of a thread that the bot is in."""

    is_quiet: bool = False
    """Somebody told the bot to keep out."""
    talking: frozenset[str] = frozenset()
    """The people who spoke, not to the bot, since its last answer."""


class Threads:
    """By the name that a thread has among all platforms. All methods block."""

    def __init__(self, engine: Engine, keep_days: int = 30) -> None:
        self._engine = engine
        self._keep = timedelta(days=max(keep_days, 1))

    def get(self, thread: str) -> ThreadState | None:
        """None for a thread that the bot is not in. Raises `StorageFailed`."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(chat_threads).where(chat_threads.c.thread == thread)).mappings().first()
        return None if row is None else ThreadState(row["is_quiet"], frozenset(row["talking"]))

    def recent(self, channel: str, limit: int = 40) -> list[str]:
        """The names of the threads in which something happened last."""
        query = sa.select(chat_threads.c.thread).where(chat_threads.c.thread.startswith(f"{channel}:", autoescape=True))
        with reading(self._engine) as connection:
            return list(connection.scalars(query.order_by(chat_threads.c.updated_at.desc()).limit(limit)))

    def set(self, thread: str, state: ThreadState) -> None:
        """Raises `StorageFailed`. Threads in which nothing happened for long are forgotten."""
        now = datetime.now(UTC)
        row = {
            "thread": thread,
            "is_quiet": state.is_quiet,
            "talking": tuple(sorted(state.talking)),
            "updated_at": now,
        }
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(chat_threads).where(chat_threads.c.updated_at < now - self._keep))
            upsert(connection, chat_threads, [row])


@dataclass(frozen=True, slots=True)
class Binding:
    """`place` is `channel:conversation`, both ids."""

    place: str
    namespace: str
    bound_by: str
    bound_at: datetime


class Bindings:
    """All methods block, and raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[Binding]:
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(bindings).order_by(bindings.c.place)).mappings().all()
        return [Binding(**row) for row in rows]

    def get(self, place: str) -> Binding | None:
        """None where an admin has bound nothing."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(bindings).where(bindings.c.place == place)).mappings().first()
        return None if row is None else Binding(**row)

    def namespaces(self, places: Collection[str]) -> dict[str, str]:
        """Of those places that are bound."""
        query = sa.select(bindings.c.place, bindings.c.namespace).where(bindings.c.place.in_(places))
        with reading(self._engine) as connection:
            return dict(connection.execute(query).all())

    def bind(self, place: str, namespace: str, bound_by: str) -> None:
        row = {"place": place, "namespace": namespace, "bound_by": bound_by, "bound_at": datetime.now(UTC)}
        with transaction(self._engine) as connection:
            upsert(connection, bindings, [row])

    def unbind(self, place: str) -> bool:
        """False when it was not bound."""
        with transaction(self._engine) as connection:
            return connection.execute(sa.delete(bindings).where(bindings.c.place == place)).rowcount > 0
