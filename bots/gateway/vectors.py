"""`/v1/vectors`: for the owner's command line only, which cannot open an embedded index that this process has."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from bots.gateway.access import require_owner
from bots.gateway.ask import Body, Namespace
from bots.gateway.parts import application_of
from core.retrieval.stored import stored_to_json

router = APIRouter(prefix="/v1/vectors", dependencies=[Depends(require_owner)], include_in_schema=False)


class VectorsBody(Body):
    namespace: Namespace
    chunk_ids: Annotated[list[str], Field(max_length=1000)]


@router.post("", response_model=None)
async def stored(request: Request, body: VectorsBody) -> dict[str, Any]:
    index = application_of(request).vectors
    assert index is not None  # noqa: S101 - a gateway only runs where the index is
    found = await asyncio.to_thread(index.stored, body.namespace, body.chunk_ids)
    return {"vectors": await asyncio.to_thread(lambda: [stored_to_json(each) for each in found])}
