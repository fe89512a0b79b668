"""What the OpenAPI specification shows of documents: made by the same functions as real replies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from bots.gateway.examples import PROBLEMS, Responses
from bots.gateway.job_examples import JOB
from bots.gateway.sse import MEDIA_TYPE, ServerEvent
from core.types import (
    ChangeKind,
    Document,
    DocumentChange,
    DocumentStatus,
    HistoryEntry,
    HistoryEvent,
    Origin,
    Passage,
)
from core.wire import change_to_json, document_to_json, history_to_json, job_to_json, passage_to_json

_DOCUMENT = Document(
    id="b0aab137d2df007a4c715672f970e9a8",
    namespace="default",
    title="Visitor guide",
    source="upload:visitor-guide.pdf",
    status=DocumentStatus.READY,
    media_type="application/pdf",
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    size_bytes=482133,
    updated_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    pages=24,
    chunks=61,
)
_PASSAGE = Passage(
    chunk_id="5f3354c99346e77926cec7511c9adb8f",
    document_id=_DOCUMENT.id,
    title=_DOCUMENT.title,
    text="The library opens at nine on weekdays.",
    context="The library opens at nine on weekdays. It closes at six.",
    score=0.0,
    headings=("Library",),
    page=12,
)
_VERSION = HistoryEntry(
    document_id=_DOCUMENT.id,
    namespace=_DOCUMENT.namespace,
    source=_DOCUMENT.source,
    title=_DOCUMENT.title,
    event=HistoryEvent.ADDED,
    version=1,
    at=_DOCUMENT.updated_at,
    origin=Origin("api", "intranet"),
    sha256=_DOCUMENT.sha256,
    size_bytes=_DOCUMENT.size_bytes,
    media_type=_DOCUMENT.media_type,
    pages=_DOCUMENT.pages,
    chunks=_DOCUMENT.chunks,
    is_kept=True,
)
_REMOVAL = history_to_json(
    replace(_VERSION, event=HistoryEvent.REMOVED, at=datetime(2026, 3, 9, 14, 5, tzinfo=UTC), is_kept=False)
)


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


def _problem(description: str) -> dict[str, Any]:
    return PROBLEMS[HTTPStatus.NOT_FOUND] | {"description": description}


ADDED = change_to_json(DocumentChange(ChangeKind.ADDED, "visitor-guide.pdf", _DOCUMENT))
_PROCESSING = _json(
    "It is being indexed; follow it by its id, or by that of the job.",
    ADDED | {"kind": "processing", "job": JOB.id},
)
UPLOADED: Responses = {
    200: _json("The same file was there already.", ADDED | {"kind": "unchanged"}),
    201: _json("It is searchable.", ADDED),
    202: _PROCESSING,
    415: _problem("The format cannot be read."),
}
RESTORED: Responses = {
    200: _json("It is searchable.", ADDED),
    202: _PROCESSING,
    415: _problem("The format cannot be read any more."),
}
LISTED: Responses = {200: _json("A page of them.", {"documents": [document_to_json(_DOCUMENT)], "total": 1})}
SHOWN: Responses = {200: _json("The document.", document_to_json(_DOCUMENT))}
PASSAGES: Responses = {200: _json("A page of them.", {"passages": [passage_to_json(_PASSAGE)], "total": 1})}
REMOVED: Responses = {
    200: _json("It was erased for good. Its last event.", _REMOVAL),
}
REMOVALS: Responses = {200: _json("A page of them.", {"removed": [_REMOVAL], "total": 1})}
HISTORY: Responses = {200: _json("The latest first.", {"history": [_REMOVAL, history_to_json(_VERSION)]})}
_EVENTS = (
    ServerEvent("status", document_to_json(replace(_DOCUMENT, status=DocumentStatus.PROCESSING))),
    ServerEvent("progress", job_to_json(JOB)),
    ServerEvent("status", document_to_json(_DOCUMENT)),
    ServerEvent("done", document_to_json(_DOCUMENT)),
)
_STREAM = "".join(event.encode() for event in _EVENTS)
FOLLOWED: Responses = {
    200: {"description": "Until it is ready or failed.", "content": {MEDIA_TYPE: {"example": _STREAM}}}
}
