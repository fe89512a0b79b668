"""Vectors of the index that the gateway's process has, for the owner's command line alone."""

from __future__ import annotations

import asyncio

import pytest

from bots.gateway.vectors_client import VectorsClient
from core.errors import StorageFailed
from tests.bots.gateway.serving import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_owner_gets_the_vectors_as_they_lie_there(shared: Server) -> None:
    index = shared.application.vectors
    assert index is not None
    documents, _ = await shared.application.documents.page()
    passages = await shared.application.documents.passages(documents[0].id)
    ids = [passage.chunk_id for passage in passages]
    client = VectorsClient(shared.url, shared.token)
    (found,) = await asyncio.to_thread(client.stored, "default", [*ids, "unknown"])
    (lying,) = index.stored("default", ids)
    assert found.chunk_id == ids[0]
    assert found.vector.tobytes() == lying.vector.tobytes()
    assert found.heading is not None
    assert lying.heading is not None
    assert found.heading[0] == lying.heading[0]
    assert found.heading[1].tobytes() == lying.heading[1].tobytes()


async def test_nobody_else_gets_them(shared: Server) -> None:
    body = {"namespace": "default", "chunk_ids": ["c1"]}
    assert (await shared.client.post("/v1/vectors", json=body)).status_code == 403
    assert (await shared.client.post("/v1/vectors", json=body, headers=shared.owner)).status_code == 200


async def test_too_many_at_once_are_refused(shared: Server) -> None:
    body = {"namespace": "default", "chunk_ids": ["c"] * 1001}
    assert (await shared.client.post("/v1/vectors", json=body, headers=shared.owner)).status_code == 422


async def test_a_wrong_token_is_told(shared: Server) -> None:
    with pytest.raises(StorageFailed):
        await asyncio.to_thread(VectorsClient(shared.url, "wrong").stored, "default", ["c1"])
