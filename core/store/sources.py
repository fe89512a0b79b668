"""Sources that are kept in sync, and what is known of each of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from core.errors import InvalidRequest, NotFound
from core.store.engine import reading, transaction
from core.store.schema import source_entries, sources
from core.store.upsert import upsert
from core.types import SyncedSource

SHORTEST_PREFIX = 4
# Below SQLite's limit on the number of bound values in one statement.
BATCH = 500
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """A file of a source, by the source of its document. `error`: why it could not be read as it was then."""

    source: str
    fingerprint: str = ""
    """Empty until the file is known to be indexed as its source has it."""
    error: str | None = None


class SourceStore:
    """All methods block, are one transaction, and raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ── sources ──────────────────────────────────────────────────────────────────────────────────

    def put(self, source: SyncedSource) -> None:
        """Record a new source, due at once if it has an interval; or what an operator changes of one.

        With other readers than before, no file counts as indexed any more.
        """
        row = {
            "id": source.id,
            "namespace": source.namespace,
            "address": source.address,
            "kind": source.kind,
            "readers": tuple(sorted(source.readers)),
            "arguments": dict(source.arguments),
            "interval_seconds": source.interval_seconds,
            "due_at": datetime.now(UTC) if source.interval_seconds else None,
            "added_at": source.added_at,
            "added_by": source.added_by,
            "counts": {},
            "leased_until": LONG_AGO,
        }
        mine = source_entries.c.source_id == source.id
        with transaction(self._engine) as connection:
            old = connection.execute(sa.select(sources).where(sources.c.id == source.id)).first()
            upsert(connection, sources, [row], keep=("added_at", "added_by", "counts", "leased_until"))
            if old is not None and (frozenset(old.readers), old.arguments) != (source.readers, dict(source.arguments)):
                connection.execute(sa.update(source_entries).where(mine).values(fingerprint=""))

    def get(self, source_id: str) -> SyncedSource:
        """By id or a unique beginning of it, with the files that could not be read. Raises `NotFound`, `InvalidRequest`."""
        if len(source_id) < SHORTEST_PREFIX:
            raise InvalidRequest(f"Give at least the first {SHORTEST_PREFIX} characters of the source's id.")
        with reading(self._engine) as connection:
            found = _select(connection, sources.c.id.startswith(source_id, autoescape=True), 2)
            if not found:
                raise NotFound(f"There is no source {source_id}. `lorekeeper sources list` shows them all.")
            if len(found) > 1 and found[0].id != source_id:
                raise InvalidRequest(f"More than one source's id begins with {source_id}. Give more of it.")
            return _with_unread(connection, found[0])

    def all(self) -> list[SyncedSource]:
        """In the order in which they were added."""
        with reading(self._engine) as connection:
            return _select(connection, sa.true())

    def due(self, now: datetime) -> list[SyncedSource]:
        """Those that the schedule is to synchronise and nobody works on, the most overdue first."""
        where = sa.and_(sources.c.due_at <= now, sources.c.leased_until <= now)
        with reading(self._engine) as connection:
            return _select(connection, where, first=sources.c.due_at)

    def pause(self, source_id: str) -> None:
        """The schedule leaves it alone from now on."""
        with transaction(self._engine) as connection:
            connection.execute(_change(source_id, interval_seconds=0, due_at=None))

    def remove(self, source_id: str) -> None:
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(sources).where(sources.c.id == source_id))

    # ── work on a source, by one process at a time ───────────────────────────────────────────────

    def lease(self, source_id: str, worker: str, seconds: float) -> bool:
        """Take it for so many seconds, or keep it for so many more; whether it is the worker's now."""
        now = datetime.now(UTC)
        is_free = sa.or_(sources.c.leased_until <= now, sources.c.worker == worker)
        statement = _change(source_id, worker=worker, leased_until=now + timedelta(seconds=seconds)).where(is_free)
        with transaction(self._engine) as connection:
            return connection.execute(statement).rowcount > 0

    def release(self, source_id: str, worker: str) -> None:
        statement = _change(source_id, worker="", leased_until=LONG_AGO).where(sources.c.worker == worker)
        with transaction(self._engine) as connection:
            connection.execute(statement)

    def release_all(self) -> None:
        """What a crash left taken is free: right only where no other process can be at work."""
        with transaction(self._engine) as connection:
            connection.execute(sa.update(sources).values(worker="", leased_until=LONG_AGO))

    def started(self, source_id: str) -> None:
        with transaction(self._engine) as connection:
            connection.execute(_change(source_id, last_started_at=datetime.now(UTC)))

    def finished(self, source_id: str, counts: Mapping[str, int], due_at: datetime | None) -> None:
        """It reached its end."""
        values = {"last_finished_at": datetime.now(UTC), "last_error": None, "failures": 0, "counts": dict(counts)}
        with transaction(self._engine) as connection:
            connection.execute(_change(source_id, due_at=due_at, **values))

    def failed(self, source_id: str, error: str, due_at: datetime | None) -> None:
        """It did not."""
        with transaction(self._engine) as connection:
            connection.execute(_change(source_id, last_error=error, failures=sources.c.failures + 1, due_at=due_at))

    # ── files ────────────────────────────────────────────────────────────────────────────────────

    def entries(self, source_id: str) -> dict[str, str]:
        """Source of the document → fingerprint."""
        query = sa.select(source_entries.c.source, source_entries.c.fingerprint)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(source_entries.c.source_id == source_id))
            return {row.source: row.fingerprint for row in rows}

    def put_entries(self, source_id: str, entries: Sequence[KnownEntry]) -> None:
        """Record what is known of these files now. Nothing happens when the source is gone."""
        rows = [
            {"source_id": source_id, "source": each.source, "fingerprint": each.fingerprint, "error": each.error}
            for each in entries
        ]
        with transaction(self._engine) as connection:
            if connection.scalar(sa.select(sources.c.id).where(sources.c.id == source_id)) is not None:
                upsert(connection, source_entries, rows)

    def forget_entries(self, source_id: str, gone: Sequence[str]) -> None:
        """These files are not the source's any more."""
        mine = source_entries.c.source_id == source_id
        with transaction(self._engine) as connection:
            for start in range(0, len(gone), BATCH):
                batch = gone[start : start + BATCH]
                connection.execute(sa.delete(source_entries).where(mine, source_entries.c.source.in_(batch)))


