"""What the documents of an application that another process owns were before."""

from __future__ import annotations

from bots.gateway.agreed import said_by
from bots.gateway.owner import SHORT_SECONDS, OwnerClient
from core.errors import NotFound
from core.ports import Watch
from core.types import NOBODY, DocumentChange, HistoryEntry, Origin
from core.wire import history_from_json

DOCUMENTS = "/v1/documents"


class VersionsClient(OwnerClient):
    """Implements `core.ports.Versions`."""

    async def history(self, document_id: str, within: frozenset[str] = frozenset()) -> list[HistoryEntry]:
        value = await self._json("GET", f"{_path(document_id)}/history", SHORT_SECONDS)
        entries = [history_from_json(each) for each in value["history"]]
        if within and not any(entry.namespace in within for entry in entries):
            raise _not_found(document_id)
        return entries

    async def removed(
        self, limit: int = 100, offset: int = 0, *, within: frozenset[str] = frozenset()
    ) -> tuple[list[HistoryEntry], int]:
        chosen = {"namespace": sorted(within)}
        values, total = await self._page(f"{DOCUMENTS}/removed", "removed", limit, offset, chosen)
        return [history_from_json(value) for value in values], total

    async def restore(
        self,
        document_id: str,
        version: int | None = None,
        *,
        within: frozenset[str] = frozenset(),
        origin: Origin = NOBODY,
        watch: Watch | None = None,
    ) -> DocumentChange:
        path = f"{await self._path_within(document_id, within)}/restore"
        return await self._watched(path, watch, json={"version": version}, headers=said_by(origin))

    async def purge(self, document_id: str, within: frozenset[str] = frozenset()) -> HistoryEntry:
        path = await self._path_within(document_id, within)
        return history_from_json(await self._json("DELETE", path, None, params={"purge": True}))

    async def _path_within(self, document_id: str, within: frozenset[str]) -> str:
        """The document's address. Raises `NotFound` for one in another namespace."""
        if within:
            document_id = (await self.history(document_id, within))[0].document_id
        return _path(document_id)


def _path(document_id: str) -> str:
    if not document_id.isalnum():
        raise _not_found(document_id)
    return f"{DOCUMENTS}/{document_id}"


def _not_found(document_id: str) -> NotFound:
    return NotFound(f"No document {document_id} is known, neither there nor removed.")
