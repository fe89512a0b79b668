"""The vectors of an index that another process owns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bots.gateway.owner import SHORT_SECONDS, UNREACHABLE, OwnerClient
from core.errors import StorageFailed
from core.retrieval.stored import StoredVector, stored_from_json

VECTORS = "/v1/vectors"


class VectorsClient(OwnerClient):
    """Implements `core.retrieval.stored.StoredVectors`; for commands, which have no event loop of their own."""

    def stored(self, namespace: str, chunk_ids: Sequence[str]) -> list[StoredVector]:
        return asyncio.run(self._stored({"namespace": namespace, "chunk_ids": list(chunk_ids)}))

    async def _stored(self, body: dict[str, object]) -> list[StoredVector]:
        value = await self._json("POST", VECTORS, SHORT_SECONDS, json=body)
        try:
            return [stored_from_json(each) for each in value["vectors"]]
        except (ValueError, KeyError, TypeError) as error:
            raise StorageFailed(UNREACHABLE) from error
