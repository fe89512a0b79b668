"""The record of documents, sections and chunks: what is searchable is what stands here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from core.errors import InvalidRequest, NotFound
from core.store.engine import reading, transaction
from core.store.schema import chunks, document_readers, documents, sections, vector_outbox
from core.store.terms import delete_terms, insert_terms
from core.types import Chunk, Document, DocumentStatus, Passage, Scope, Section

SHORTEST_PREFIX = 6
FULL_ID = 32
# Below SQLite's limit on the number of bound values in one statement.
BATCH = 500
UNFINISHED = (DocumentStatus.QUEUED.value, DocumentStatus.PROCESSING.value)


class DocumentStore:
    """Blocking; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def put(self, document: Document) -> None:
        """Record the document's state; its passages stay as they are."""
        with transaction(self._engine) as connection:
            _put(connection, document)

    def reserve_vectors(self, namespace: str, chunk_ids: Sequence[str]) -> None:
        """Announce vectors before they are written, so that after a crash they are known to be garbage."""
        with transaction(self._engine) as connection:
            _queue(connection, namespace, chunk_ids)

    def publish(self, document: Document, new_sections: Sequence[Section], new_chunks: Sequence[Chunk]) -> None:
        """Make these the document's passages, all at once: before it the old ones answer, after it the new ones."""
        wanted = {chunk.id for chunk in new_chunks}
        with transaction(self._engine) as connection:
            old = _chunk_rows(connection, document.id)
            _put(connection, document)
            _drop_chunks(connection, list(old.values()))
            connection.execute(delete(sections).where(sections.c.document_id == document.id))
            connection.execute(
                insert(sections),
                [{"id": section.id, "document_id": document.id, "text": section.text} for section in new_sections],
            )
            rows = _insert_chunks(connection, document, new_chunks)
            insert_terms(connection, document.title, zip(rows, new_chunks, strict=True))
            _queue(connection, document.namespace, [chunk_id for chunk_id in old if chunk_id not in wanted])
            _forget(connection, list(wanted))

    def withdraw(self, document_id: str) -> Document:
        """Remove the document and its passages, all at once. Raises `NotFound`."""
        with transaction(self._engine) as connection:
            document = _one(connection, document_id)
            old = _chunk_rows(connection, document.id)
            _drop_chunks(connection, list(old.values()))
            connection.execute(delete(documents).where(documents.c.id == document.id))
            _queue(connection, document.namespace, list(old))
            return document

    def forget_garbage(self, chunk_ids: Sequence[str]) -> None:
        with transaction(self._engine) as connection:
            _forget(connection, chunk_ids)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def get(self, document_id: str) -> Document:
        """By id or a unique beginning of it. Raises `NotFound`, `InvalidRequest` when it is not unique."""
        with reading(self._engine) as connection:
            return _one(connection, document_id)

    def find(self, namespace: str, source: str) -> Document | None:
        where = and_(documents.c.namespace == namespace, documents.c.source == source)
        with reading(self._engine) as connection:
            return next(iter(_select(connection, where)), None)

    def page(self, namespace: str | None, limit: int, offset: int) -> tuple[list[Document], int]:
        """A page of documents by title, and how many there are in all."""
        where = documents.c.namespace == namespace if namespace is not None else documents.c.id.is_not(None)
        with reading(self._engine) as connection:
            total = connection.execute(select(func.count()).select_from(documents).where(where)).scalar_one()
            return _select(connection, where, limit, offset), total

    def under(self, namespace: str, prefix: str) -> list[Document]:
        """The documents of a namespace whose source begins with `prefix`."""
        where = and_(documents.c.namespace == namespace, documents.c.source.startswith(prefix, autoescape=True))
        with reading(self._engine) as connection:
            return [each for each in _select(connection, where) if each.source.startswith(prefix)]

    def pending(self) -> list[Document]:
        """Documents that are queued or in work."""
        with reading(self._engine) as connection:
            return _select(connection, documents.c.status.in_(UNFINISHED))

    def passages(self, chunk_ids: Sequence[str], scope: Scope) -> dict[str, Passage]:
        """The passages of these chunks that the scope may see; scores are 0."""
        found: dict[str, Passage] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(chunk_ids), BATCH):
                where = and_(chunks.c.id.in_(chunk_ids[start : start + BATCH]), readable(scope))
                found.update((passage.chunk_id, passage) for passage in _passages(connection, where))
        return found

    def passages_of(self, document_id: str) -> list[Passage]:
        """All passages of a document, in reading order. Raises `NotFound`."""
        with reading(self._engine) as connection:
            document = _one(connection, document_id)
            return _passages(connection, chunks.c.document_id == document.id)

    def vector_garbage(self, limit: int) -> list[tuple[str, str]]:
        """(namespace, chunk id) of vectors that may be there and must not."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(vector_outbox.c.namespace, vector_outbox.c.chunk_id).limit(limit))
            return [(namespace, chunk_id) for namespace, chunk_id in rows]

    def count_chunks(self, namespace: str | None) -> int:
        query = select(func.count()).select_from(chunks)
        if namespace is not None:
            query = query.where(chunks.c.namespace == namespace)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one()

    def uses_file(self, sha256: str) -> bool:
        """Whether a document still refers to the stored bytes."""
        with reading(self._engine) as connection:
            return bool(connection.execute(select(exists().where(documents.c.sha256 == sha256))).scalar())


def readable(scope: Scope) -> ColumnElement[bool]:
    """The access filter, for any query that joins `documents`."""
    of_document = document_readers.c.document_id == documents.c.id
    is_open = ~exists().where(of_document)
    may_read = exists().where(of_document, document_readers.c.reader.in_(sorted(scope.readers)))
    return and_(documents.c.namespace == scope.namespace, or_(is_open, may_read) if scope.readers else is_open)


def _put(connection: Connection, document: Document) -> None:
    values = {
        "namespace": document.namespace,
        "source": document.source,
        "title": document.title,
        "status": document.status.value,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "size_bytes": document.size_bytes,
        "pages": document.pages,
        "chunks": document.chunks,
        "losses": list(document.losses),
        "error": document.error,
        "url": document.url,
        "updated_at": document.updated_at,
    }
    changed = connection.execute(update(documents).where(documents.c.id == document.id).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(documents).values(id=document.id, **values))
    connection.execute(delete(document_readers).where(document_readers.c.document_id == document.id))
    if document.readers:
        rows = [{"document_id": document.id, "reader": reader} for reader in sorted(document.readers)]
        connection.execute(insert(document_readers), rows)


def _one(connection: Connection, document_id: str) -> Document:
    if len(document_id) < SHORTEST_PREFIX:
        raise InvalidRequest(f"Give at least the first {SHORTEST_PREFIX} characters of the document's id.")
    matches = _select(connection, documents.c.id.startswith(document_id, autoescape=True), limit=2)
    if not matches:
        raise NotFound(f"There is no document {document_id}. `lorekeeper documents list` shows them all.")
    if len(matches) > 1 and matches[0].id != document_id:
        raise InvalidRequest(f"More than one document's id begins with {document_id}. Give more of it.")
    return matches[0]


def _select(
    connection: Connection, where: ColumnElement[bool], limit: int | None = None, offset: int | None = None
) -> list[Document]:
    query = select(documents).where(where).order_by(documents.c.title, documents.c.id).limit(limit).offset(offset)
    found = [_document(row) for row in connection.execute(query)]
    readers: dict[str, set[str]] = {}
    for start in range(0, len(found), BATCH):
        ids = [document.id for document in found[start : start + BATCH]]
        for document_id, reader in connection.execute(
            select(document_readers.c.document_id, document_readers.c.reader).where(document_readers.c.document_id.in_(ids))
        ):
            readers.setdefault(document_id, set()).add(reader)
    return [replace(each, readers=frozenset(readers[each.id])) if each.id in readers else each for each in found]


def _document(row: Row[Any]) -> Document:
    at = row.updated_at
    return Document(
        id=row.id,
        namespace=row.namespace,
        title=row.title,
        source=row.source,
        status=DocumentStatus(row.status),
        media_type=row.media_type,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        updated_at=at if at.tzinfo else at.replace(tzinfo=UTC),
        pages=row.pages,
        chunks=row.chunks,
        losses=tuple(row.losses),
        error=row.error,
        url=row.url,
    )


def _passages(connection: Connection, where: ColumnElement[bool]) -> list[Passage]:
    query = (
        select(chunks, documents.c.title, documents.c.url, sections.c.text.label("context"))
        .join(documents, documents.c.id == chunks.c.document_id)
        .outerjoin(sections, sections.c.id == chunks.c.section_id)
        .where(where)
        .order_by(chunks.c.document_id, chunks.c.ordinal)
    )
    return [
        Passage(
            chunk_id=row.id,
            document_id=row.document_id,
            title=row.title,
            text=row.text,
            context=row.context or row.text,
            score=0.0,
            headings=tuple(row.headings),
            page=row.page,
            url=row.url,
        )
        for row in connection.execute(query)
    ]


def _insert_chunks(connection: Connection, document: Document, new: Sequence[Chunk]) -> list[int]:
    """Returns the chunks' row numbers, in their order."""
    connection.execute(
        insert(chunks),
        [
            {
                "id": chunk.id,
                "document_id": document.id,
                "section_id": chunk.section_id,
                "namespace": document.namespace,
                "ordinal": chunk.ordinal,
                "text": chunk.text,
                "headings": list(chunk.headings),
                "page": chunk.page,
            }
            for chunk in new
        ],
    )
    rows = _chunk_rows(connection, document.id)
    return [rows[chunk.id] for chunk in new]


def _chunk_rows(connection: Connection, document_id: str) -> dict[str, int]:
    found = connection.execute(select(chunks.c.id, chunks.c.row).where(chunks.c.document_id == document_id))
    return {chunk_id: row for chunk_id, row in found}


def _drop_chunks(connection: Connection, rows: Sequence[int]) -> None:
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        delete_terms(connection, batch)
        connection.execute(delete(chunks).where(chunks.c.row.in_(batch)))


def _queue(connection: Connection, namespace: str, chunk_ids: Iterable[str]) -> None:
    ids = list(chunk_ids)
    _forget(connection, ids)
    if ids:
        connection.execute(insert(vector_outbox), [{"chunk_id": each, "namespace": namespace} for each in ids])


def _forget(connection: Connection, chunk_ids: Sequence[str]) -> None:
    for start in range(0, len(chunk_ids), BATCH):
        connection.execute(delete(vector_outbox).where(vector_outbox.c.chunk_id.in_(chunk_ids[start : start + BATCH])))
