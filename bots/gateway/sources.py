"""`/v1/sources`: for the owner's command line only, because sources reach into this machine and its network."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from bots.gateway.access import require_owner
from bots.gateway.ask import Body, Namespace
from bots.gateway.ndjson import progress
from bots.gateway.parts import application_of
from core.types import DEFAULT_NAMESPACE, NewSource
from core.wire import source_to_json

router = APIRouter(prefix="/v1/sources", dependencies=[Depends(require_owner)], include_in_schema=False)


class SourceBody(Body):
    address: str = Field(min_length=1)
    namespace: Namespace = DEFAULT_NAMESPACE
    interval_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    readers: list[str] = Field(default_factory=list)
    arguments: dict[str, Any] = Field(default_factory=dict)
    added_by: str = ""


class SyncBody(Body):
    again: bool = False
    allow_empty: bool = False


@router.post("", response_model=None)
async def register(request: Request, body: SourceBody) -> dict[str, Any]:
    wanted = NewSource(**{**body.model_dump(), "readers": frozenset(body.readers)})
    return source_to_json(await application_of(request).sources.register(wanted))


@router.get("", response_model=None)
async def all_sources(request: Request) -> dict[str, Any]:
    return {"sources": [source_to_json(each) for each in await application_of(request).sources.all()]}


@router.get("/{source_id}", response_model=None)
async def get_source(request: Request, source_id: str) -> dict[str, Any]:
    return source_to_json(await application_of(request).sources.get(source_id))


@router.post("/{source_id}/sync", response_model=None)
async def sync(request: Request, source_id: str, body: SyncBody) -> StreamingResponse:
    sources = application_of(request).sources
    found = await sources.get(source_id)
    return progress(lambda report: sources.sync(found.id, report, again=body.again, allow_empty=body.allow_empty))


@router.delete("/{source_id}", response_model=None)
async def remove(request: Request, source_id: str, keep_documents: bool = False) -> dict[str, Any]:
    return source_to_json(await application_of(request).sources.remove(source_id, keep_documents=keep_documents))
