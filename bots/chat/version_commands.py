"""Carries out what people say about the versions of documents. No platform here.

Everybody sees the history of what they can see, without the people in it; admins see and change all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bots.chat import version_results as results
from bots.chat.grammar import DocumentName, History, OfVersions, Purge, Restore
from bots.chat.reach import MATCHES, Reach, is_called, is_id
from bots.chat.results import Request, Result, origin_of
from core.errors import EmbeddingFailed, NotFound, StorageFailed
from core.ports import Versions
from core.types import Document, HistoryEntry, HistoryEvent, Job

PATIENCE_SECONDS = 20.0
"""So long somebody waits for a version that is brought back, from when it is written down that it is to be."""
Found = Document | HistoryEntry
"""A document that is there, or the removal of one that is not."""


@dataclass(frozen=True, slots=True)
class VersionCommands:
    """Its methods raise `StorageFailed` and `InvalidRequest`."""

    reach: Reach
    versions: Versions

    async def run(self, request: Request, command: OfVersions) -> Result:
        """Carry it out, or say why not. `Purge` only asks whether to. Who may is the caller's to know."""
        name, version = command.document, None
        found: Sequence[Found] = []
        if isinstance(command, Restore):
            version = command.version
            if found := await self._titled(request, command.title):
                # The number was part of the title.
                version = None
        found = found or await self._named(request, name)
        if not found:
            return results.unknown_or_purged(name.text) if request.rights.is_admin else results.unknown(name.text)
        if len(found) > 1:
            return results.several(found)
        match command:
            case History():
                return await self._history(request, found[0])
            case Restore():
                return await self._restore(request, found[0], version)
            case Purge():
                return results.asked_to_erase(found[0])

    async def purge(self, request: Request, document_id: str) -> Result:
        """The person has confirmed it."""
        try:
            last = await self.versions.purge(document_id, await self.reach.within(request))
        except NotFound:
            return Result("That document was erased already.")
        return results.erased(last)

    async def can_be_restored(self, request: Request, document_id: str) -> bool:
        """Whether anything is kept of a document that was removed."""
        try:
            entries = await self.versions.history(document_id, await self.reach.within(request))
        except NotFound:
            return False
        return any(each.is_kept for each in entries)

    async def gone(self, request: Request, name: DocumentName) -> Result | None:
        """What to say of a document that is not there but was removed, for admins; None where there is none, or for others."""
        removed = [each for each in await self._named(request, name) if isinstance(each, HistoryEntry)]
        if not removed:
            return None
        return results.gone(removed[0]) if len(removed) == 1 else results.several(removed)

    async def removed(self, request: Request, text: str, limit: int) -> Sequence[HistoryEntry]:
        """Removed documents with these words in title or file name, for admins; to others there are none."""
        if not request.rights.is_admin:
            return []
        entries, _ = await self.versions.removed(MATCHES, 0)
        wanted = text.strip().casefold()
        return [each for each in entries if wanted in each.title.casefold() or wanted in each.source.casefold()][:limit]

    async def _history(self, request: Request, found: Found) -> Result:
        entries = await self.versions.history(_id(found), await self.reach.within(request))
        return results.history(entries, is_admin=request.rights.is_admin)

    async def _restore(self, request: Request, found: Found, version: int | None) -> Result:
        """Waits for its end only for a while; what is written down goes on."""
        is_written = False
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:

                def written(_: Job) -> None:
                    nonlocal is_written
                    if not is_written:
                        is_written = True
                        limit.reschedule(loop.time() + PATIENCE_SECONDS)

                within = await self.reach.within(request)
                change = await self.versions.restore(
                    _id(found), version, within=within, origin=origin_of(request), watch=written
                )
        except TimeoutError:
            return results.being_restored(found)
        except (StorageFailed, EmbeddingFailed) as error:
            if not is_written:
                raise
            return results.put_off(found, error.message)
        return results.restored(change)

    async def _titled(self, request: Request, title: str) -> Sequence[Found]:
        """Those that are called exactly so; none for nothing."""
        name = DocumentName(title, is_quoted=True)
        return [each for each in await self._named(request, name) if is_called(each, name)] if title else []

    async def _named(self, request: Request, name: DocumentName) -> Sequence[Found]:
        """As `Reach.named`, and for admins the removed ones, too."""
        there = await self.reach.named(request, name)
        if not request.rights.is_admin:
            return there
        if is_id(name):
            if any(each.id.startswith(name.text.lower()) for each in there):
                return there
            if (gone := await self._gone(name.text.lower())) is not None:
                return [gone]
        both: list[Found] = [*there, *await self.removed(request, name.text, MATCHES)]
        return [each for each in both if is_called(each, name)] or both

    async def _gone(self, document_id: str) -> HistoryEntry | None:
        """The removal of the document of this id, if it is not there."""
        try:
            last, *_ = await self.versions.history(document_id)
        except NotFound:
            # Titles are words, and some words look like ids.
            return None
        return last if last.event is HistoryEvent.REMOVED else None


def _id(found: Found) -> str:
    return found.id if isinstance(found, Document) else found.document_id
