"""`/v1/documents/{id}/events`: how far a document is on its way into the index, as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from bots.gateway.access import needs
from bots.gateway.document_examples import FOLLOWED
from bots.gateway.examples import PROBLEMS
from bots.gateway.indexing import DocumentId, find_document
from bots.gateway.sse import ServerEvent, event_stream
from core.access import Permission
from core.errors import NotFound, StorageFailed
from core.types import Document, DocumentStatus
from core.wire import document_to_json

POLL_SECONDS = 0.5
ENDS = frozenset({DocumentStatus.READY, DocumentStatus.FAILED})
GONE = "The document is gone: it was removed, or could not be stored. The server's log has the cause."
router = APIRouter(prefix="/v1/documents", responses=PROBLEMS)


@router.get(
    "/{document_id}/events",
    summary="Follow a document into the index",
    dependencies=[Depends(needs(Permission.READ))],
    responses=FOLLOWED,
    response_class=StreamingResponse,
    response_model=None,
)
async def follow(request: Request, document_id: DocumentId) -> StreamingResponse:
    """Server-sent events: `status` with the document whenever its status changes, and at its end `done`."""
    document = await find_document(request, document_id)

    async def look() -> Document:
        return await find_document(request, document.id)

    return event_stream(changes(document, look))


async def changes(document: Document, look: Callable[[], Awaitable[Document]]) -> AsyncGenerator[ServerEvent, None]:
    """From the document as it is now, looking again until it is ready or failed."""
    yield ServerEvent("status", document_to_json(document))
    while document.status not in ENDS:
        await asyncio.sleep(POLL_SECONDS)
        now = await _look_again(document, look)
        # For a moment after its work is done, an upload counts as one that waits.
        is_step_back = now.status is DocumentStatus.QUEUED and document.status is DocumentStatus.PROCESSING
        if now.status is not document.status and not is_step_back:
            document = now
            yield ServerEvent("status", document_to_json(document))
    yield ServerEvent("done", document_to_json(document))


async def _look_again(before: Document, look: Callable[[], Awaitable[Document]]) -> Document:
    try:
        return await look()
    except NotFound:
        return replace(before, status=DocumentStatus.FAILED, error=GONE)
    except StorageFailed:
        # A database that is locked or away for a moment is no news.
        return before
