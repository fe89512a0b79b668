"""What documents were before, and how it comes back. Implements `core.ports.Versions`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from core.errors import InvalidRequest, NotFound
from core.ports import Watch
from core.types import NOBODY, Document, DocumentChange, HistoryEntry, HistoryEvent, Origin
from ingest.documents import INSIDE, file_name
from ingest.engine import Stores
from ingest.received import Received


class Bring(Protocol):
    """Has a file indexed, and waits for its end."""

    def __call__(self, file: Received, watch: Watch | None = None) -> Awaitable[DocumentChange]: ...


class VersionKeeper:
    """`bring` indexes a file as if somebody had sent it; `withdraw` takes a document out of the index."""

    def __init__(self, stores: Stores, bring: Bring, withdraw: Callable[[str, Origin], Document]) -> None:
        self._stores = stores
        self._bring = bring
        self._withdraw = withdraw

    async def history(self, document_id: str, within: frozenset[str] = frozenset()) -> list[HistoryEntry]:
        return await asyncio.to_thread(self._entries, document_id, within)

    async def removed(
        self, limit: int = 100, offset: int = 0, *, within: frozenset[str] = frozenset()
    ) -> tuple[list[HistoryEntry], int]:
        return await asyncio.to_thread(self._stores.history.removed, limit, offset, within)

    async def restore(
        self,
        document_id: str,
        version: int | None = None,
        *,
        within: frozenset[str] = frozenset(),
        origin: Origin = NOBODY,
        watch: Watch | None = None,
    ) -> DocumentChange:
        file = await asyncio.to_thread(self._file, document_id, version, within, origin)
        return await self._bring(file, watch)

    async def purge(self, document_id: str, within: frozenset[str] = frozenset()) -> HistoryEntry:
        return await asyncio.to_thread(self._purge, document_id, within)

    def erase(self, document_id: str) -> None:
        """Of a removed document: its history, its jobs and every copy. Blocking."""
        for digest in self._stores.history.purge(document_id):
            self._stores.discard_file(digest)

    def _entries(self, document_id: str, within: frozenset[str]) -> list[HistoryEntry]:
        try:
            return self._stores.history.of(document_id, within)
        except NotFound:
            # It may be there all the same, and has never answered.
            document = self._stores.documents.get(document_id, within)
        why = f": {document.error}" if document.error else f", it is {document.status.value}."
        raise InvalidRequest(f"No version of {document.title} was finished so far{why}")

    def _file(self, document_id: str, version: int | None, within: frozenset[str], origin: Origin) -> Received:
        entries = self._entries(document_id, within)
        wanted = chosen(entries, version)
        data = self._stores.files.get(wanted.sha256)
        if data is None:
            raise InvalidRequest(f"The bytes of version {wanted.version} of {wanted.title} are gone.")
        # An old version is opened to nobody who may not read the document now, nor to whom it was closed then.
        access = self._stores.history.access(wanted.document_id, wanted.version)
        return Received(
            file_name(wanted),
            wanted.source,
            wanted.namespace,
            data,
            access.readers,
            title=wanted.title,
            url=access.url,
            origin=origin,
            of_version=wanted.version,
        )

    def _purge(self, document_id: str, within: frozenset[str]) -> HistoryEntry:
        last = self._last(document_id, within)
        with contextlib.suppress(NotFound):  # it was removed before
            self._withdraw(last.document_id, NOBODY)
        # A removal that was cut short may have left them.
        for member in self._stores.documents.under(last.namespace, last.source + INSIDE):
            self._withdraw(member.id, NOBODY)
        inside = self._stores.history.under(last.namespace, last.source + INSIDE)
        for each in (*sorted(inside), last.document_id):
            self.erase(each)
        return last

    def _last(self, document_id: str, within: frozenset[str]) -> HistoryEntry:
        try:
            return self._stores.history.of(document_id, within)[0]
        except NotFound:
            # It never answered.
            document = self._stores.documents.get(document_id, within)
        return HistoryEntry(
            document_id=document.id,
            namespace=document.namespace,
            source=document.source,
            title=document.title,
            event=HistoryEvent.REMOVED,
            version=document.version,
            at=document.updated_at,
        )


def chosen(entries: Sequence[HistoryEntry], version: int | None) -> HistoryEntry:
    """Which version to bring back, of a history with the latest event first. Raises `InvalidRequest`."""
    is_removed = entries[0].event is HistoryEvent.REMOVED
    present = None if is_removed else entries[0]
    versions = [entry for entry in entries if entry.event is not HistoryEvent.REMOVED]
    if version is not None:
        found = next((entry for entry in versions if entry.version == version), None)
        if found is None:
            raise InvalidRequest(f"{entries[0].title} has no version {version}.")
    else:
        others = (entry for entry in versions if present is None or entry.sha256 != present.sha256)
        found = next(others, None)
        if found is None:
            raise InvalidRequest(f"There is no other version of {entries[0].title}.")
    if present is not None and found.sha256 == present.sha256:
        raise InvalidRequest(f"Version {found.version} of {found.title} is what answers now.")
    if not found.is_kept:
        raise InvalidRequest(f"Version {found.version} of {found.title} is not kept any more.")
    return found
