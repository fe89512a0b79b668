"""The record of documents: the truth about what exists, who may read it, and what answers.

Every publication and withdrawal is one transaction over rows, word index and vector outbox, so that a question sees
a document as it was before or as it is after, and a crash at any point loses and orphans nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.errors import InvalidRequest, NotFound, StorageFailed
from core.store.columns import storable
from core.store.copies import keep
from core.store.engine import reading, transaction
from core.store.history import Ending, Superseded
from core.store.job_rows import Claimed, NewJob
from core.store.jobs import JobLost, check_held, enqueue, has_unfinished
from core.store.lexical import open_lexical
from core.store.passages import of_document, of_scope
from core.store.publishing import (
    ALONE,
    Publication,
    batches,
    check_known,
    document_of,
    forget,
    publish,
    put,
    queue_from,
    withdraw,
)
from core.store.schema import chunks, document_history, document_readers, documents, vector_outbox
from core.store.sizes import count_chunks
from core.types import NOBODY, Chunk, Document, DocumentStatus, HistoryEvent, Origin, Passage, Scope, Section

SHORTEST_PREFIX = 6
UNFINISHED = (DocumentStatus.QUEUED.value, DocumentStatus.PROCESSING.value)
# Vectors that are deleted at once. Nobody else writes to SQLite meanwhile, an arriving message included.
GARBAGE_BATCH, GARBAGE_BATCH_SQLITE = 500, 100
# Longer than embedding a document takes: until then another process may be about to publish reserved vectors.
RESERVED_FOR = timedelta(hours=6)
BY_TITLE = sa.func.lower(documents.c.title)


class DocumentStore:
    """Blocking; every method is one transaction. All raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._words = open_lexical(engine)

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def put(self, document: Document, holder: Claimed | None = None, known: Collection[str] = ()) -> None:
        """Record the document's state; its passages, and how many there are, stay as they are.

        `holder`: the job that it is about. Raises `JobLost` when that is not its worker's any more. `known`: ids of documents
        that are on record. Raises `Superseded` when one was removed.
        """
        with transaction(self._engine) as connection:
            if holder is not None:
                check_held(connection, holder)
            check_known(connection, known)
            put(connection, document, keep=("chunks", "version"))

    def receive(
        self, wanted: Sequence[Document], new_jobs: Sequence[NewJob], store: Callable[[], None] = lambda: None
    ) -> list[str]:
        """Record documents that wait for their turn, and their jobs, all at once; returns the jobs' ids.

        Of documents that are on record nothing changes. `store` sees to it that the jobs' bytes are there, at a time from
        which on nobody deletes them.
        """
        with transaction(self._engine) as connection:
            keep(connection, [job.sha256 for job in new_jobs])
            store()
            ids = [document.id for document in wanted]
            there: set[str] = set()
            for batch in batches(ids):
                there |= set(connection.scalars(sa.select(documents.c.id).where(documents.c.id.in_(batch))))
            for document in wanted:
                if document.id not in there:
                    put(connection, document)
            return enqueue(connection, new_jobs)

    def forget(self, document_id: str) -> None:
        """Delete the record of a document that never answered; of another one nothing changes."""
        with transaction(self._engine) as connection:
            never = sa.and_(documents.c.id == document_id, documents.c.chunks == 0)
            connection.execute(sa.delete(documents).where(never, documents.c.status != DocumentStatus.READY.value))

    def settle(self, document_id: str) -> None:
        """Nobody works on it any more: it is as it was before, or not there if there was none."""
        with transaction(self._engine) as connection:
            if has_unfinished(connection, document_id):
                return
            pending = (documents.c.id == document_id, documents.c.status.in_(UNFINISHED))
            connection.execute(sa.delete(documents).where(*pending, documents.c.chunks == 0, ~_answered))
            connection.execute(sa.update(documents).where(*pending).values(status=DocumentStatus.READY.value))

    def abandon(self, document: Document, chunk_ids: Sequence[str]) -> None:
        """Vectors that were announced are not published: unless somebody else is about to, they are garbage."""
        self.settle(document.id)
        with transaction(self._engine) as connection:
            if not has_unfinished(connection, document.id):
                queue_from(connection, dict.fromkeys(chunk_ids, document.namespace), datetime.now(UTC))

    def reserve_vectors(self, namespaces: Mapping[str, str]) -> None:
        """Announce the vectors of chunks, by id with their namespaces, before they are written.

        So they are known to be garbage after a crash.
        """
        due_at = datetime.now(UTC) + RESERVED_FOR
        with transaction(self._engine) as connection:
            queue_from(connection, namespaces, due_at)

    def publish(
        self,
        document: Document,
        new_sections: Sequence[Section],
        new_chunks: Sequence[Chunk],
        ending: Ending = ALONE,
    ) -> Document:
        """Make these the document's passages, all at once: before it the old ones answer, after it the new ones.

        Returns the document with its version. `ending` is done in the same transaction. Raises `JobLost` when its job is
        not the caller's any more, `Superseded` when something newer was decided of the document.
        """
        (published,) = self.publish_all([Publication(document, new_sections, new_chunks, ending)])
        if isinstance(published, StorageFailed):
            raise published
        return published

    def publish_all(
        self, wanted: Sequence[Publication], has_copy: Callable[[str], bool] = lambda sha256: True
    ) -> list[Document | JobLost | Superseded]:
        """Several in one transaction, which costs as much as the smallest of them: as `publish`, or why not, in order.

        `has_copy` tells of bytes that no job has kept since they were stored. Raises `StorageFailed` when they were deleted.
        """
        with transaction(self._engine) as connection:
            keep(connection, [each.document.sha256 for each in wanted if not each.ending.is_kept_by_job])
            return [publish(connection, self._words, each, has_copy) for each in wanted]

    def withdraw(self, document_id: str, origin: Origin = NOBODY, inside: str | None = None) -> list[Document]:
        """Remove the document and its passages, all at once, and give up what is about to change it. Raises `NotFound`.

        With it goes what lies in it: documents whose source begins with its own and `inside`. Its history stays, and what is
        kept for it. Returns the documents, the one that was asked for first.
        """
        with transaction(self._engine) as connection:
            document = _one(connection, document_id)
            # From then on nobody can publish more of what lies in it.
            withdraw(connection, self._words, document.id, origin)
            members = [] if inside is None else _under(connection, document.namespace, document.source + inside)
            for each in members:
                withdraw(connection, self._words, each.id, origin)
            return [document, *members]

    def collect_garbage(
        self, delete: Callable[[Sequence[tuple[str, str]]], None], *, with_reserved: bool = False
    ) -> bool:
        """Have some of `vector_garbage` deleted, which nobody can announce meanwhile; whether there was any."""
        limit = GARBAGE_BATCH_SQLITE if self._engine.dialect.name == "sqlite" else GARBAGE_BATCH
        query = _garbage(limit, with_reserved=with_reserved)
        with transaction(self._engine) as connection:
            # What another process deletes now is its.
            found = connection.execute(query.with_for_update(skip_locked=True, of=vector_outbox))
            rows = [(namespace, chunk_id) for namespace, chunk_id in found]
            if rows:
                delete(rows)
                forget(connection, [chunk_id for _, chunk_id in rows])
            return bool(rows)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def get(self, document_id: str, within: Collection[str] = ()) -> Document:
        """By id or a unique beginning of it, in one of the namespaces; none means all.

        Raises `NotFound`, `InvalidRequest` when it is not unique.
        """
        with reading(self._engine) as connection:
            return _one(connection, document_id, within)

    def find(self, namespace: str, source: str) -> Document | None:
        """The document that came from this source."""
        where = sa.and_(documents.c.namespace == namespace, documents.c.source == source)
        with reading(self._engine) as connection:
            return next(iter(_select(connection, where)), None)

    def page(
        self,
        namespace: str | None,
        limit: int,
        offset: int,
        status: DocumentStatus | None = None,
        *,
        within: Collection[str] = (),
        text: str = "",
        newest_first: bool = False,
    ) -> tuple[list[Document], int]:
        """A page of the documents in a namespace and state, by title, and how many of them there are in all.

        `within`: in one of these namespaces; none means all. `text`: a part of title or source, in any case.
        """
        where = sa.and_(
            documents.c.namespace == namespace if namespace is not None else sa.true(),
            _in_one_of(within),
            documents.c.status == status.value if status is not None else sa.true(),
            _holds(storable(text)) if text else sa.true(),
        )
        first = documents.c.updated_at.desc() if newest_first else BY_TITLE
        with reading(self._engine) as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(documents).where(where)).scalar_one()
            return _select(connection, where, limit, offset, first), total

    def under(self, namespace: str, prefix: str) -> list[Document]:
        """The documents of a namespace whose source begins with `prefix`."""
        with reading(self._engine) as connection:
            return _under(connection, namespace, prefix)

    def pending(self) -> list[Document]:
        """Documents that are queued or in work."""
        with reading(self._engine) as connection:
            return _select(connection, documents.c.status.in_(UNFINISHED))

    def passages(self, chunk_ids: Sequence[str], scope: Scope) -> dict[str, Passage]:
        """The passages of these chunks that the scope may see, by chunk id; scores are 0."""
        found: dict[str, Passage] = {}
        with reading(self._engine) as connection:
            for batch in batches(chunk_ids):
                found.update((passage.chunk_id, passage) for passage in of_scope(connection, batch, scope))
        return found

    def passages_of(self, document_id: str) -> list[Passage]:
        """All passages of a document, in reading order. Raises `NotFound`."""
        with reading(self._engine) as connection:
            return of_document(connection, _one(connection, document_id).id)

    def passage_page(self, document_id: str, limit: int, offset: int) -> tuple[list[Passage], int]:
        """A page of the document's passages, in reading order, and how many it has. Raises `NotFound`."""
        with reading(self._engine) as connection:
            document = _one(connection, document_id)
            where = chunks.c.document_id == document.id
            total = connection.execute(sa.select(sa.func.count()).select_from(chunks).where(where)).scalar_one()
            return of_document(connection, document.id, limit, offset), total

    def vector_garbage(self, limit: int, *, with_reserved: bool = False) -> list[tuple[str, str]]:
        """(namespace, chunk id) of vectors that may be there and must not.

        `with_reserved` takes in those that somebody announced to publish: right only where nobody else can be at work.
        """
        with reading(self._engine) as connection:
            found = connection.execute(_garbage(limit, with_reserved=with_reserved))
            return [(namespace, chunk_id) for namespace, chunk_id in found]

    def count_chunks(self, namespace: str | None) -> int:
        """How many passages answer, in one namespace or in all."""
        with reading(self._engine) as connection:
            return count_chunks(connection, namespace)

    def namespaces(self) -> list[str]:
        """The namespaces that hold a document, in whatever state, by name."""
        with reading(self._engine) as connection:
            return sorted(connection.execute(sa.select(documents.c.namespace).distinct()).scalars())

    def count_by_status(self) -> dict[DocumentStatus, int]:
        """How many documents are in each state; all states are in the result."""
        query = sa.select(documents.c.status, sa.func.count().label("number")).group_by(documents.c.status)
        with reading(self._engine) as connection:
            counted = {row.status: row.number for row in connection.execute(query)}
        return {status: counted.get(status.value, 0) for status in DocumentStatus}


