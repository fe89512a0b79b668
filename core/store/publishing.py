"""Writing documents with their passages into the record, in the transactions of others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from core.errors import InvalidRequest, StorageFailed
from core.store.history import Ending, Superseded, access_of, note_removal, numbered
from core.store.jobs import JobLost, cancel_all, check_held, end_job
from core.store.schema import chunks, document_readers, documents, sections, vector_outbox
from core.store.upsert import upsert
from core.store.words import WordIndex, words_of
from core.types import ChangeKind, Chunk, Document, DocumentChange, DocumentStatus, Origin, Section

# Below SQLite's limit on the number of bound values in one statement.
BATCH = 500
ALONE = Ending()
COPY_GONE = "A stored copy was deleted with another document that held the same bytes."
REMOVED = "The document was removed meanwhile."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Publication:
    """A document with all that it says from now on."""

    document: Document
    sections: Sequence[Section]
    chunks: Sequence[Chunk]
    ending: Ending = ALONE


def publish(
    connection: Connection, words: WordIndex, wanted: Publication, has_copy: Callable[[str], bool]
) -> Document | JobLost | Superseded:
    ending = wanted.ending
    document = replace(wanted.document, chunks=len(wanted.chunks))
    try:
        if ending.job is not None:
            check_held(connection, ending.job)
        check_known(connection, ending.known)
        _check_access(connection, document, ending)
        document = numbered(connection, document, ending)
    except (JobLost, Superseded) as error:
        return error
    if not ending.is_kept_by_job and not has_copy(document.sha256):
        raise StorageFailed(COPY_GONE)
    put(connection, document)
    old = stored_chunks(connection, document.id)
    ids = {chunk.id for chunk in wanted.chunks}
    gone = {chunk_id: key for chunk_id, (key, _) in old.items() if chunk_id not in ids}
    # Sections first, because chunks refer to them; those that are gone last, for the same reason.
    upsert(connection, sections, [_section_row(document.id, section) for section in wanted.sections])
    drop_chunks(connection, words, document.id, list(gone.values()))
    _write_chunks(connection, words, document, wanted.chunks, old)
    _drop_sections(connection, document.id, {section.id for section in wanted.sections})
    queue(connection, dict.fromkeys(gone, document.namespace))
    forget(connection, list(ids))
    for document_id in ending.gone:
        withdraw(connection, words, document_id, ending.origin)
    said = ending.changes(document) if ending.changes is not None else ()
    if ending.job is not None and ending.is_end:
        end_job(connection, ending.job, said)
    return document


def withdraw(connection: Connection, words: WordIndex, document_id: str, origin: Origin) -> None:
    """Remove a document and its passages, and give up what is about to change it."""
    wanted = sa.select(documents).where(documents.c.id == document_id)
    if connection.execute(wanted).first() is None:
        return
    # Jobs before documents, as everywhere: two that take both would wait for each other otherwise.
    cancel_all(connection, [document_id])
    found = connection.execute(wanted.with_for_update()).first()
    if found is None:
        return
    query = sa.select(document_readers.c.reader).where(document_readers.c.document_id == document_id)
    document = replace(document_of(found), readers=frozenset(connection.scalars(query)))
    note_removal(connection, document, origin)
    old = stored_chunks(connection, document_id)
    drop_chunks(connection, words, document_id, [key for key, _ in old.values()])
    connection.execute(sa.delete(documents).where(documents.c.id == document_id))
    queue(connection, dict.fromkeys(old, document.namespace))


def check_known(connection: Connection, document_ids: Collection[str]) -> None:
    """Raises `Superseded` when one of them was removed; else they stay on record until the transaction ends."""
    if not document_ids:
        return
    there = sa.select(documents.c.id).where(documents.c.id.in_(sorted(document_ids)))
    # Containers first, as they are removed; their source is the shorter one.
    found = connection.scalars(there.order_by(sa.func.length(documents.c.source)).with_for_update())
    if not set(document_ids) <= set(found):
        raise Superseded(REMOVED)


def _check_access(connection: Connection, document: Document, ending: Ending) -> None:
    """Ends the job and raises `Superseded` when an old version would be open to others than those who may read it now."""
    if ending.of_version is None:
        return
    access = access_of(connection, document.id, ending.of_version)
    if access is None or access.readers != document.readers:
        message = "Who may read the document was changed meanwhile. Bring the version back again."
        if ending.job is not None:
            failed = DocumentChange(ChangeKind.FAILED, document.title, message=message, code=InvalidRequest.code)
            end_job(connection, ending.job, [failed], message, InvalidRequest.code)
        raise Superseded(message)


def drop_chunks(connection: Connection, words: WordIndex, document_id: str, keys: Sequence[int]) -> None:
    if not keys:
        return
    words.erase(connection, document_id, keys)
    for batch in batches(keys):
        connection.execute(sa.delete(chunks).where(chunks.c.key.in_(batch)))


def put(connection: Connection, document: Document, keep: Collection[str] = ()) -> None:
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


def queue(connection: Connection, namespaces: Mapping[str, str]) -> None:
    """The vectors of these chunks, by id with their namespaces, are garbage, unless somebody is about to publish them."""
    upsert(connection, vector_outbox, _outbox_rows(namespaces, datetime.now(UTC)), keep=("due_at",))


def queue_from(connection: Connection, namespaces: Mapping[str, str], due_at: datetime) -> None:
    """They are garbage from then on, whatever was said of them before."""
    upsert(connection, vector_outbox, _outbox_rows(namespaces, due_at))


def _outbox_rows(namespaces: Mapping[str, str], due_at: datetime) -> list[dict[str, Any]]:
    return [
        {"chunk_id": chunk_id, "namespace": namespace, "due_at": due_at} for chunk_id, namespace in namespaces.items()
    ]


def forget(connection: Connection, chunk_ids: Sequence[str]) -> None:
    for batch in batches(chunk_ids):
        connection.execute(sa.delete(vector_outbox).where(vector_outbox.c.chunk_id.in_(batch)))


def stored_chunks(connection: Connection, document_id: str) -> dict[str, tuple[int, str]]:
    """Chunk id → its key in the word index, and its fingerprint."""
    query = sa.select(chunks.c.id, chunks.c.key, chunks.c.fingerprint).where(chunks.c.document_id == document_id)
    return {row.id: (row.key, row.fingerprint) for row in connection.execute(query)}


def _write_chunks(
    connection: Connection,
    words: WordIndex,
    document: Document,
    new_chunks: Sequence[Chunk],
    old: Mapping[str, tuple[int, str]],
) -> None:
    rows = [_chunk_row(document, chunk) for chunk in new_chunks]
    changed = [row for row in rows if row["id"] not in old or old[row["id"]][1] != row["fingerprint"]]
    upsert(connection, chunks, changed, key=("id",))
    heading = f"{document.title} {document.keywords}"
    keys = {chunk_id: key for chunk_id, (key, _) in stored_chunks(connection, document.id).items()}
    words.write(
        connection,
        [words_of(keys[row["id"]], document.id, heading, row["headings"], row["text"]) for row in changed],
    )


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
    for batch in batches([section_id for section_id in stored if section_id not in wanted]):
        connection.execute(sa.delete(sections).where(sections.c.document_id == document_id, sections.c.id.in_(batch)))


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def document_of(row: Row[Any]) -> Document:
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
