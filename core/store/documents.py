"""The record of documents: the truth about what exists, who may read it, and what answers.

Every publication and withdrawal is one transaction over rows, word index and vector outbox, so that a question sees
a document as it was before or as it is after, and a crash at any point loses and orphans nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from core.errors import InvalidRequest, NotFound
from core.store.engine import reading, transaction
from core.store.history import Ending, note_removal, numbered
from core.store.job_rows import NewJob
from core.store.jobs import cancel_all, check_held, end_job, enqueue, has_unfinished
from core.store.lexical import open_lexical
from core.store.passages import of_document, of_scope
from core.store.schema import chunks, document_readers, documents, sections, storable, vector_outbox
from core.store.sizes import count_chunks
from core.store.upsert import upsert
from core.store.words import words_of
from core.types import NOBODY, Chunk, Document, DocumentStatus, Origin, Passage, Scope, Section

SHORTEST_PREFIX = 6
# Below SQLite's limit on the number of bound values in one statement.
BATCH = 500
UNFINISHED = (DocumentStatus.QUEUED.value, DocumentStatus.PROCESSING.value)
# Longer than embedding a document takes: until then another process may be about to publish reserved vectors.
RESERVED_FOR = timedelta(hours=6)
ALONE = Ending()
BY_TITLE = sa.func.lower(documents.c.title)
T = TypeVar("T")


class DocumentStore:
    """Blocking; every method is one transaction. All raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._words = open_lexical(engine)

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def put(self, document: Document) -> None:
        """Record the document's state; its passages, and how many there are, stay as they are."""
        with transaction(self._engine) as connection:
            _put(connection, document, keep=("chunks", "version"))

    def receive(self, wanted: Sequence[Document], new_jobs: Sequence[NewJob]) -> list[str]:
        """Record documents that wait for their turn, and their jobs, all at once; returns the jobs' ids.

        Of documents that are on record nothing changes.
        """
        with transaction(self._engine) as connection:
            ids = [document.id for document in wanted]
            there: set[str] = set()
            for batch in _batches(ids):
                there |= set(connection.scalars(sa.select(documents.c.id).where(documents.c.id.in_(batch))))
            for document in wanted:
                if document.id not in there:
                    _put(connection, document)
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
            connection.execute(sa.delete(documents).where(*pending, documents.c.chunks == 0))
            connection.execute(sa.update(documents).where(*pending).values(status=DocumentStatus.READY.value))

    def abandon(self, document: Document, chunk_ids: Sequence[str]) -> None:
        """Vectors that were announced are not published: unless somebody else is about to, they are garbage."""
        self.settle(document.id)
        with transaction(self._engine) as connection:
            if not has_unfinished(connection, document.id):
                _queue(connection, document.namespace, chunk_ids, datetime.now(UTC))

    def reserve_vectors(self, namespace: str, chunk_ids: Sequence[str]) -> None:
        """Announce vectors before they are written, so that after a crash they are known to be garbage."""
        with transaction(self._engine) as connection:
            _queue(connection, namespace, chunk_ids, datetime.now(UTC) + RESERVED_FOR)

    def publish(
        self,
        document: Document,
        new_sections: Sequence[Section],
        new_chunks: Sequence[Chunk],
        ending: Ending = ALONE,
    ) -> Document:
        """Make these the document's passages, all at once: before it the old ones answer, after it the new ones.

        Returns the document with its version. `ending` is done in the same transaction. Raises `JobLost` when its job is
        not the caller's any more, `Superseded` when another version came in between while this one was made anew.
        """
        with transaction(self._engine) as connection:
            if ending.job is not None:
                check_held(connection, ending.job)
            document = replace(document, chunks=len(new_chunks))
            document = numbered(connection, document, ending)
            _put(connection, document)
            old = _stored_chunks(connection, document.id)
            wanted = {chunk.id for chunk in new_chunks}
            gone = {chunk_id: key for chunk_id, (key, _) in old.items() if chunk_id not in wanted}
            # Sections first, because chunks refer to them; those that are gone last, for the same reason.
            upsert(connection, sections, [_section_row(document.id, section) for section in new_sections])
            self._drop_chunks(connection, document.id, list(gone.values()))
            self._write_chunks(connection, document, new_chunks, old)
            _drop_sections(connection, document.id, {section.id for section in new_sections})
            _queue(connection, document.namespace, list(gone), datetime.now(UTC))
            _forget(connection, list(wanted))
            if ending.job is not None and ending.changes is not None:
                end_job(connection, ending.job, ending.changes(document))
            return document

    def withdraw(self, document_id: str, origin: Origin = NOBODY) -> Document:
        """Remove the document and its passages, all at once, and give up what is about to change it. Raises `NotFound`.

        Its history stays, and what is kept for it.
        """
        with transaction(self._engine) as connection:
            document = _one(connection, document_id)
            cancel_all(connection, [document.id])
            note_removal(connection, document, origin)
            old = _stored_chunks(connection, document.id)
            self._drop_chunks(connection, document.id, [key for key, _ in old.values()])
            connection.execute(sa.delete(documents).where(documents.c.id == document.id))
            _queue(connection, document.namespace, list(old), datetime.now(UTC))
            return document

    def forget_garbage(self, chunk_ids: Sequence[str]) -> None:
        """These vectors are deleted."""
        with transaction(self._engine) as connection:
            _forget(connection, chunk_ids)

    def _write_chunks(
        self,
        connection: Connection,
        document: Document,
        new_chunks: Sequence[Chunk],
        old: Mapping[str, tuple[int, str]],
    ) -> None:
        rows = [_chunk_row(document, chunk) for chunk in new_chunks]
        changed = [row for row in rows if row["id"] not in old or old[row["id"]][1] != row["fingerprint"]]
        upsert(connection, chunks, changed, key=("id",))
        heading = f"{document.title} {document.keywords}"
        keys = {chunk_id: key for chunk_id, (key, _) in _stored_chunks(connection, document.id).items()}
        self._words.write(
            connection,
            [words_of(keys[row["id"]], document.id, heading, row["headings"], row["text"]) for row in changed],
        )

    def _drop_chunks(self, connection: Connection, document_id: str, keys: Sequence[int]) -> None:
        if not keys:
            return
        self._words.erase(connection, document_id, keys)
        for batch in _batches(keys):
            connection.execute(sa.delete(chunks).where(chunks.c.key.in_(batch)))

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
        where = sa.and_(documents.c.namespace == namespace, documents.c.source.startswith(prefix, autoescape=True))
        with reading(self._engine) as connection:
            # LIKE ignores case in SQLite.
            return [each for each in _select(connection, where) if each.source.startswith(prefix)]

    def pending(self) -> list[Document]:
        """Documents that are queued or in work."""
        with reading(self._engine) as connection:
            return _select(connection, documents.c.status.in_(UNFINISHED))

    def passages(self, chunk_ids: Sequence[str], scope: Scope) -> dict[str, Passage]:
        """The passages of these chunks that the scope may see, by chunk id; scores are 0."""
        found: dict[str, Passage] = {}
        with reading(self._engine) as connection:
            for batch in _batches(chunk_ids):
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
        answers = sa.exists().where(chunks.c.id == vector_outbox.c.chunk_id)
        query = sa.select(vector_outbox.c.namespace, vector_outbox.c.chunk_id).where(~answers).limit(limit)
        if not with_reserved:
            query = query.where(vector_outbox.c.due_at <= datetime.now(UTC))
        with reading(self._engine) as connection:
            return [(namespace, chunk_id) for namespace, chunk_id in connection.execute(query)]

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


