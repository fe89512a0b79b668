"""Decisions about the records of documents. Pure."""

from __future__ import annotations

from dataclasses import replace

from core.types import Document, DocumentStatus


def is_current(document: Document, digest: str, readers: frozenset[str]) -> bool:
    """Whether the record stands for these bytes, complete and for the same readers."""
    return (
        document.sha256 == digest
        and document.status is DocumentStatus.READY
        and document.error is None
        and document.readers == readers
    )


def interrupted(document: Document) -> Document:
    """The record of a document whose indexing was begun and not finished."""
    if document.chunks:
        error = "Indexing a newer version was interrupted. Add it again; until then the previous version answers."
        return replace(document, status=DocumentStatus.READY, error=error)
    return replace(document, status=DocumentStatus.FAILED, error="Indexing was interrupted. Add the document again.")


def file_name(document: Document) -> str:
    """What the document's file is called, for its parser."""
    return document.source.rpartition("/")[2].removeprefix("upload:") or document.title
