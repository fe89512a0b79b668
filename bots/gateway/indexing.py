"""What every way of uploading shares: a clean name, indexing that outlives its request, and who may see which document."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import Request
from pydantic import Field
from starlette.exceptions import HTTPException

from bots.gateway.access import caller_of
from bots.gateway.incoming import Spool
from bots.gateway.parts import application_of
from core.build import Application
from core.errors import InvalidRequest, NotFound
from core.plugins import load
from core.types import Document, DocumentChange, DocumentStatus

LONGEST_NAME = 200
MOST_WAITING = 200
QUEUE_SECONDS = 60
QUEUE_FULL = "Too many documents are waiting to be indexed. Please try again in a few minutes."
DOCUMENT_ID = "ingest.documents:document_id"
DocumentId = Annotated[str, Field(min_length=6, max_length=64, examples=["b0aab137d2df007a4c715672f970e9a8"])]
log = structlog.get_logger(__name__)


def file_name(given: str) -> str:
    """The last part of what the client calls the file, without control characters; never used as a path.

    Raises `InvalidRequest`.
    """
    last = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip().strip(".")[-LONGEST_NAME:]
    if not name:
        raise InvalidRequest("The file has no name.")
    return name


def check_queue(request: Request) -> None:
    """Raises `HTTPException` while so many files wait for the index that more would only fill the disk."""
    if len(request.app.state.background) >= MOST_WAITING:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, QUEUE_FULL, {"Retry-After": str(QUEUE_SECONDS)})


async def index(application: Application, name: str, spool: Spool, namespace: str) -> DocumentChange:
    """Bring the received file into the index, and delete it."""
    try:
        return await application.documents.add_file(name, spool.path, namespace)
    finally:
        spool.discard()


def queued(name: str, namespace: str, size: int) -> Document:
    """What is known of an upload before it is its turn. `size` is in bytes."""
    source = f"upload:{name}"
    return Document(
        id=load(DOCUMENT_ID)(namespace, source),
        namespace=namespace,
        title=name,
        source=source,
        status=DocumentStatus.QUEUED,
        media_type="",
        sha256="",
        size_bytes=size,
        updated_at=datetime.now(UTC),
    )


def go_on(request: Request, task: asyncio.Task[Any], document: Document | None = None) -> None:
    """Hold a task that outlives its request; whoever waited is gone, so the log gets its failure."""
    background: dict[asyncio.Task[Any], Document | None] = request.app.state.background
    background[task] = document
    task.add_done_callback(background.pop)
    task.add_done_callback(_log_failure)


async def find_document(request: Request, document_id: str) -> Document:
    """The document by its id or the beginning of it, as the caller may see it: also while it waits for its turn.

    Raises `NotFound`, also for one in a namespace that the caller may not use.
    """
    waiting = _waiting(request, document_id)
    try:
        document = await application_of(request).documents.get(document_id, caller_of(request).namespaces)
    except NotFound:
        if waiting is None:
            raise
        document = waiting
    if waiting is not None and document.status is not DocumentStatus.PROCESSING:
        # What the record says is still of the version before.
        document = replace(document, status=DocumentStatus.QUEUED, error=None)
    return document


def _waiting(request: Request, document_id: str) -> Document | None:
    """The upload of this document that goes on in the background, if there is one."""
    background: Mapping[asyncio.Task[Any], Document | None] = request.app.state.background
    caller = caller_of(request)
    return next(
        (
            each
            for each in background.values()
            if each and each.id.startswith(document_id) and caller.may_use(each.namespace)
        ),
        None,
    )


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("work in the background failed", exc_info=error)
