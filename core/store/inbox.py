"""What chat platforms delivered, until it is answered: each message exactly once, over crashes and several processes.

A message is written here before the platform is told that it arrived, so a platform's repetitions, a crash and a
restart all meet the same row. Who works on a row holds it for a while; when that process dies, the row falls to another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.store.columns import storable
from core.store.engine import reading, transaction
from core.store.schema import chat_threads, inbox, meta
from core.store.upsert import upsert

Json = dict[str, Any]
_LIKELY = 5
NEVER = datetime.min.replace(tzinfo=UTC)
BEGINS = "inbox/begins"
"""In `meta`: since when it is known what was said. Set where an old state of the record was restored."""


class State(StrEnum):
    """Where an entry is."""

    WAITING = "waiting"
    DONE = "done"
    WITHDRAWN = "withdrawn"
    """The person deleted the message."""


class Revision(StrEnum):
    """What became of an edit."""

    DONE = "done"
    OLD = "old"
    """The same edit, or a later one, is known already."""
    UNKNOWN = "unknown"
    """There is no such message, or it was deleted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. `key` is the same however often, and in whatever form, the platform delivers it."""

    key: str
    channel: str
    thread: str
    """Names the thread among all platforms; its entries are worked on in the order in which they came."""
    payload: Json
    """The adapter's own form of the message."""
    opens: bool = True
    """Makes the thread one that the bot is in. Otherwise the entry counts only where the bot is in the thread already."""
    revision: int = 0
    reply: Json = field(default_factory=dict)
    """Where the answer is posted, as far as it is."""
    attempts: int = 0
    """How often work on it began."""
    received_at: datetime = NEVER


