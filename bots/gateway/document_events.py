"""`/v1/documents/{id}/events`: how far a document is on its way into the index, as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from bots.gateway.access import caller_of, needs
from bots.gateway.document_examples import FOLLOWED
from bots.gateway.examples import PROBLEMS
from bots.gateway.indexing import RUNNING, DocumentId, as_awaited, find_document, find_job
from bots.gateway.parts import application_of
from bots.gateway.sse import ServerEvent, event_stream
from core.access import Permission
from core.errors import NotFound, StorageFailed
from core.types import Document, DocumentStatus, Job
from core.wire import document_to_json, job_to_json

POLL_SECONDS = 0.5
ENDS = frozenset({DocumentStatus.READY, DocumentStatus.FAILED})
GONE = "The document is gone: it was removed, given up, or could not be stored. The server's log has the cause."
router = APIRouter(prefix="/v1/documents", responses=PROBLEMS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A document at one moment, with the job that brings it into the index, as far as that is known."""

    document: Document
    job: Job | None = None


@router.get(
    "/{document_id}/events",
    summary="Follow a document into the index",
    dependencies=[Depends(needs(Permission.READ))],
    responses=FOLLOWED,
    response_class=StreamingResponse,
    response_model=None,
)
async def follow(request: Request, document_id: DocumentId) -> StreamingResponse:
    """Server-sent events: `status` with the document whenever its status changes, `progress` with its job, at its end `done`."""
    document = await find_document(request, document_id)
    job = await find_job(request, document)

    async def look(before: Seen) -> Seen:
        # The job first: when that has ended, the document read after it is the one that it made.
        job = await _job(request, before)
        return Seen(as_awaited(await find_document(request, document.id), job), job)

    # A job names who brought the document, which is not for keys that stand in web pages.
    seen, shows_jobs = Seen(as_awaited(document, job), job), not caller_of(request).is_public
    return event_stream(changes(seen, look, shows_jobs=shows_jobs))


async def changes(
    seen: Seen, look: Callable[[Seen], Awaitable[Seen]], *, shows_jobs: bool = True
) -> AsyncGenerator[ServerEvent, None]:
    """From the document as it is now, looking again until it is ready or failed."""
    yield ServerEvent("status", document_to_json(seen.document))
    if seen.job is not None and shows_jobs:
        yield ServerEvent("progress", job_to_json(seen.job))
    while seen.document.status not in ENDS:
        await asyncio.sleep(POLL_SECONDS)
        before, seen = seen, await _look_again(seen, look)
        if seen.document.status is not before.document.status:
            yield ServerEvent("status", document_to_json(seen.document))
        if seen.job is not None and seen.job != before.job and shows_jobs:
            yield ServerEvent("progress", job_to_json(seen.job))
    yield ServerEvent("done", document_to_json(seen.document))


async def _look_again(before: Seen, look: Callable[[Seen], Awaitable[Seen]]) -> Seen:
    try:
        return await look(before)
    except NotFound:
        return Seen(replace(before.document, status=DocumentStatus.FAILED, error=GONE))
    except StorageFailed:
        # A database that is locked or away for a moment is no news.
        return before


async def _job(request: Request, before: Seen) -> Job | None:
    """The same job as before; after its end, or when there was none, the one that works on the document now."""
    if before.job is None or before.job.state.is_end:
        return await find_job(request, before.document, RUNNING) or before.job
    try:
        return await application_of(request).jobs.get(before.job.id)
    except NotFound:
        # It was purged with the document.
        return None
