"""`/v1/documents`: upload, list, status, passages, delete; for the owner's command line also paths, re-index and check."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Header, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from bots.gateway import document_examples, examples
from bots.gateway.access import among, caller_of, is_owner, needs, require_owner, within
from bots.gateway.agreed import NDJSON
from bots.gateway.ask import Body, Namespace
from bots.gateway.incoming import Spool, disk_failed
from bots.gateway.indexing import (
    DocumentId,
    Indexing,
    as_awaited,
    check_queue,
    file_name,
    find_document,
    find_job,
    reply,
)
from bots.gateway.ndjson import progress, watched
from bots.gateway.origins import origin_of
from bots.gateway.parts import application_of
from core.access import Permission
from core.errors import InvalidRequest
from core.ports import Watch
from core.types import DEFAULT_NAMESPACE, DocumentChange, DocumentStatus, JobState, Passage
from core.wire import document_to_json, finding_to_json, history_to_json, passage_to_json

COPY_BYTES = 1024 * 1024
# Longer than this, an upload is answered with 202 and goes on in the background.
PATIENCE_SECONDS = 90.0
LONGEST_FILTER = 200
JOB_HEADER = "Lorekeeper-Job"
IN_WORK = frozenset({DocumentStatus.QUEUED, DocumentStatus.PROCESSING})
CANCELLED = frozenset({JobState.CANCELLED})
# RFC 7240, 4.3.
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,4})(?:$|[,;\s])", re.IGNORECASE)
readers = [Depends(needs(Permission.READ))]
writers = [Depends(needs(Permission.WRITE))]
Prefer = Annotated[
    str, Header(max_length=LONGEST_FILTER, examples=["wait=5"], description="For how many seconds to wait for the end.")
]
router = APIRouter(prefix="/v1/documents", responses=examples.PROBLEMS)


class Sort(StrEnum):
    TITLE = "title"
    UPDATED = "-updated_at"


class PathsBody(Body):
    paths: list[str] = Field(min_length=1)
    namespace: Namespace = DEFAULT_NAMESPACE
    prune: bool = True


class CheckBody(Body):
    repair: bool = False


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Upload a document",
    dependencies=writers,
    responses=document_examples.UPLOADED,
    response_model=None,
)
async def upload(
    request: Request, file: UploadFile, namespace: Annotated[Namespace | None, Form()] = None, prefer: Prefer = ""
) -> Response:
    """A file with the name of an earlier upload replaces it."""
    await check_queue(request)
    namespace = within(request, namespace)
    name = file_name(file.filename or "")
    spool = await asyncio.to_thread(_store, file)
    origin = await origin_of(request)
    documents = application_of(request).documents

    async def indexing(watch: Watch) -> DocumentChange:
        try:
            return await documents.add_file(name, spool.path, namespace, origin=origin, watch=watch)
        finally:
            spool.discard()

    return await followed(request, indexing, prefer, HTTPStatus.CREATED)


@router.get("", summary="List documents", dependencies=readers, responses=document_examples.LISTED, response_model=None)
async def list_documents(
    request: Request,
    namespace: Annotated[list[Namespace] | None, Query(description="May be given more than once.")] = None,
    status: Annotated[DocumentStatus | None, Query()] = None,
    q: Annotated[
        str, Query(max_length=LONGEST_FILTER, examples=["handbook"], description="A part of title or source.")
    ] = "",
    sort: Annotated[Sort, Query(description="By title, or the latest change first.")] = Sort.TITLE,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """`total` is how many there are with the wanted namespaces, status and text, of those that the caller may see."""
    wanted = among(request, namespace)
    documents, total = await application_of(request).documents.page(
        None, limit, offset, status, within=wanted, text=q, newest_first=sort is Sort.UPDATED
    )
    return {"documents": [document_to_json(document) for document in documents], "total": total}


@router.get(
    "/{document_id}",
    summary="Status of a document",
    dependencies=readers,
    responses=document_examples.SHOWN,
    response_model=None,
)
async def get_document(request: Request, document_id: DocumentId) -> dict[str, Any]:
    """With what was lost in reading it, or why it failed."""
    document = await find_document(request, document_id)
    return document_to_json(as_awaited(document, await find_job(request, document)))


@router.get(
    "/{document_id}/passages",
    summary="Passages of a document",
    dependencies=readers,
    responses=document_examples.PASSAGES,
    response_model=None,
)
async def get_passages(
    request: Request,
    document_id: DocumentId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Response:
    """In reading order; `total` is how many there are."""
    document = await find_document(request, document_id)
    passages, total = await application_of(request).documents.passage_page(document.id, limit, offset)
    return Response(await asyncio.to_thread(_passages_json, passages, total), media_type="application/json")


@router.delete(
    "/{document_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Remove a document",
    dependencies=writers,
    responses=document_examples.REMOVED,
    response_model=None,
)
async def delete_document(
    request: Request,
    document_id: DocumentId,
    purge: Annotated[
        bool, Query(description="Erase it with its history and every copy, also one that is removed.")
    ] = False,
) -> Response:
    """It answers no more, and can be restored for a while; with `purge` it is erased for good.

    Of one that had not been indexed yet, `Lorekeeper-Job` names the job that brings it back when it is tried again.
    """
    application = application_of(request)
    if purge:
        entry = await application.versions.purge(document_id, caller_of(request).namespaces)
        return JSONResponse(history_to_json(entry))
    document = await find_document(request, document_id)
    await application.documents.remove(document.id, origin=await origin_of(request))
    was_in_work = document.status in IN_WORK and not document.chunks
    job = await find_job(request, document, CANCELLED) if was_in_work else None
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={JOB_HEADER: job.id} if job else None)


@router.post("/paths", dependencies=[Depends(require_owner)], include_in_schema=False, response_model=None)
async def add_paths(request: Request, body: PathsBody) -> StreamingResponse:
    """Index files of this machine, with one line of JSON for each."""
    paths = [Path(path) for path in body.paths]
    for path in paths:
        if not path.is_absolute():
            raise InvalidRequest(f"{path} is not an absolute path.")
    documents, origin = application_of(request).documents, await origin_of(request)
    return progress(lambda report: documents.add_paths(paths, body.namespace, report, body.prune, origin=origin))


@router.post("/reindex", dependencies=[Depends(require_owner)], include_in_schema=False, response_model=None)
async def reindex(request: Request) -> StreamingResponse:
    """Split and embed everything anew, with one line of JSON for each document."""
    return progress(application_of(request).documents.reindex)


@router.post("/check", dependencies=[Depends(require_owner)], include_in_schema=False, response_model=None)
async def check(request: Request, body: CheckBody) -> dict[str, Any]:
    """What the parts of the index do not agree on."""
    findings = await application_of(request).documents.check(repair=body.repair)
    return {"findings": [finding_to_json(finding) for finding in findings]}


async def followed(request: Request, indexing: Indexing, prefer: str, done: HTTPStatus) -> Response:
    """Work on one file: its end, or its job; the owner's command line may want every step. Raises what the work raises."""
    if is_owner(request) and request.headers.get("accept") == NDJSON:
        return watched(indexing)
    return await reply(request, indexing, patience(request, prefer), done)


def patience(request: Request, prefer: str) -> float | None:
    """For how many seconds the caller is kept waiting for the end; None: as long as it takes."""
    if is_owner(request):
        return None
    wanted = WAIT.search(prefer)
    return min(PATIENCE_SECONDS, float(wanted[1])) if wanted else PATIENCE_SECONDS


def _store(file: UploadFile) -> Spool:
    """A file of its own: what the form parser holds is gone with the request."""
    try:
        spool = Spool()
        try:
            with spool.path.open("wb") as target:
                shutil.copyfileobj(file.file, target, COPY_BYTES)
        except OSError:
            spool.discard()
            raise
    except OSError as error:
        raise disk_failed(error) from error
    return spool


def _passages_json(passages: Sequence[Passage], total: int) -> str:
    return json.dumps({"passages": [passage_to_json(each) for each in passages], "total": total}, ensure_ascii=False)
