"""The vectors of the saved passages: read from the index, or through the process that owns it, and written back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.backup.manifest import Rows
from core.backup.parts import PartWriter
from core.datafolder import Claim, Owner, claim
from core.errors import BackupDamaged, DataFolderInUse
from core.plugins import load
from core.retrieval.chroma import ChromaIndex, open_chroma
from core.retrieval.stored import StoredVector, StoredVectors, stored_from_json, stored_to_json
from core.settings import Settings
from core.store.schema import chunks, document_readers, documents

REMOTE = "bots.gateway.vectors_client:VectorsClient"
KIND = "vectors"
COLUMNS = ("chunk_id", "vector", "heading", "heading_vector")
AT_ONCE = 500
# Numbers get a tenth smaller at most.
LEVEL = 1
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Saved:
    """`dimension` is 0 without any."""

    rows: Rows
    dimension: int
    missing: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who else is there, and how the vectors are reached."""

    is_at_rest: bool
    open: Callable[[str], StoredVectors | None]
    """For the identity of an embedding model; None when nobody can reach them now."""


@contextmanager
def surroundings(settings: Settings, command: str, wait_seconds: float) -> Iterator[Surroundings]:
    """Until its end nobody else begins to use an embedded index that nobody uses now."""
    held = _held(settings, command, wait_seconds)
    opened: list[ChromaIndex] = []

    def reach(identity: str) -> StoredVectors | None:
        if not settings.chroma.url and isinstance(held, Owner):
            served: StoredVectors = load(REMOTE)(held.url, held.token)
            return served
        if not settings.chroma.url and held is None:
            return None
        opened.append(open_chroma(settings, identity))
        return opened[-1]

    try:
        yield Surroundings(isinstance(held, Claim), reach)
    finally:
        for index in opened:
            index.close()
        if isinstance(held, Claim):
            held.release()


def _held(settings: Settings, command: str, wait_seconds: float) -> Claim | Owner | None:
    """None when another command that serves nobody has the folder, or when nobody has to own it."""
    if not settings.is_embedded:
        return None
    try:
        return claim(settings.data_dir, command, wait_seconds)
    except DataFolderInUse:
        return None


def save(
    connection: Connection, index: StoredVectors | None, put: Callable[[str, bytes], None], report: Report
) -> Saved:
    """Those of all passages that the connection sees. Raises `StorageFailed`."""
    writer = PartWriter(put, KIND, COLUMNS, level=LEVEL)
    total = found = dimension = 0
    number = count_passages(connection)
    for namespace, ids in _passages(connection):
        total += len(ids)
        for each in index.stored(namespace, ids) if index is not None else ():
            writer.write(stored_to_json(each))
            dimension = each.vector.size
            found += 1
        report(total, number)
    return Saved(writer.finish(), dimension, total - found)


def count_passages(connection: Connection) -> int:
    """How many there are."""
    return int(connection.scalar(sa.select(sa.func.count()).select_from(chunks)) or 0)


def _passages(connection: Connection) -> Iterator[tuple[str, list[str]]]:
    """Ids of chunks with their namespace, some at a time."""
    query = (
        sa.select(documents.c.namespace, chunks.c.id)
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .order_by(documents.c.namespace, chunks.c.key)
    )
    for rows in connection.execute(query, execution_options={"yield_per": AT_ONCE}).partitions():
        by_namespace: dict[str, list[str]] = {}
        for row in rows:
            by_namespace.setdefault(row.namespace, []).append(row.id)
        yield from by_namespace.items()


def read(rows: Iterable[Sequence[Any]], dimension: int) -> Iterator[StoredVector]:
    """Raises `BackupDamaged` for what is no vector of this dimension."""
    for row in rows:
        try:
            stored = stored_from_json(row)
        except ValueError as error:
            raise BackupDamaged("The backup is damaged: it holds a vector that is none.") from error
        if stored.vector.size != dimension or (stored.heading is not None and stored.heading[1].size != dimension):
            raise BackupDamaged("The backup is damaged: its vectors are of different lengths.")
        yield stored


def restore(
    connection: Connection, index: ChromaIndex, saved: Iterable[StoredVector], report: Callable[[int], None]
) -> None:
    """Index them for the passages that the connection sees, for who may read these. Raises `StorageFailed`."""
    done = 0
    for batch in _batches(saved):
        places = _places(connection, [each.chunk_id for each in batch])
        groups: dict[tuple[str, frozenset[str]], dict[str, StoredVector]] = {}
        for each in batch:
            # Without a passage it would answer nothing.
            if (place := places.get(each.chunk_id)) is not None:
                groups.setdefault((place.namespace, place.readers), {})[each.chunk_id] = each
        for (namespace, allowed), stored in groups.items():
            of = {chunk_id: places[chunk_id].document_id for chunk_id in stored}
            index.put_stored(namespace, allowed, of, list(stored.values()))
        done += len(batch)
        report(done)


@dataclass(frozen=True, slots=True)
class _Place:
    document_id: str
    namespace: str
    readers: frozenset[str]


def _places(connection: Connection, chunk_ids: Sequence[str]) -> dict[str, _Place]:
    query = (
        sa.select(chunks.c.id, chunks.c.document_id, documents.c.namespace)
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.id.in_(chunk_ids))
    )
    found = connection.execute(query).all()
    wanted = {row.document_id for row in found}
    allowed: dict[str, set[str]] = {}
    query_readers = sa.select(document_readers).where(document_readers.c.document_id.in_(wanted))
    for row in connection.execute(query_readers):
        allowed.setdefault(row.document_id, set()).add(row.reader)
    return {
        row.id: _Place(row.document_id, row.namespace, frozenset(allowed.get(row.document_id, ()))) for row in found
    }


def _batches(saved: Iterable[StoredVector]) -> Iterator[list[StoredVector]]:
    batch: list[StoredVector] = []
    for each in saved:
        batch.append(each)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def drop_orphans(connection: Connection, index: ChromaIndex) -> None:
    """Delete the vectors that no passage has: those of what was there before. Raises `StorageFailed`."""
    known = set(connection.scalars(sa.select(chunks.c.id)))
    for namespace, ids in [(namespace, ids) for namespace, ids in index.chunk_ids()]:
        if gone := [chunk_id for chunk_id in ids if chunk_id not in known]:
            index.delete(namespace, gone)
    index.drop_others()
