"""What every way of uploading shares: a clean name, work that goes on by itself, and who may see which document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from bots.gateway.access import caller_of
from bots.gateway.parts import application_of
from bots.gateway.problems import problem, status_of_code
from core.build import Application
from core.errors import InvalidRequest, NotFound
from core.ports import Watch
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, HistoryEvent, Job, JobState
from core.wire import change_to_json

LONGEST_NAME = 200
MOST_WAITING = 200
QUEUE_SECONDS = 60
QUEUE_FULL = "Too many documents are waiting to be indexed. Please try again in a few minutes."
# Files of folders come from these. An upload has its turn before them, so that they keep none out.
FOLDERS = frozenset({"command line", "source"})
RUNNING = frozenset({JobState.RUNNING})
UNFINISHED = RUNNING | {JobState.WAITING}
REMOVED = (
    "The document {id} was removed. POST /v1/documents/{id}/restore brings it back for a while, "
    "and DELETE /v1/documents/{id}?purge=true erases it for good."
)
UNREADABLE = "The file cannot be read."
DocumentId = Annotated[str, Field(min_length=6, max_length=64, examples=["b0aab137d2df007a4c715672f970e9a8"])]
Indexing = Callable[[Watch], Coroutine[Any, Any, DocumentChange]]
"""Work on one file, which tells how far it is."""


def file_name(given: str) -> str:
    """The last part of what the client calls the file, without control characters; never used as a path.

    Raises `InvalidRequest`.
    """
    last = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip().strip(".")[-LONGEST_NAME:]
    if not name:
        raise InvalidRequest("The file has no name.")
    return name


async def check_queue(request: Request) -> None:
    """Raises `HTTPException` while so many uploads wait for the index that more would only fill the disk."""
    # In the order of their turn.
    last, _ = await application_of(request).jobs.page(frozenset({JobState.WAITING}), 1, MOST_WAITING - 1)
    if last and last[0].origin.channel not in FOLDERS:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, QUEUE_FULL, {"Retry-After": str(QUEUE_SECONDS)})


async def ended(indexing: Indexing, patience: float | None) -> DocumentChange | Job:
    """What became of the file; or, when that takes longer than `patience` seconds, its job, which goes on by itself.

    Not before the job is written down, however long that takes. Raises what the work raises.
    """
    latest: list[Job] = []
    is_written = asyncio.Event()

    def watch(job: Job) -> None:
        latest[:] = [job]
        is_written.set()

    working = asyncio.create_task(indexing(watch))
    writing = asyncio.create_task(is_written.wait())
    try:
        await asyncio.wait({working, writing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=patience)
        return working.result() if working.done() else latest[0]
    finally:
        writing.cancel()
        # Nobody waits for it any more.
        working.cancel()


async def reply(request: Request, indexing: Indexing, patience: float | None, done: HTTPStatus) -> Response:
    """How the work ended: `done`, unchanged or a problem; or, when it takes longer, its job. Raises what it raises."""
    end = await ended(indexing, patience)
    if isinstance(end, Job):
        document = as_awaited(await find_document(request, end.document_id), end)
        body = change_to_json(DocumentChange(ChangeKind.ADDED, end.name, document))
        return JSONResponse(body | {"kind": "processing", "job": end.id}, HTTPStatus.ACCEPTED)
    if end.kind is ChangeKind.FAILED:
        return problem(status_of_code(end.code), end.message or UNREADABLE, end.code)
    return JSONResponse(change_to_json(end), HTTPStatus.OK if end.kind is ChangeKind.UNCHANGED else done)


async def find_document(request: Request, document_id: str) -> Document:
    """The document by its id or the beginning of it, as the caller may see it.

    Raises `NotFound`, also for one in a namespace that the caller may not use.
    """
    caller, application = caller_of(request), application_of(request)
    try:
        return await application.documents.get(document_id, caller.namespaces)
    except NotFound as error:
        # What was removed is nothing for keys that stand in web pages.
        if not caller.is_public and (removed := await _removed(application, document_id, caller.namespaces)):
            raise NotFound(REMOVED.format(id=removed)) from error
        raise


async def _removed(application: Application, document_id: str, within: frozenset[str]) -> str:
    """The id of a document that was removed and is kept for a while; empty where there is none."""
    try:
        last = (await application.versions.history(document_id, within))[0]
    except (InvalidRequest, NotFound):
        return ""
    return last.document_id if last.event is HistoryEvent.REMOVED else ""


async def find_job(request: Request, document: Document, states: frozenset[JobState] = UNFINISHED) -> Job | None:
    """The last of those about the document."""
    return await application_of(request).jobs.about(document.id, states)


def as_awaited(document: Document, job: Job | None) -> Document:
    """While a newer version of it waits, what the record says is of the one before."""
    if job is None or job.state.is_end or document.status is DocumentStatus.PROCESSING:
        return document
    status = DocumentStatus.QUEUED if job.state is JobState.WAITING else DocumentStatus.PROCESSING
    return replace(document, status=status, error=None)