def _change(source_id: str, **values: Any) -> sa.Update:
    return sa.update(sources).where(sources.c.id == source_id).values(**values)


def _select(
    connection: Connection,
    where: sa.ColumnElement[bool],
    limit: int | None = None,
    first: sa.ColumnElement[Any] = sources.c.added_at,
) -> list[SyncedSource]:
    number = (
        sa.select(sa.func.count())
        .where(source_entries.c.source_id == sources.c.id)
        .scalar_subquery()
        .label("entry_count")
    )
    query = sa.select(sources, number).where(where).order_by(first, sources.c.id).limit(limit)
    return [_source(row) for row in connection.execute(query)]


def _source(row: Row[Any]) -> SyncedSource:
    return SyncedSource(
        id=row.id,
        namespace=row.namespace,
        address=row.address,
        kind=row.kind,
        added_at=row.added_at,
        added_by=row.added_by,
        interval_seconds=row.interval_seconds,
        readers=frozenset(row.readers),
        arguments=row.arguments,
        last_started_at=row.last_started_at,
        last_finished_at=row.last_finished_at,
        last_error=row.last_error,
        failures=row.failures,
        counts=row.counts,
        entries=row.entry_count,
    )


def _with_unread(connection: Connection, source: SyncedSource) -> SyncedSource:
    query = sa.select(source_entries.c.source, source_entries.c.error).where(
        source_entries.c.source_id == source.id, source_entries.c.error.is_not(None)
    )
    rows = connection.execute(query.order_by(source_entries.c.source))
    return replace(source, unread={row.source: row.error for row in rows})
