"""The sources of an application that another process owns."""

from __future__ import annotations

from bots.gateway.owner import SHORT_SECONDS, OwnerClient
from core.errors import NotFound
from core.ports import Progress
from core.types import DocumentChange, NewSource, SyncedSource
from core.wire import source_from_json

SOURCES = "/v1/sources"


class SourcesClient(OwnerClient):
    """Implements `core.ports.Sources`."""

    async def register(self, wanted: NewSource) -> SyncedSource:
        body = {
            "address": wanted.address,
            "namespace": wanted.namespace,
            "interval_seconds": wanted.interval_seconds,
            "readers": sorted(wanted.readers),
            "arguments": dict(wanted.arguments),
            "added_by": wanted.added_by,
        }
        return source_from_json(await self._json("POST", SOURCES, SHORT_SECONDS, json=body))

    async def all(self) -> list[SyncedSource]:
        value = await self._json("GET", SOURCES, SHORT_SECONDS)
        return [source_from_json(each) for each in value["sources"]]

    async def get(self, source_id: str) -> SyncedSource:
        return source_from_json(await self._json("GET", _path(source_id), SHORT_SECONDS))

    async def sync(
        self, source_id: str, progress: Progress | None = None, *, again: bool = False, allow_empty: bool = False
    ) -> list[DocumentChange]:
        body = {"again": again, "allow_empty": allow_empty}
        return await self._with_progress(f"{_path(source_id)}/sync", progress, json=body)

    async def remove(self, source_id: str, *, keep_documents: bool = False) -> SyncedSource:
        # It may wait for a synchronisation, and removes one document after the other.
        parameters = {"keep_documents": keep_documents}
        return source_from_json(await self._json("DELETE", _path(source_id), None, params=parameters))


def _path(source_id: str) -> str:
    if not source_id.isalnum():
        raise NotFound(f"There is no source {source_id}. `lorekeeper sources list` shows them all.")
    return f"{SOURCES}/{source_id}"