class Inbox:
    """All methods block."""

    def __init__(self, engine: Engine, keep_days: int = 30) -> None:
        self._engine = engine
        # For a day in any case: platforms send again what they have sent.
        self._keep = timedelta(days=max(keep_days, 1))

    def accept(self, entries: Sequence[Entry]) -> set[str]:
        """Record messages in one transaction; returns the keys of those that are new and ours. Raises `StorageFailed`."""
        now = datetime.now(UTC)
        with transaction(self._engine) as connection:
            fresh = _fresh(connection, entries)
            if not fresh:
                return set()
            rows = [
                {
                    "key": entry.key,
                    "channel": entry.channel,
                    "thread": entry.thread,
                    "payload": entry.payload,
                    "state": State.WAITING.value,
                    "reply": {},
                    "received_at": now,
                    "due_at": now,
                }
                for entry in fresh
            ]
            written = _insert_missing(connection, rows)
            # In one order, so that two processes never wait for each other.
            threads = sorted({storable(entry.thread) for entry in fresh})
            states = [{"thread": each, "is_quiet": False, "talking": (), "updated_at": now} for each in threads]
            upsert(connection, chat_threads, states, keep=("is_quiet", "talking"))
        return {entry.key for entry in fresh if storable(entry.key) in written}

    def revise(self, key: str, payload: Json, *, again: bool = False) -> Revision:
        """The person edited the message: it waits again, to be answered where its answer is.

        A `version` in the payload that is not above the known one is old news, except when it is to be answered `again`.
        While somebody works on the old form, the new one is not taken: not before they let go, or their time is over.
        """
        statement = (
            sa.update(inbox)
            .where(inbox.c.key == key, inbox.c.state != State.WITHDRAWN.value)
            .values(
                payload=payload,
                revision=inbox.c.revision + 1,
                state=State.WAITING.value,
                worker="",
                due_at=sa.case((inbox.c.worker != "", inbox.c.due_at), else_=datetime.now(UTC)),
                # Not 0 when work was begun: something may have been posted that nobody noted.
                attempts=sa.case((inbox.c.attempts > 0, 1), else_=0),
            )
        )
        version = payload.get("version", 0)
        with transaction(self._engine) as connection:
            known = connection.scalar(sa.select(inbox.c.payload).where(inbox.c.key == key).with_for_update())
            if known and version and not again and version <= known.get("version", 0):
                return Revision.OLD
            return Revision.DONE if connection.execute(statement).rowcount else Revision.UNKNOWN

    def withdraw(self, key: str, channel: str, *, may_come: bool = True) -> Entry | None:
        """The person deleted the message. The entry as it was while it waited; None when there is nothing pending.

        One that is not known and `may_come` is not taken any more: platforms deliver in any order.
        """
        gone = {
            "key": key,
            "channel": channel,
            "thread": "",
            "payload": {},
            "state": State.WITHDRAWN.value,
            "reply": {},
        }
        now = datetime.now(UTC)
        with transaction(self._engine) as connection:
            if may_come and _insert_missing(connection, [{**gone, "received_at": now, "due_at": now}]):
                return None
            row = connection.execute(_waiting(key).with_for_update()).mappings().first()
            statement = sa.update(inbox).where(inbox.c.key == key).values(state=State.WITHDRAWN.value, payload={})
            connection.execute(statement)
        return _entry(row) if row is not None else None

    def claim(self, channel: str, worker: str, limit: int, seconds: float) -> list[Entry]:
        """Take up to `limit` entries that are due, the oldest first and one of each thread, for so many seconds."""
        now = datetime.now(UTC)
        older = inbox.alias("older")
        is_first = ~sa.exists().where(
            older.c.thread == inbox.c.thread,
            older.c.state == State.WAITING.value,
            older.c.position < inbox.c.position,
        )
        due = (
            sa.select(inbox)
            .where(inbox.c.channel == channel, inbox.c.state == State.WAITING.value, inbox.c.due_at <= now, is_first)
            .order_by(inbox.c.position)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(due).mappings().all()
            if rows:
                taken = sa.update(inbox).where(inbox.c.position.in_([row["position"] for row in rows]))
                until = now + timedelta(seconds=seconds)
                connection.execute(taken.values(worker=worker, due_at=until, attempts=inbox.c.attempts + 1))
        return [_entry(row, attempts=row["attempts"] + 1) for row in rows]

    def hold(self, keys: Collection[str], worker: str, seconds: float) -> set[str]:
        """Keep entries for another while; returns those that are still this worker's."""
        mine = (inbox.c.key.in_(keys), inbox.c.worker == worker, inbox.c.state == State.WAITING.value)
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        with transaction(self._engine) as connection:
            connection.execute(sa.update(inbox).where(*mine).values(due_at=until))
            return set(connection.scalars(sa.select(inbox.c.key).where(*mine)))

    def put_back(self, entry: Entry, delay: float = 0.0) -> bool:
        """Give a claimed entry back, to be taken by anyone after `delay` seconds. False as for `finish`."""
        return self._let_go(entry, due_at=datetime.now(UTC) + timedelta(seconds=delay))

    def release(self, worker: str) -> None:
        """Give back everything that this worker holds."""
        mine = (inbox.c.worker == worker, inbox.c.state == State.WAITING.value)
        with transaction(self._engine) as connection:
            connection.execute(sa.update(inbox).where(*mine).values(worker="", due_at=datetime.now(UTC)))

    def release_all(self, channel: str) -> None:
        """No worker is alive but the caller: whatever others held is free."""
        statement = sa.update(inbox).where(inbox.c.channel == channel, inbox.c.state == State.WAITING.value)
        with transaction(self._engine) as connection:
            connection.execute(statement.values(worker="", due_at=datetime.now(UTC)))

    def note(self, key: str, reply: Json) -> None:
        """Record where the answer is posted, so that nobody posts a second one."""
        with transaction(self._engine) as connection:
            connection.execute(sa.update(inbox).where(inbox.c.key == key).values(reply=reply))

    def finish(self, entry: Entry) -> bool:
        """A claimed entry is answered. False when it is not: the message was edited or deleted meanwhile, or the entry
        fell to another worker.
        """
        return self._let_go(entry, state=State.DONE.value)

    def get(self, key: str) -> Entry | None:
        """The entry, in whatever state."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(inbox).where(inbox.c.key == key)).mappings().first()
        return _entry(row) if row is not None else None

    def replies(self, thread: str) -> list[Json]:
        """Where the answers of a thread are posted."""
        query = sa.select(inbox.c.reply).where(inbox.c.thread == thread)
        with reading(self._engine) as connection:
            return [reply for reply in connection.scalars(query) if reply]

    def thread_of(self, channel: str, ending: str) -> str | None:
        """The thread of the last entry that posted a message whose name ends so."""
        said = sa.cast(inbox.c.reply, sa.String)
        query = sa.select(inbox.c.thread, inbox.c.reply).where(
            inbox.c.channel == channel, said.contains(f'{ending}"', autoescape=True)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(inbox.c.position.desc()).limit(_LIKELY)).all()
        return next(
            (row.thread for row in rows if any(name.endswith(ending) for name in row.reply.get("names", ()))), None
        )

    def count_waiting(self) -> dict[str, int]:
        """How many entries are not answered, by channel; those without any are left out."""
        waiting = sa.select(inbox.c.channel, sa.func.count()).where(inbox.c.state == State.WAITING.value)
        with reading(self._engine) as connection:
            return dict(connection.execute(waiting.group_by(inbox.c.channel)).all())

    def begins(self) -> datetime:
        """What was said before then may have been answered, though nothing here says so."""
        with reading(self._engine) as connection:
            stored = connection.scalar(sa.select(meta.c.value).where(meta.c.key == BEGINS))
        return NEVER if stored is None else datetime.fromisoformat(stored)

    def left_over(self, channel: str, before: datetime) -> list[Entry]:
        """Entries that came before then and are not answered, in the order in which they came."""
        query = sa.select(inbox).where(
            inbox.c.channel == channel, inbox.c.state == State.WAITING.value, inbox.c.received_at < before
        )
        with reading(self._engine) as connection:
            return [_entry(row) for row in connection.execute(query.order_by(inbox.c.position)).mappings()]

    def _let_go(self, entry: Entry, **values: Any) -> bool:
        now = datetime.now(UTC)
        waiting = sa.update(inbox).where(inbox.c.key == entry.key, inbox.c.state == State.WAITING.value)
        # Every claim counts `attempts` up, so that both together name this claim and no other.
        claimed = waiting.where(inbox.c.revision == entry.revision, inbox.c.attempts == entry.attempts)
        edited = waiting.where(inbox.c.revision > entry.revision, inbox.c.worker == "", inbox.c.due_at > now)
        with transaction(self._engine) as connection:
            old = sa.delete(inbox).where(inbox.c.received_at < now - self._keep, inbox.c.state != State.WAITING.value)
            connection.execute(old)
            if connection.execute(claimed.values(worker="", **values)).rowcount > 0:
                return True
            connection.execute(edited.values(due_at=now))
        return False


def _fresh(connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """The entries that are not there yet, once each; those that open no thread only where the bot is in it."""
    wanted = {storable(entry.key): entry for entry in sorted(entries, key=lambda entry: entry.opens)}
    known = set(connection.scalars(sa.select(inbox.c.key).where(inbox.c.key.in_(wanted))))
    asked = {entry.thread for entry in wanted.values() if not entry.opens}
    query = sa.select(chat_threads.c.thread).where(chat_threads.c.thread.in_(asked))
    threads = set(connection.scalars(query)) if asked else set()
    threads |= {storable(entry.thread) for entry in wanted.values() if entry.opens}
    # In the order in which they were given, which is the order in which they came.
    order = dict.fromkeys(storable(entry.key) for entry in entries)
    return [wanted[key] for key in order if key not in known and storable(wanted[key].thread) in threads]


def _insert_missing(connection: Connection, rows: Sequence[Json]) -> set[str]:
    """Returns the keys of those that were inserted: another process may write the same message at this moment."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(inbox).on_conflict_do_nothing(index_elements=["key"]).returning(inbox.c.key)
    return set(connection.scalars(statement, list(rows)))


def _waiting(key: str) -> sa.Select[Any]:
    return sa.select(inbox).where(inbox.c.key == key, inbox.c.state == State.WAITING.value)


def _entry(row: Any, attempts: int | None = None) -> Entry:
    return Entry(
        key=row["key"],
        channel=row["channel"],
        thread=row["thread"],
        payload=row["payload"],
        revision=row["revision"],
        reply=row["reply"],
        attempts=row["attempts"] if attempts is None else attempts,
        received_at=row["received_at"],
    )
