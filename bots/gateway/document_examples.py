"""What the OpenAPI specification shows of documents: made by the same functions as real replies."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from bots.gateway.examples import PROBLEMS, Responses
from bots.gateway.sse import MEDIA_TYPE, ServerEvent
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, Passage
from core.wire import change_to_json, document_to_json, passage_to_json

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


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


def _problem(description: str) -> dict[str, Any]:
    return PROBLEMS[HTTPStatus.NOT_FOUND] | {"description": description}


ADDED = change_to_json(DocumentChange(ChangeKind.ADDED, "visitor-guide.pdf", _DOCUMENT))
UPLOADED: Responses = {
    200: _json("The same file was there already.", ADDED | {"kind": "unchanged"}),
    201: _json("It is searchable.", ADDED),
    202: _json("It is being indexed; follow it by its id.", ADDED | {"kind": "processing"}),
    415: _problem("The format cannot be read."),
}
LISTED: Responses = {200: _json("A page of them.", {"documents": [document_to_json(_DOCUMENT)], "total": 1})}
SHOWN: Responses = {200: _json("The document.", document_to_json(_DOCUMENT))}
PASSAGES: Responses = {200: _json("A page of them.", {"passages": [passage_to_json(_PASSAGE)], "total": 1})}
REMOVED: Responses = {
    202: _json("Queued behind documents that are being indexed.", {"message": "The removal is queued."})
}
_EVENTS = [ServerEvent(name, document_to_json(_DOCUMENT)).encode() for name in ("status", "done")]
FOLLOWED: Responses = {
    200: {"description": "Until it is ready or failed.", "content": {MEDIA_TYPE: {"example": "".join(_EVENTS)}}}
}
