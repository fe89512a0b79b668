"""Documents in words, as plain text. Pure."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote

from core.types import Document, DocumentStatus, HistoryEntry, Origin, page_word

SHORT_ID = 8
UPLOAD = "upload:"
STATES = {
    DocumentStatus.QUEUED: "waiting to be read",
    DocumentStatus.PROCESSING: "being read",
    DocumentStatus.READY: "ready",
    DocumentStatus.FAILED: "failed",
}
CHANNELS = {
    "slack": "Slack",
    "discord": "Discord",
    "web": "the web page",
    "api": "the HTTP API",
    "command line": "the command line",
    "source": "a source",
}
_KB = 1024


def about(document: Document) -> tuple[str, ...]:
    """One or two lines: state, pages, passages, when; where it is; and why it failed."""
    lines = (
        " · ".join(facts(document)),
        f"namespace {document.namespace} · id {document.id[:SHORT_ID]} · {file_name(document)}",
    )
    return (*lines, document.error) if document.error else lines


def facts(document: Document) -> list[str]:
    """State, pages, passages, when."""
    state = STATES[document.status]
    if document.chunks and document.status is not DocumentStatus.READY:
        state += " (the version before answers)"
    pages = [count(document.pages, page_word(document.media_type))] if document.pages else []
    passages = [count(document.chunks, "passage")] if document.chunks else []
    return [state, *pages, *passages, moment(document.updated_at)]


def in_full(document: Document) -> tuple[str, ...]:
    """All that is known of it, a line each."""
    lines = [
        " · ".join(facts(document)),
        f"namespace: {document.namespace}",
        f"id: {document.id}",
        f"file: {file_name(document)}, {size_of(document.size_bytes)}",
        *([f"address: {document.url}"] if document.url else []),
        *([f"error: {document.error}"] if document.error else []),
        *(f"not read: {loss}" for loss in document.losses),
        *(["not everybody may read it"] if document.readers else []),
    ]
    return tuple(lines)


def came_from(origin: Origin, *, with_person: bool) -> list[str]:
    """From where it came and, for those who may know, by whom: their id, so that nobody is notified."""
    channel = [f"from {CHANNELS.get(origin.channel, origin.channel)}"] if origin.channel else []
    return [*channel, *([f"by {origin.person}"] if with_person and origin.person else [])]


def file_name(document: Document | HistoryEntry) -> str:
    """What its file was called, without the folder."""
    if is_upload(document):
        return document.source.removeprefix(UPLOAD)
    return unquote(document.source.rstrip("/").rsplit("/", 1)[-1])


def is_upload(document: Document | HistoryEntry) -> bool:
    """Whether somebody sent it, rather than it being in a folder."""
    return document.source.startswith(UPLOAD)


def count(number: int, thing: str) -> str:
    """`1 page`, `2 pages`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def size_of(size_bytes: int) -> str:
    size = size_bytes / _KB
    return f"{size:.0f} KB" if size < _KB else f"{size / _KB:.1f} MB"
