"""`/v1/documents`: upload, list, status, passages, delete; and, for the owner's command line, paths and re-index."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from bots.gateway.access import is_owner, require_owner
from bots.gateway.ask import Body, Namespace
from bots.gateway.incoming import disk_failed
from bots.gateway.problems import problem, status_of_code
from core.build import Application
from core.errors import InvalidRequest, LorekeeperError, NotFound
from core.plugins import load
from core.ports import Progress
from core.types import DEFAULT_NAMESPACE, ChangeKind, Document, DocumentChange, DocumentStatus, Passage
from core.wire import change_to_json, document_to_json, passage_to_json

LONGEST_NAME = 200
FILE = "file"
COPY_BYTES = 1024 * 1024
# Longer than this, an upload or a removal is answered with 202 and goes on in the background.
PATIENCE_SECONDS = 90.0
DOCUMENT_ID = "ingest.documents:document_id"
QUEUED_REMOVAL = "Documents are being indexed; the removal is queued behind them."
NDJSON = "application/x-ndjson"
DocumentId = Annotated[str, Field(max_length=64)]
log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1/documents")


class PathsBody(Body):
    paths: list[str] = Field(min_length=1)
    namespace: Namespace = DEFAULT_NAMESPACE
    prune: bool = True


@router.post("", status_code=HTTPStatus.CREATED, summary="Upload a document", response_model=None)
async def upload(
    request: Request, file: UploadFile, namespace: Annotated[Namespace, Form()] = DEFAULT_NAMESPACE
) -> Response:
    """A file with the name of an earlier upload replaces it."""
    name = _file_name(file.filename or "")
    folder = await asyncio.to_thread(_store, file)
    indexing = asyncio.create_task(_index(_application(request), name, folder, namespace))
    # The owner's command line wants to know the end; it is there as long as it takes.
    await asyncio.wait({indexing}, timeout=None if is_owner(request) else PATIENCE_SECONDS)
    if not indexing.done():
        document = _queued(name, namespace, file.size or 0)
        _go_on(request, indexing, document)
        body = {"kind": "processing", "name": name, "document": document_to_json(document), "message": None, "code": ""}
        return JSONResponse(body, HTTPStatus.ACCEPTED)
    change = indexing.result()
    if change.kind is ChangeKind.FAILED:
        return problem(status_of_code(change.code), change.message or "The file cannot be read.", change.code)
    status = HTTPStatus.OK if change.kind is ChangeKind.UNCHANGED else HTTPStatus.CREATED
    return JSONResponse(change_to_json(change), status)


@router.get("", summary="List documents", response_model=None)
async def list_documents(
    request: Request,
    namespace: Annotated[Namespace | None, Query()] = None,
    status: Annotated[DocumentStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """By title; `total` is how many there are with the wanted namespace and status."""
    port = _application(request).documents
    documents, total = await port.page(namespace, limit, offset, status)
    return {"documents": [document_to_json(document) for document in documents], "total": total}


@router.get("/{document_id}", summary="Status of a document", response_model=None)
async def get_document(request: Request, document_id: DocumentId) -> dict[str, Any]:
    """With what was lost in reading it, or why it failed."""
    waiting = _waiting(request, document_id)
    try:
        document = await _application(request).documents.get(document_id)
    except NotFound:
        if waiting is None:
            raise
        document = waiting
    if waiting is not None and document.status is not DocumentStatus.PROCESSING:
        # What the record says is still of the version before.
        document = replace(document, status=DocumentStatus.QUEUED, error=None)
    return document_to_json(document)


@router.get("/{document_id}/passages", summary="Passages of a document", response_model=None)
async def get_passages(
    request: Request,
    document_id: DocumentId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Response:
    """In reading order; `total` is how many there are."""
    passages = await _application(request).documents.passages(document_id)
    chosen = passages[offset : offset + limit]
    return Response(await asyncio.to_thread(_passages_json, chosen, len(passages)), media_type="application/json")


@router.delete("/{document_id}", status_code=HTTPStatus.NO_CONTENT, summary="Remove a document", response_model=None)
async def delete_document(request: Request, document_id: DocumentId) -> Response:
    """From both indexes, with its stored copy."""
    removing = asyncio.create_task(_application(request).documents.remove(document_id))
    await asyncio.wait({removing}, timeout=PATIENCE_SECONDS)
    if not removing.done():
        _go_on(request, removing)
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
    documents = _application(request).documents
    return _progress(lambda report: documents.add_paths(paths, body.namespace, report, prune=body.prune))


@router.post("/reindex", dependencies=[Depends(require_owner)], include_in_schema=False, response_model=None)
async def reindex(request: Request) -> StreamingResponse:
    """Split and embed everything anew, with one line of JSON for each document."""
    return _progress(_application(request).documents.reindex)


def _application(request: Request) -> Application:
    application: Application = request.app.state.application
    return application


def _file_name(given: str) -> str:
    """The last part of what the client calls the file, without control characters; never used as a path."""
    last = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip().strip(".")[-LONGEST_NAME:]
    if not name:
        raise InvalidRequest("The file has no name.")
    return name


def _store(file: UploadFile) -> TemporaryDirectory[str]:
    """A folder with the file in it: what the form parser holds is gone with the request."""
    try:
        folder = TemporaryDirectory(prefix="upload-", ignore_cleanup_errors=True)
        try:
            with (Path(folder.name) / FILE).open("wb") as target:
                shutil.copyfileobj(file.file, target, COPY_BYTES)
        except OSError:
            folder.cleanup()
            raise
    except OSError as error:
        raise disk_failed(error) from error
    return folder


async def _index(
    application: Application, name: str, folder: TemporaryDirectory[str], namespace: str
) -> DocumentChange:
    with folder:
        return await application.documents.add_file(name, Path(folder.name) / FILE, namespace)


def _queued(name: str, namespace: str, size: int) -> Document:
    """What is known of an upload before it is its turn."""
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


def _go_on(request: Request, task: asyncio.Task[Any], document: Document | None = None) -> None:
    """Hold a task that outlives its request; whoever waited is gone, so the log gets its failure."""
    background: dict[asyncio.Task[Any], Document | None] = request.app.state.background
    background[task] = document
    task.add_done_callback(background.pop)
    task.add_done_callback(_log_failure)


def _waiting(request: Request, document_id: str) -> Document | None:
    """The upload of this document that goes on in the background, if there is one."""
    background: dict[asyncio.Task[Any], Document | None] = request.app.state.background
    return next((each for each in background.values() if each and each.id.startswith(document_id)), None)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("work in the background failed", exc_info=error)


def _passages_json(passages: Sequence[Passage], total: int) -> str:
    return json.dumps({"passages": [passage_to_json(each) for each in passages], "total": total}, ensure_ascii=False)


def _progress(work: Callable[[Progress], Awaitable[list[DocumentChange]]]) -> StreamingResponse:
    return StreamingResponse(_lines(work), media_type=NDJSON)


async def _lines(work: Callable[[Progress], Awaitable[list[DocumentChange]]]) -> AsyncGenerator[str, None]:
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def report(change: DocumentChange, done: int, total: int) -> None:
        queue.put_nowait({"change": change_to_json(change), "done": done, "total": total})

    async def working() -> None:
        try:
            changes = await work(report)
            queue.put_nowait({"finished": [change_to_json(change) for change in changes]})
        except LorekeeperError as error:
            queue.put_nowait({"error": error.message, "code": error.code})
        except Exception:
            log.exception("indexing failed")
            queue.put_nowait({"error": "Indexing failed. The server's log has the cause.", "code": "error"})
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(working())
    try:
        while (line := await queue.get()) is not None:
            yield json.dumps(line) + "\n"
    finally:
        await asyncio.wait({task})
