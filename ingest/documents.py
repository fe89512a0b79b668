"""Decisions about the records of documents. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

from core.types import Document, DocumentStatus, HistoryEntry, ParsedDocument
from ingest.received import Received

INSIDE = "!/"
"""Between a container and the path of a file in it, in the source of that one."""


def document_id(namespace: str, source: str) -> str:
    """The same file in the same namespace is the same document, whatever its content is today."""
    return hashlib.blake2b(f"{namespace}\n{source}".encode(), digest_size=16).hexdigest()


def begun(file: Received, digest: str) -> Document:
    """The record of a file that is about to be read."""
    return Document(
        id=document_id(file.namespace, file.source),
        namespace=file.namespace,
        title=file.name,
        source=file.source,
        status=DocumentStatus.PROCESSING,
        media_type="",
        sha256=digest,
        size_bytes=len(file.data),
        updated_at=datetime.now(UTC),
        readers=file.readers,
        url=file.url,
    )


def is_current(document: Document, digest: str, readers: frozenset[str]) -> bool:
    """Whether the record stands for these bytes, complete and for the same readers."""
    return (
        document.sha256 == digest
        and document.status is DocumentStatus.READY
        and document.error is None
        and document.readers == readers
    )


def is_answering(document: Document) -> bool:
    """Whether some version of it is published; an archive whose files are documents of their own may have no chunks."""
    return document.chunks > 0 or document.status is DocumentStatus.READY


def ready(document: Document, parsed: ParsedDocument, chunks: int) -> Document:
    """The record of a document that was read and split."""
    return replace(
        document,
        title=parsed.title,
        media_type=parsed.media_type,
        pages=parsed.pages,
        losses=parsed.losses,
        keywords=parsed.keywords,
        chunks=chunks,
        status=DocumentStatus.READY,
    )


def failed(document: Document, old: Document | None, message: str) -> Document:
    """What is on record after a version failed: the one before it, if that answers."""
    if old is not None and is_answering(old):
        return replace(old, status=DocumentStatus.READY, error=f"{message} The previous version still answers.")
    return replace(document, status=DocumentStatus.FAILED, error=message)


def interrupted(document: Document) -> Document:
    """The record of a document whose indexing was begun and not finished."""
    if document.chunks:
        error = "Indexing a newer version was interrupted. Add it again; until then the previous version answers."
        return replace(document, status=DocumentStatus.READY, error=error)
    return replace(document, status=DocumentStatus.FAILED, error="Indexing was interrupted. Add the document again.")


def put_off(document: Document) -> Document:
    """The record of a document whose job waits for its next attempt."""
    return replace(document, status=DocumentStatus.READY if document.chunks else DocumentStatus.QUEUED)


def queued(file: Received, digest: str) -> Document:
    """The record of a new document that waits for its turn."""
    return replace(begun(file, digest), status=DocumentStatus.QUEUED)


def file_name(document: Document | HistoryEntry) -> str:
    """What the document's file is called, for its parser."""
    if document.source.startswith("langchain:") and INSIDE not in document.source:
        return f"{document.title}.txt"
    if "://" in document.source.partition("#")[0]:
        path = document.source.partition("?")[0] if document.source.startswith("http") else document.source
        return unquote(path.rstrip("/").rpartition("/")[2])
    return document.source.removeprefix("upload:") or document.title
