"""`/v1/documents`: upload, list, status, passages, delete; and, for the owner's command line, paths and re-index."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from bots.gateway.access import is_owner, require_owner
from bots.gateway.ask import Body, Namespace
from bots.gateway.problems import problem
from core.build import Application
from core.errors import InvalidRequest, LorekeeperError, StorageFailed, TooLarge, UnsupportedFormat
from core.ports import Progress
from core.types import DEFAULT_NAMESPACE, ChangeKind, DocumentChange, DocumentStatus
from core.wire import change_to_json, document_to_json, passage_to_json

LONGEST_NAME = 200
COPY_BYTES = 1024 * 1024
# Longer than this, an upload is answered with 202 and goes on in the background; only the owner's command line waits.
PATIENCE_SECONDS = 90.0
ALL = 10**9
STATUS_BY_CODE = {
    UnsupportedFormat.code: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooLarge.code: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    StorageFailed.code: HTTPStatus.SERVICE_UNAVAILABLE,
}
NDJSON = "application/x-ndjson"
DocumentId = Annotated[str, Field(pattern=r"^[0-9a-f]{6,64}$")]
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
    indexing = asyncio.create_task(_index(_application(request), name, file, namespace))
    done, _ = await asyncio.wait({indexing}, timeout=None if is_owner(request) else PATIENCE_SECONDS)
    if not done:
        _keep(request, indexing)
        return JSONResponse(
            {"kind": "processing", "name": name, "document": None, "message": None}, HTTPStatus.ACCEPTED
        )
    change = indexing.result()
    if change.kind is ChangeKind.FAILED:
        status = STATUS_BY_CODE.get(change.code, HTTPStatus.UNPROCESSABLE_ENTITY)
        return problem(status, change.message or "The file cannot be read.", change.code)
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
    return document_to_json(await _application(request).documents.get(document_id))


@router.get("/{document_id}/passages", summary="Passages of a document", response_model=None)
async def get_passages(request: Request, document_id: DocumentId) -> dict[str, Any]:
    """In reading order."""
    passages = await _application(request).documents.passages(document_id)
    return {"passages": [passage_to_json(passage) for passage in passages]}


@router.delete("/{document_id}", status_code=HTTPStatus.NO_CONTENT, summary="Remove a document", response_model=None)
async def delete_document(request: Request, document_id: DocumentId) -> Response:
    """From both indexes, with its stored copy."""
    await _application(request).documents.remove(document_id)
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


async def _index(application: Application, name: str, file: UploadFile, namespace: str) -> DocumentChange:
    with tempfile.TemporaryDirectory(prefix="lorekeeper-upload-") as folder:
        path = Path(folder) / "file"
        await asyncio.to_thread(_copy, file, path)
        return await application.documents.add_file(name, path, namespace)


def _copy(file: UploadFile, path: Path) -> None:
    file.file.seek(0)
    with path.open("wb") as target:
        while piece := file.file.read(COPY_BYTES):
            target.write(piece)


def _keep(request: Request, task: asyncio.Task[DocumentChange]) -> None:
    """Hold a task that outlives its request; whoever waited is gone, so the log gets its failure."""
    tasks: set[asyncio.Task[DocumentChange]] = request.app.state.tasks
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    task.add_done_callback(_log_failure)


def _log_failure(task: asyncio.Task[DocumentChange]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("an upload failed in the background", exc_info=error)


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
