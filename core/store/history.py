"""What documents were before: one row for each version and each removal, until the document is purged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.errors import InvalidRequest, NotFound, StorageFailed
from core.store import copies
from core.store.engine import reading, transaction
from core.store.job_rows import Claimed
from core.store.schema import document_history as history
from core.store.schema import document_readers, documents, jobs
from core.types import NOBODY, Document, DocumentChange, DocumentStatus, HistoryEntry, HistoryEvent, JobState, Origin

SHORTEST_PREFIX = 6


class Superseded(StorageFailed):
    """Something newer was decided of the document: another version, or that it is removed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is done together with a publication."""

    origin: Origin = NOBODY
    of_version: int | None = None
    """Which version is brought back."""
    gone: tuple[str, ...] = ()
    """Ids of documents that lay in it and do so no more."""
    job: Claimed | None = None
    """Must be the caller's still."""
    changes: Callable[[Document], Sequence[DocumentChange]] | None = None
    """Told of the document; returns what became of the job so far."""
    is_end: bool = True
    """Whether the job ends with it."""
    is_anew: bool = False
    """Whether the version that answers is made anew, so that it keeps its number and nothing is noted."""
    known: tuple[str, ...] = ()
    """Ids of documents that are on record, unless they were removed since."""

    @property
    def is_kept_by_job(self) -> bool:
        """Whether the document's bytes are the job's, which has kept them since they were received."""
        return self.job is not None and self.is_end


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read a version that is brought back, and where people can open it."""

    readers: frozenset[str]
    url: str | None = None


class HistoryStore:
    """All methods block, and raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, document_id: str, within: Collection[str] = ()) -> list[HistoryEntry]:
        """Of a document by its id or a unique beginning of it, the latest first. Raises `NotFound`, `InvalidRequest`."""
        if len(document_id) < SHORTEST_PREFIX:
            raise InvalidRequest(f"Give at least the first {SHORTEST_PREFIX} characters of the document's id.")
        where = sa.and_(history.c.document_id.startswith(document_id, autoescape=True), _in_one_of(within))
        with reading(self._engine) as connection:
            query = sa.select(history).where(where).order_by(history.c.position.desc())
            entries = [_entry(row) for row in connection.execute(query)]
        found = {entry.document_id for entry in entries}
        if not found:
            raise NotFound(f"No document {document_id} is known, neither there nor removed.")
        if len(found) > 1 and document_id not in found:
            raise InvalidRequest(f"More than one document's id begins with {document_id}. Give more of it.")
        return [entry for entry in entries if len(found) == 1 or entry.document_id == document_id]

    def removed(self, limit: int, offset: int, within: Collection[str] = ()) -> tuple[list[HistoryEntry], int]:
        """The last removal of each document that is not there again, the latest first, and how many there are."""
        later = history.alias("later")
        where = sa.and_(
            history.c.event == HistoryEvent.REMOVED.value,
            _in_one_of(within),
            ~sa.exists().where(documents.c.id == history.c.document_id),
            ~sa.exists().where(later.c.document_id == history.c.document_id, later.c.position > history.c.position),
        )
        with reading(self._engine) as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(history).where(where)).scalar_one()
            query = sa.select(history).where(where).order_by(history.c.position.desc()).limit(limit).offset(offset)
            return [_entry(row) for row in connection.execute(query)], total

    def access(self, document_id: str, version: int) -> Access:
        """Of a version, if it is brought back now. Raises `InvalidRequest` when nobody could read it."""
        with reading(self._engine) as connection:
            found = access_of(connection, document_id, version)
        if found is None:
            raise InvalidRequest("Nobody who may read the document now could read that version.")
        return found

    def let_go(self, document_id: str, keep: int) -> list[str]:
        """Keep the bytes of the last `keep` versions only; returns the sha256 of the others."""
        kept = sa.and_(history.c.document_id == document_id, history.c.is_kept)
        with transaction(self._engine) as connection:
            query = sa.select(history.c.position, history.c.sha256).where(kept).order_by(history.c.position.desc())
            old = list(connection.execute(query))[keep:]
            if old:
                statement = sa.update(history).where(history.c.position.in_([row.position for row in old]))
                connection.execute(statement.values(is_kept=False))
        return [row.sha256 for row in old]

    def under(self, namespace: str, prefix: str) -> set[str]:
        """Ids of documents, also of removed ones, whose source begins with `prefix`."""
        where = sa.and_(history.c.namespace == namespace, history.c.source.startswith(prefix, autoescape=True))
        with reading(self._engine) as connection:
            # LIKE ignores case in SQLite.
            rows = connection.execute(sa.select(history.c.document_id, history.c.source).where(where))
            return {row.document_id for row in rows if row.source.startswith(prefix)}

    def purge(self, document_id: str) -> list[str]:
        """Erase the history of a removed document, and its jobs; returns the sha256 of what was kept.

        Nothing happens when it has come back, or is about to.
        """
        with transaction(self._engine) as connection:
            if connection.scalar(sa.select(_is_there(sa.literal(document_id)))):
                return []
            of_document = history.c.document_id == document_id
            digests = set(connection.scalars(sa.select(history.c.sha256).where(of_document)))
            digests |= set(connection.scalars(sa.select(jobs.c.sha256).where(jobs.c.document_id == document_id)))
            connection.execute(sa.delete(history).where(of_document))
            connection.execute(sa.delete(jobs).where(jobs.c.document_id == document_id))
        return sorted(digests)

    def removed_before(self, before: datetime) -> list[str]:
        """Ids of documents whose last event is a removal before then, and that are not about to come back."""
        later = history.alias("later")
        query = sa.select(history.c.document_id).where(
            history.c.event == HistoryEvent.REMOVED.value,
            history.c.at < before,
            ~sa.exists().where(later.c.document_id == history.c.document_id, later.c.position > history.c.position),
            ~_is_there(history.c.document_id),
        )
        with reading(self._engine) as connection:
            return list(connection.scalars(query))

    def used_files(self) -> set[str]:
        """The sha256 of stored bytes that documents, versions or jobs refer to."""
        with reading(self._engine) as connection:
            return copies.used(connection)

    def discard_file(self, sha256: str, delete: Callable[[str], None]) -> None:
        """Have stored bytes deleted, unless a document, a version or a job refers to them, or is about to."""
        with transaction(self._engine) as connection:
            if copies.is_free(connection, sha256):
                delete(sha256)


