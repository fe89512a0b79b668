"""`/v1/uploads`: files in pieces, so that a dropped connection costs no more than what was on its way (tus 1.0.0)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Depends, Header, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bots.gateway.access import caller_of, needs, within
from bots.gateway.asking import CLIENT_LEFT
from bots.gateway.indexing import UNREADABLE, check_queue, ended, file_name
from bots.gateway.origins import origin_of
from bots.gateway.parts import application_of
from bots.gateway.pieces import Announced, Pieces, TooManyUploads, Upload
from bots.gateway.problems import status_of_code
from bots.gateway.tus import EXTENSIONS, PIECE_TYPE, VERSION, TusRoute, http_date, metadata_of, speaks_tus
from core.access import Permission
from core.errors import InvalidRequest, TooLarge
from core.namespace import check_namespace
from core.ports import Watch
from core.types import DocumentChange, Job

PATH = "/v1/uploads"
DOCUMENT_HEADER = "Lorekeeper-Document"
# Until then some of the unfinished uploads are likely to have ended.
FULL_SECONDS = 60
BUSY_SECONDS = 1
UploadId = Annotated[str, InPath(max_length=64)]
Length = Annotated[int, Header(ge=0)]
"""Of the whole file, in bytes."""
Offset = Annotated[int, Header(ge=0)]
"""How many bytes the client believes that the server has."""
Metadata = Annotated[str, Header()]
"""`filename` and, if wanted, `namespace`, each followed by its value in base64."""
log = structlog.get_logger(__name__)
# OpenAPI cannot say what tus says: bodies are pieces of a file, and a wrong version is a status of its own.
router = APIRouter(prefix=PATH, route_class=TusRoute, include_in_schema=False)
writers = [Depends(needs(Permission.WRITE)), Depends(speaks_tus)]


@router.options("", status_code=HTTPStatus.NO_CONTENT, summary="What uploads in pieces can do", response_model=None)
async def capabilities(request: Request) -> Response:
    """The version and the extensions of tus, and the largest file in bytes."""
    headers = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(_largest(request))}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Begin an upload in pieces",
    dependencies=writers,
    response_model=None,
)
async def begin(request: Request, upload_length: Length, upload_metadata: Metadata = "") -> Response:
    """`Location` has the address for the pieces. The first one may come along as the body."""
    announced = _announced(request, upload_length, upload_metadata)
    brings_piece = _announced_size(request) != 0
    if brings_piece:
        _check_piece(request, announced.length)
    await check_queue(request)
    pieces = _pieces(request)
    try:
        upload = await pieces.begin(announced)
    except TooManyUploads as error:
        headers = {"Retry-After": str(FULL_SECONDS)}
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, error.message, headers) from error
    is_begun = False
    try:
        if brings_piece:
            await _receive(request, upload)
        else:
            await _hand_on(request, upload)
        is_begun = True
    except ClientDisconnect:
        return Response(status_code=CLIENT_LEFT)
    finally:
        # Without an answer the client does not know where to go on.
        if not is_begun and not upload.is_finished:
            await pieces.drop(upload)
    headers = {"Location": f"{PATH}/{upload.id}", **_state(upload)}
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


@router.head(
    "/{upload_id}",
    summary="How far an upload is",
    dependencies=writers,
    response_model=None,
)
async def how_far(request: Request, upload_id: UploadId) -> Response:
    """`Upload-Offset` is where to go on."""
    upload = _pieces(request).find(upload_id, caller_of(request).key)
    headers = {"Upload-Length": str(upload.announced.length), "Cache-Control": "no-store", **_state(upload)}
    if upload.announced.metadata:
        headers["Upload-Metadata"] = upload.announced.metadata
    return Response(status_code=HTTPStatus.OK, headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Send a piece",
    dependencies=writers,
    response_model=None,
)
async def send(request: Request, upload_id: UploadId, upload_offset: Offset) -> Response:
    """With the last one, the document is on its way into the index, and `Lorekeeper-Document` has its id."""
    upload = _pieces(request).find(upload_id, caller_of(request).key)
    if upload.is_busy:
        words = "Another piece of this upload is still being received. Please try again in a moment."
        raise HTTPException(HTTPStatus.LOCKED, words, {"Retry-After": str(BUSY_SECONDS)})
    if upload_offset != upload.offset:
        words = f"The piece begins at byte {upload_offset}, but {upload.offset} bytes are there. Go on from there."
        raise HTTPException(HTTPStatus.CONFLICT, words, {"Upload-Offset": str(upload.offset)})
    _check_piece(request, upload.announced.length - upload.offset)
    try:
        await _receive(request, upload)
    except ClientDisconnect:
        log.info("the client left in the middle of a piece", upload=upload.id, offset=upload.offset)
        return Response(status_code=CLIENT_LEFT)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=_state(upload))


@router.delete(
    "/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Give an upload up",
    dependencies=writers,
    response_model=None,
)
async def give_up(request: Request, upload_id: UploadId) -> Response:
    """What is there of it is deleted; a document that was complete already stays."""
    pieces = _pieces(request)
    await pieces.drop(pieces.find(upload_id, caller_of(request).key))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Send a piece, or give an upload up",
    dependencies=writers,
    response_model=None,
)
async def override(
    request: Request,
    upload_id: UploadId,
    x_http_method_override: Annotated[Literal["PATCH", "DELETE"], Header(examples=["PATCH"])],
    upload_offset: Offset = 0,
) -> Response:
    """For clients whose surroundings let no other method through: it stands in `X-HTTP-Method-Override`."""
    if x_http_method_override == "DELETE":
        return await give_up(request, upload_id)
    return await send(request, upload_id, upload_offset)


def _pieces(request: Request) -> Pieces:
    pieces: Pieces = request.app.state.pieces
    return pieces


def _largest(request: Request) -> int:
    return application_of(request).settings.server.max_upload_mb * 2**20


def _announced(request: Request, length: int, metadata: str) -> Announced:
    if length > _largest(request):
        megabytes = application_of(request).settings.server.max_upload_mb
        raise TooLarge(f"The file is too large; at most {megabytes} MB are accepted (server.max_upload_mb).")
    values = metadata_of(metadata)
    if "filename" not in values:
        raise InvalidRequest("Upload-Metadata has no filename: send `filename`, a space, and the name in base64.")
    given = values.get("namespace")
    namespace = within(request, None if given is None else check_namespace(given))
    return Announced(file_name(values["filename"]), namespace, length, metadata, caller_of(request).key)


def _check_piece(request: Request, room: int) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != PIECE_TYPE:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"A piece has the Content-Type {PIECE_TYPE}.")
    if (_announced_size(request) or 0) > room:
        raise TooLarge(f"The piece is longer than the {room} bytes that are left of the announced length.")


def _announced_size(request: Request) -> int | None:
    """In bytes; None when the end will show itself."""
    if "transfer-encoding" in request.headers:
        return None
    given = request.headers.get("content-length", "")
    return int(given) if given.isdecimal() else 0


async def _receive(request: Request, upload: Upload) -> None:
    """Write what comes as it comes. What arrived counts, whatever ends it."""
    with upload.writing():
        try:
            async for data in request.stream():
                await upload.write(data)
        finally:
            await _hand_on(request, upload)


async def _hand_on(request: Request, upload: Upload) -> None:
    """Let the file be indexed once all of it is there. What fails before that is written down can be tried again."""
    if not upload.is_complete:
        return
    announced, origin = upload.announced, await origin_of(request)
    documents = application_of(request).documents
    with upload.handing_over() as spool:

        async def indexing(watch: Watch) -> DocumentChange:
            return await documents.add_file(announced.name, spool.path, announced.namespace, origin=origin, watch=watch)

        upload.document_id = _document_of(await ended(indexing, 0.0))
    await asyncio.to_thread(spool.discard)


def _document_of(end: DocumentChange | Job) -> str:
    """Raises `HTTPException` for a file that did not even become a failed document."""
    if isinstance(end, Job):
        return end.document_id
    if end.document is None:
        raise HTTPException(status_of_code(end.code), end.message or UNREADABLE)
    return end.document.id


def _state(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset)}
    if upload.is_finished:
        headers[DOCUMENT_HEADER] = upload.document_id
    else:
        headers["Upload-Expires"] = http_date(upload.expires_at)
    return headers