def _put(connection: Connection, document: Document, keep: Collection[str] = ()) -> None:
    row = {
        "id": document.id,
        "namespace": document.namespace,
        "source": document.source,
        "title": document.title,
        "status": document.status.value,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "size_bytes": document.size_bytes,
        "pages": document.pages,
        # Only a publication makes passages, so a new row begins without.
        "chunks": 0 if "chunks" in keep else document.chunks,
        "losses": document.losses,
        "error": document.error,
        "url": document.url,
        "keywords": document.keywords,
        "version": document.version,
        "updated_at": document.updated_at,
    }
    upsert(connection, documents, [row], keep=keep)
    connection.execute(sa.delete(document_readers).where(document_readers.c.document_id == document.id))
    if document.readers:
        rows = [{"document_id": document.id, "reader": reader} for reader in sorted(document.readers)]
        connection.execute(sa.insert(document_readers), rows)


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
    found = [_document(row) for row in connection.execute(query)]
    readers: dict[str, set[str]] = {}
    for batch in _batches([document.id for document in found]):
        of_batch = sa.select(document_readers).where(document_readers.c.document_id.in_(batch))
        for row in connection.execute(of_batch):
            readers.setdefault(row.document_id, set()).add(row.reader)
    return [replace(each, readers=frozenset(readers[each.id])) if each.id in readers else each for each in found]


def _document(row: Row[Any]) -> Document:
    return Document(
        id=row.id,
        namespace=row.namespace,
        title=row.title,
        source=row.source,
        status=DocumentStatus(row.status),
        media_type=row.media_type,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        updated_at=row.updated_at,
        pages=row.pages,
        chunks=row.chunks,
        losses=row.losses,
        error=row.error,
        url=row.url,
        keywords=row.keywords,
        version=row.version,
    )


def _stored_chunks(connection: Connection, document_id: str) -> dict[str, tuple[int, str]]:
    """Chunk id → its key in the word index, and its fingerprint."""
    query = sa.select(chunks.c.id, chunks.c.key, chunks.c.fingerprint).where(chunks.c.document_id == document_id)
    return {row.id: (row.key, row.fingerprint) for row in connection.execute(query)}


def _chunk_row(document: Document, chunk: Chunk) -> dict[str, Any]:
    content = (
        document.title,
        document.keywords,
        chunk.section_id,
        chunk.ordinal,
        chunk.text,
        chunk.headings,
        chunk.page,
    )
    return {
        "id": chunk.id,
        "document_id": document.id,
        "section_id": chunk.section_id,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "headings": chunk.headings,
        "page": chunk.page,
        "fingerprint": hashlib.blake2b(repr(content).encode("utf-8", "replace"), digest_size=16).hexdigest(),
    }


def _section_row(document_id: str, section: Section) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "id": section.id,
        "text": section.text,
        "headings": section.headings,
        "page": section.page,
    }


def _drop_sections(connection: Connection, document_id: str, wanted: Collection[str]) -> None:
    stored = connection.execute(sa.select(sections.c.id).where(sections.c.document_id == document_id)).scalars().all()
    for batch in _batches([section_id for section_id in stored if section_id not in wanted]):
        connection.execute(sa.delete(sections).where(sections.c.document_id == document_id, sections.c.id.in_(batch)))


def _queue(connection: Connection, namespace: str, chunk_ids: Sequence[str], due_at: datetime) -> None:
    upsert(
        connection,
        vector_outbox,
        [{"chunk_id": chunk_id, "namespace": namespace, "due_at": due_at} for chunk_id in chunk_ids],
    )


def _forget(connection: Connection, chunk_ids: Sequence[str]) -> None:
    for batch in _batches(chunk_ids):
        connection.execute(sa.delete(vector_outbox).where(vector_outbox.c.chunk_id.in_(batch)))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