def _garbage(limit: int, *, with_reserved: bool) -> sa.Select[Any, Any]:
    answers = sa.exists().where(chunks.c.id == vector_outbox.c.chunk_id)
    query = sa.select(vector_outbox.c.namespace, vector_outbox.c.chunk_id).where(~answers).limit(limit)
    return query if with_reserved else query.where(vector_outbox.c.due_at <= datetime.now(UTC))


def _under(connection: Connection, namespace: str, prefix: str) -> list[Document]:
    where = sa.and_(documents.c.namespace == namespace, documents.c.source.startswith(prefix, autoescape=True))
    # LIKE ignores case in SQLite.
    return [each for each in _select(connection, where) if each.source.startswith(prefix)]


def _in_one_of(namespaces: Collection[str]) -> sa.ColumnElement[bool]:
    return documents.c.namespace.in_(sorted(namespaces)) if namespaces else sa.true()


def _holds(text: str) -> sa.ColumnElement[bool]:
    return documents.c.title.icontains(text, autoescape=True) | documents.c.source.icontains(text, autoescape=True)


def _one(connection: Connection, document_id: str, within: Collection[str] = ()) -> Document:
    if len(document_id) < SHORTEST_PREFIX:
        raise InvalidRequest(f"Give at least the first {SHORTEST_PREFIX} characters of the document's id.")
    where = sa.and_(documents.c.id.startswith(document_id, autoescape=True), _in_one_of(within))
    matches = _select(connection, where, limit=2)
    if not matches:
        raise NotFound(f"There is no document {document_id}. `lorekeeper documents list` shows them all.")
    if len(matches) > 1 and matches[0].id != document_id:
        raise InvalidRequest(f"More than one document's id begins with {document_id}. Give more of it.")
    return matches[0]


def _select(
    connection: Connection,
    where: sa.ColumnElement[bool],
    limit: int | None = None,
    offset: int | None = None,
    first: sa.ColumnElement[Any] = BY_TITLE,
) -> list[Document]:
    query = sa.select(documents).where(where).order_by(first, documents.c.id).limit(limit).offset(offset)
    found = [document_of(row) for row in connection.execute(query)]
    readers: dict[str, set[str]] = {}
    for batch in batches([document.id for document in found]):
        of_batch = sa.select(document_readers).where(document_readers.c.document_id.in_(batch))
        for row in connection.execute(of_batch):
            readers.setdefault(row.document_id, set()).add(row.reader)
    return [replace(each, readers=frozenset(readers[each.id])) if each.id in readers else each for each in found]


# An archive whose files are documents of their own has no chunks itself.
_answered = sa.exists().where(
    document_history.c.document_id == documents.c.id,
    document_history.c.sha256 == documents.c.sha256,
    document_history.c.event != HistoryEvent.REMOVED.value,
)
