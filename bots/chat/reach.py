"""Which namespaces and documents somebody may see, and which document they mean. No platform here.

Everybody sees what they can ask: the namespace of the place, and the default one. Admins see all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bots.chat.grammar import DocumentName
from bots.chat.records import file_name
from bots.chat.results import Request
from core.errors import NotFound
from core.ports import Documents
from core.store.places import Bindings
from core.types import DEFAULT_NAMESPACE, Document, HistoryEntry

MATCHES = 500
_ID = re.compile(r"[0-9a-f]{6,32}")


@dataclass(frozen=True, slots=True)
class Reach:
    """Its methods raise `StorageFailed`."""

    documents: Documents
    bindings: Bindings
    given: Mapping[str, str]

    async def namespace_of(self, place: str) -> str:
        """Which namespace is asked there."""
        bound = await asyncio.to_thread(self.bindings.namespaces, [place])
        return bound.get(place) or self.given.get(place, DEFAULT_NAMESPACE)

    async def visible(self, request: Request) -> list[str]:
        """Never empty: to the documents' store, no namespace at all would mean every one."""
        own = await self.namespace_of(request.place)
        if not request.rights.is_admin:
            return sorted({own, DEFAULT_NAMESPACE})
        bound = {each.namespace for each in await asyncio.to_thread(self.bindings.all)}
        return sorted({own, *bound, *self.given.values(), *await self.documents.namespaces()})

    async def within(self, request: Request) -> frozenset[str]:
        """The same, but for admins empty, which means all: also those whose documents are all removed or failed."""
        return frozenset() if request.rights.is_admin else frozenset(await self.visible(request))

    async def named(self, request: Request, name: DocumentName) -> Sequence[Document]:
        """Those that somebody may mean: of this id, else of exactly this title or file name, else with it in theirs."""
        visible = frozenset(await self.visible(request))
        if is_id(name):
            try:
                return seen(request, [await self.documents.get(name.text.lower(), visible)])
            except NotFound:
                # Titles are words, and some words look like ids.
                pass
        found, _ = await self.documents.page(None, MATCHES, 0, within=visible, text=name.text)
        known = seen(request, found)
        return [each for each in known if is_called(each, name)] or known


def is_id(name: DocumentName) -> bool:
    """Whether it can be the id of a document, or the beginning of one."""
    return not name.is_quoted and bool(_ID.fullmatch(name.text.lower()))


def is_called(thing: Document | HistoryEntry, name: DocumentName) -> bool:
    """Whether this is exactly its title or file name."""
    return name.text.casefold() in {" ".join(thing.title.split()).casefold(), file_name(thing).casefold()}


def seen(request: Request, documents: Sequence[Document]) -> tuple[Document, ...]:
    """Without those that only some readers may see."""
    return tuple(each for each in documents if request.rights.is_admin or not each.readers)
