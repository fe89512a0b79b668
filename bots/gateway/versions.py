"""What documents were before: history, removed documents, and bringing them back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from bots.gateway import document_examples, examples
from bots.gateway.access import among, needs, not_public
from bots.gateway.ask import Body, Namespace
from bots.gateway.documents import Prefer, followed
from bots.gateway.indexing import DocumentId
from bots.gateway.origins import origin_of
from bots.gateway.parts import application_of
from core.access import Permission
from core.ports import Watch
from core.types import DocumentChange
from core.wire import history_to_json

# They name who changed a document.
readers = [Depends(needs(Permission.READ)), Depends(not_public)]
writers = [Depends(needs(Permission.WRITE))]
router = APIRouter(prefix="/v1/documents", responses=examples.PROBLEMS)


class RestoreBody(Body):
    version: Annotated[int, Field(ge=1, le=2**31 - 1, examples=[2])] | None = None
    """Without it, the last one of a removed document, and the one before of another."""


@router.get(
    "/removed",
    summary="List removed documents",
    dependencies=readers,
    responses=document_examples.REMOVALS,
    response_model=None,
)
async def list_removed(
    request: Request,
    namespace: Annotated[list[Namespace], Query(default_factory=list, description="May be given more than once.")],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """Those that are not there again, the latest removal first."""
    removed, total = await application_of(request).versions.removed(limit, offset, within=among(request, namespace))
    return {"removed": [history_to_json(entry) for entry in removed], "total": total}


@router.get(
    "/{document_id}/history",
    summary="History of a document",
    dependencies=readers,
    responses=document_examples.HISTORY,
    response_model=None,
)
async def get_history(request: Request, document_id: DocumentId) -> dict[str, Any]:
    """Its versions and removals, the latest first; also of a removed document."""
    entries = await application_of(request).versions.history(document_id, among(request))
    return {"history": [history_to_json(entry) for entry in entries]}


@router.post(
    "/{document_id}/restore",
    summary="Bring a version back",
    dependencies=writers,
    responses=document_examples.RESTORED,
    response_model=None,
)
async def restore(request: Request, document_id: DocumentId, body: RestoreBody, prefer: Prefer = "") -> Response:
    """Of a removed document, or an earlier one of a document that is there, as a new version."""
    versions, namespaces = application_of(request).versions, among(request)
    origin = await origin_of(request)

    async def indexing(watch: Watch) -> DocumentChange:
        return await versions.restore(document_id, body.version, within=namespaces, origin=origin, watch=watch)

    return await followed(request, indexing, prefer, HTTPStatus.OK)