# ── within the transactions of others ────────────────────────────────────────────────────────────


def numbered(connection: Connection, document: Document, ending: Ending) -> Document:
    """The document with the number of its version, which is noted if it is a new one. Raises `Superseded`."""
    # Two that publish one document number it one after the other.
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(documents.c.id).where(documents.c.id == document.id).with_for_update())
    last = _last(connection, document.id)
    is_there = last is not None and last.event != HistoryEvent.REMOVED.value
    is_same = is_there and last.sha256 == document.sha256
    if ending.is_anew and not is_same:
        raise Superseded("The document was changed or removed meanwhile.")
    if is_same:
        return replace(document, version=last.version)
    document = replace(document, version=last.version + 1 if last else 1)
    if ending.of_version is not None:
        event = HistoryEvent.ROLLED_BACK
    else:
        event = HistoryEvent.REPLACED if is_there else HistoryEvent.ADDED
    _note(connection, document, event, ending.origin, of_version=ending.of_version, is_kept=True)
    return document


def access_of(connection: Connection, document_id: str, version: int) -> Access | None:
    """The narrower of who may read the document now (or could when it was removed) and who could read the version.

    None when that is nobody.
    """
    there = sa.or_(documents.c.chunks > 0, documents.c.status == DocumentStatus.READY.value)
    row = connection.execute(sa.select(documents.c.url).where(documents.c.id == document_id, there)).first()
    if row is not None:
        query = sa.select(document_readers.c.reader).where(document_readers.c.document_id == document_id)
        url, now = row.url, frozenset(connection.scalars(query))
    else:
        of_document = sa.select(history.c.url, history.c.readers).where(history.c.document_id == document_id)
        last = connection.execute(of_document.order_by(history.c.position.desc()).limit(1)).one()
        url, now = last.url, frozenset(last.readers)
    versions = sa.select(history.c.readers).where(
        history.c.document_id == document_id,
        history.c.version == version,
        history.c.event != HistoryEvent.REMOVED.value,
    )
    then = frozenset(connection.execute(versions).scalars().first() or ())
    if not now or not then:
        return Access(now or then, url)
    return Access(now & then, url) if now & then else None


def _is_there(document_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether the document is on record, or some job is about to bring it."""
    unfinished = (JobState.WAITING.value, JobState.RUNNING.value)
    coming = sa.exists().where(jobs.c.document_id == document_id, jobs.c.state.in_(unfinished))
    return sa.or_(sa.exists().where(documents.c.id == document_id), coming)


def note_removal(connection: Connection, document: Document, origin: Origin) -> None:
    """Of a document that answered; one that never did leaves nothing to come back to."""
    last = _last(connection, document.id)
    if last is not None and last.event != HistoryEvent.REMOVED.value:
        # What was answering, not what was about to.
        _note(connection, replace(document, sha256=last.sha256, version=last.version), HistoryEvent.REMOVED, origin)


def _last(connection: Connection, document_id: str) -> Any:
    query = sa.select(history.c.event, history.c.version, history.c.sha256).where(history.c.document_id == document_id)
    return connection.execute(query.order_by(history.c.position.desc()).limit(1)).first()


def _note(
    connection: Connection,
    document: Document,
    event: HistoryEvent,
    origin: Origin,
    *,
    of_version: int | None = None,
    is_kept: bool = False,
) -> None:
    connection.execute(
        sa.insert(history),
        {
            "document_id": document.id,
            "namespace": document.namespace,
            "source": document.source,
            "title": document.title,
            "event": event.value,
            "version": document.version,
            "of_version": of_version,
            "sha256": document.sha256,
            "size_bytes": document.size_bytes,
            "media_type": document.media_type,
            "pages": document.pages,
            "chunks": document.chunks,
            "readers": tuple(sorted(document.readers)),
            "url": document.url,
            "channel": origin.channel,
            "person": origin.person,
            "at": datetime.now(UTC),
            "is_kept": is_kept,
        },
    )


def _entry(row: Any) -> HistoryEntry:
    return HistoryEntry(
        document_id=row.document_id,
        namespace=row.namespace,
        source=row.source,
        title=row.title,
        event=HistoryEvent(row.event),
        version=row.version,
        at=row.at,
        origin=Origin(row.channel, row.person),
        of_version=row.of_version,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        media_type=row.media_type,
        pages=row.pages,
        chunks=row.chunks,
        is_kept=row.is_kept,
    )


def _in_one_of(namespaces: Collection[str]) -> sa.ColumnElement[bool]:
    return history.c.namespace.in_(sorted(namespaces)) if namespaces else sa.true()
