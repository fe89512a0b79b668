"""`/v1/documents`: upload, list, status, passages, delete; and, for the owner's command line, paths and re-index."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from bots.gateway import document_examples, examples
from bots.gateway.access import caller_of, is_owner, needs, require_owner, within
from bots.gateway.ask import Body, Namespace
from bots.gateway.incoming import Spool, disk_failed
from bots.gateway.indexing import DocumentId, check_queue, file_name, find_document, go_on, index, queued
from bots.gateway.ndjson import progress
from bots.gateway.parts import application_of
from bots.gateway.problems import problem, status_of_code
from core.access import Permission
from core.errors import InvalidRequest
from core.types import DEFAULT_NAMESPACE, ChangeKind, DocumentStatus, Passage
from core.wire import change_to_json, document_to_json, passage_to_json

COPY_BYTES = 1024 * 1024
# Longer than this, an upload or a removal is answered with 202 and goes on in the background.
PATIENCE_SECONDS = 90.0
QUEUED_REMOVAL = "Documents are being indexed; the removal is queued behind them."
LONGEST_FILTER = 200
readers = [Depends(needs(Permission.READ))]
writers = [Depends(needs(Permission.WRITE))]
log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1/documents", responses=examples.PROBLEMS)


class Sort(StrEnum):
    TITLE = "title"
    UPDATED = "-updated_at"


class PathsBody(Body):
    paths: list[str] = Field(min_length=1)
    namespace: Namespace = DEFAULT_NAMESPACE
    prune: bool = True


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Upload a document",
    dependencies=writers,
    responses=document_examples.UPLOADED,
    response_model=None,
)
async def upload(request: Request, file: UploadFile, namespace: Annotated[Namespace | None, Form()] = None) -> Response:
    """A file with the name of an earlier upload replaces it."""
    check_queue(request)
    namespace = within(request, namespace)
    name = file_name(file.filename or "")
    spool = await asyncio.to_thread(_store, file)
    indexing = asyncio.create_task(index(application_of(request), name, spool, namespace))
    # The owner's command line wants to know the end; it is there as long as it takes.
    await asyncio.wait({indexing}, timeout=None if is_owner(request) else PATIENCE_SECONDS)
    if not indexing.done():
        document = queued(name, namespace, file.size or 0)
        go_on(request, indexing, document)
        body = {
            "kind": "processing",
            "name": name,
            "document": document_to_json(document),
            "message": None,
            "code": "",
            "inside": "",
        }
        return JSONResponse(body, HTTPStatus.ACCEPTED)
    change = indexing.result()
    if change.kind is ChangeKind.FAILED:
        return problem(status_of_code(change.code), change.message or "The file cannot be read.", change.code)
    status = HTTPStatus.OK if change.kind is ChangeKind.UNCHANGED else HTTPStatus.CREATED
    return JSONResponse(change_to_json(change), status)


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
    wanted = frozenset(within(request, each) for each in namespace or ()) or caller_of(request).namespaces
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
    return document_to_json(await find_document(request, document_id))


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
async def delete_document(request: Request, document_id: DocumentId) -> Response:
    """From both indexes, with its stored copy."""
    document = await find_document(request, document_id)
    removing = asyncio.create_task(application_of(request).documents.remove(document.id))
    await asyncio.wait({removing}, timeout=PATIENCE_SECONDS)
    if not removing.done():
        go_on(request, removing)
        return JSONResponse({"message": QUEUED_REMOVAL}, HTTPStatus.ACCEPTED)
    removing.result()
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/paths", dependencies=[Depends(require_owner)], include_in_schema=False, response_model=None)
async def add_paths(request: Request, body: PathsBody) -> StreamingResponse:
    """Index files of this machine, with one line of JSON for each."""
    paths = [Path(path) for path in body.paths]
    for path in paths:
        if not path.is_absolute():
            raise InvalidRequest(f"{path} is not an absolute path.")
    documents = application_of(request).documents
    return progress(lambda report: documents.add_paths(paths, body.namespace, report, prune=body.prune))


@router.post("/reindex", dependencies=[Depends(require_owner)], include_in_schema=False, response_model=None)
async def reindex(request: Request) -> StreamingResponse:
    """Split and embed everything anew, with one line of JSON for each document."""
    return progress(application_of(request).documents.reindex)


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
