"""Carries out what people say about documents: who may, over which namespaces, and what they are told. No platform here.

Everybody sees what they can ask: the namespace of the place, and the default one. Admins see and change all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bots.chat.grammar import (
    Add,
    Bind,
    Command,
    DocumentName,
    Help,
    ListDocuments,
    Namespaces,
    Remove,
    Replace,
    Show,
    Status,
    Unbind,
    Unfinished,
    Unknown,
)
from bots.chat.records import about, count, file_name, is_upload
from bots.chat.results import (
    PREFIX,
    SHOWN,
    Board,
    Request,
    Result,
    Row,
    Shelf,
    asked,
    browse,
    did_you_mean,
    instructions,
    listed,
    nothing,
    paging,
    refusal,
    replacing,
    shelf_details,
    show,
    shown,
)
from core.errors import InvalidRequest, NotFound
from core.health import Check, State
from core.namespace import check_namespace
from core.ports import Documents
from core.store.conversations import Conversations
from core.store.places import Bindings
from core.types import DEFAULT_NAMESPACE, Document, DocumentStatus, Exchange

PAGE = 10
"""Documents in one list."""
MOST_NAMESPACES = 30
MOST_UNANSWERED = 10
_MATCHES = 500
_FAILED = 5
_ID = re.compile(r"[0-9a-f]{6,32}")
HERE = "Questions asked here are looked up in"
SEND = "Send me the file in a direct message."


@dataclass(frozen=True, slots=True)
class Library:
    """Its methods raise `StorageFailed`."""

    documents: Documents
    bindings: Bindings
    conversations: Conversations
    given: Mapping[str, str] = field(default_factory=dict)
    """Which namespace a place asks by the settings, where nobody bound it."""
    checks: Callable[[], Awaitable[Sequence[Check]]] | None = None

    async def run(self, request: Request, command: Command) -> Result:
        """Carry it out, or say why not. `Remove` only asks whether to."""
        if _changes(command) and not request.rights.is_admin:
            return refusal(request.rights)
        try:
            return await self._run(request, command)
        except NotFound:
            return Result("There is no such document any more.")
        except InvalidRequest as error:
            return Result("That did not work:", (Row(error.message),))

    async def _run(self, request: Request, command: Command) -> Result:  # noqa: PLR0911 - one for each command
        match command:
            case ListDocuments():
                return await self._list(request, command)
            case Show(name) | Remove(name) | Replace(name):
                return await self._one(request, name, command)
            case Bind(namespace):
                return await (self._bind(request, namespace) if namespace else self._bound(request))
            case Unbind():
                return await self._unbind(request)
            case Namespaces():
                return await self._namespaces(request)
            case Status():
                return await self._status(request)
            case Add():
                namespace = await self.destination(request, command)
                return Result(f"{SEND} Write `namespace {namespace}` with it, so that I know where it belongs.")
            case Help() | Unknown() | Unfinished():
                return instructions(command)

    async def remove(self, request: Request, document_id: str) -> Result:
        """The person has confirmed it. Waits for the documents that are being read."""
        if not request.rights.is_admin:
            return refusal(request.rights)
        try:
            removed = await self.documents.remove(document_id)
        except NotFound:
            return Result("That document was removed already.")
        return Result("Removed. Answers do not use it any more:", (Row(removed.title, (file_name(removed),)),))

    async def destination(self, request: Request, command: Add) -> str:
        """Which namespace a new document goes into. Raises `InvalidRequest`."""
        return check_namespace(command.namespace) if command.namespace else await self.namespace_of(request.place)

    async def replacement(self, request: Request, name: DocumentName) -> Document:
        """The uploaded document that a new file takes the place of. Raises `InvalidRequest`."""
        found = await self._named(request, name)
        if len(found) != 1:
            many = f"{len(found)} documents are called so; name the one that you mean by its id."
            raise InvalidRequest(many if found else f"There is no document of this id, title or file name: {name.text}")
        if not is_upload(found[0]):
            raise InvalidRequest("This document came from a folder on the server: change the file there.")
        return found[0]

    async def visible(self, request: Request) -> list[str]:
        """The namespaces that somebody may see."""
        return await self._visible(request)

    async def matching(self, request: Request, text: str, limit: int) -> Sequence[Document]:
        """Documents with these words in title or file name that somebody may see."""
        visible = frozenset(await self._visible(request))
        found, _ = await self.documents.page(None, limit, 0, within=visible, text=text.strip())
        return _seen(request, found)

    async def namespace_of(self, place: str) -> str:
        """Which namespace is asked there."""
        bound = await asyncio.to_thread(self.bindings.namespaces, [place])
        return bound.get(place) or self.given.get(place, DEFAULT_NAMESPACE)

    async def board(self, request: Request, offset: int = 0, limit: int = PAGE) -> Board:
        """Everything at a glance."""
        visible = await self._visible(request)
        documents, total, offset = await self._page(visible, None, "", offset, limit)
        unanswered: Sequence[Exchange] = ()
        if request.rights.is_admin:
            unanswered = await asyncio.to_thread(self.conversations.unanswered, visible, MOST_UNANSWERED)
        return Board(
            rights=request.rights,
            shelves=await self._shelves(request, visible),
            documents=_seen(request, documents),
            offset=offset,
            total=total,
            unanswered=tuple(unanswered),
        )

    # ── what is there ────────────────────────────────────────────────────────────────────────────

    async def _visible(self, request: Request) -> list[str]:
        """Never empty: to the documents' store, no namespace at all would mean every one."""
        own = await self.namespace_of(request.place)
        if not request.rights.is_admin:
            return sorted({own, DEFAULT_NAMESPACE})
        bound = {each.namespace for each in await asyncio.to_thread(self.bindings.all)}
        return sorted({own, *bound, *self.given.values(), *await self.documents.namespaces()})

    async def _page(
        self, within: Sequence[str], namespace: str | None, text: str, offset: int, limit: int
    ) -> tuple[list[Document], int, int]:
        """The documents, how many there are in all, and where the page begins: the last one, where there is none."""
        seen = frozenset(within)
        found, total = await self.documents.page(namespace, limit, offset, within=seen, text=text)
        if not found and total:
            offset = (total - 1) // limit * limit
            found, total = await self.documents.page(namespace, limit, offset, within=seen, text=text)
        return found, total, offset if total else 0

    async def _count(self, within: Sequence[str], status: DocumentStatus | None = None) -> int:
        _, total = await self.documents.page(None, 1, 0, status, within=frozenset(within))
        return total

    async def _shelves(self, request: Request, visible: Sequence[str]) -> tuple[Shelf, ...]:
        own = await self.namespace_of(request.place)
        places = await self._places()
        return tuple(
            [
                Shelf(
                    name, await self._count([name]), name == own, places.count(name) if request.rights.is_admin else 0
                )
                for name in visible[:MOST_NAMESPACES]
            ]
        )

    async def _places(self) -> list[str]:
        """The namespace of every place that is bound."""
        bound = {each.place: each.namespace for each in await asyncio.to_thread(self.bindings.all)}
        return list({**self.given, **bound}.values())

    async def _list(self, request: Request, command: ListDocuments) -> Result:
        visible = await self._visible(request)
        namespace = next((each for each in visible if each.lower() == command.name.lower()), None)
        text = command.text if namespace else f"{command.name} {command.text}".strip()
        found, total, offset = await self._page(visible, namespace, text, (command.page - 1) * PAGE, PAGE)
        where = listed([namespace] if namespace else visible)
        if not found:
            return Result(f"{nothing(where, is_search=bool(text))}{did_you_mean(command.name, visible)}")
        matching = " that match" if text else ""
        last = offset + len(found)
        text = f"Documents {offset + 1} to {last} of {total}{matching} in {where}:"
        rows = tuple(Row(each.title, about(each), show(each)) for each in _seen(request, found))
        return Result(text, rows, tuple(paging(command, offset // PAGE + 1, is_last=last >= total)))

    async def _namespaces(self, request: Request) -> Result:
        visible = await self._visible(request)
        shelves = await self._shelves(request, visible)
        rows = tuple(Row(each.namespace, shelf_details(each), browse(each.namespace)) for each in shelves)
        left = len(visible) - len(shelves)
        more = f" These are the first; there are {left} more." if left else ""
        return Result(f"{HERE} `{await self.namespace_of(request.place)}`.{more}", rows)

    async def _status(self, request: Request) -> Result:
        visible = await self._visible(request)
        counts = {status: await self._count(visible, status) for status in DocumentStatus}
        waiting = counts[DocumentStatus.QUEUED] + counts[DocumentStatus.PROCESSING]
        text = (
            f"{HERE} `{await self.namespace_of(request.place)}`.\n\n{count(sum(counts.values()), 'document')} in "
            f"{listed(visible)}: {counts[DocumentStatus.READY]} ready, {waiting} being read, "
            f"{counts[DocumentStatus.FAILED]} failed."
        )
        return Result(text, await self._troubles(visible) if request.rights.is_admin else ())

    async def _troubles(self, visible: Sequence[str]) -> tuple[Row, ...]:
        failed, _ = await self.documents.page(
            None, _FAILED, 0, DocumentStatus.FAILED, within=frozenset(visible), newest_first=True
        )
        checks = await self.checks() if self.checks else ()
        return (
            *(Row(each.name, (each.detail, each.remedy)) for each in checks if each.state is not State.OK),
            *(Row(each.title, about(each), show(each)) for each in failed),
        )

    # ── one document ─────────────────────────────────────────────────────────────────────────────

    async def _one(self, request: Request, name: DocumentName, command: Show | Remove | Replace) -> Result:
        found = await self._named(request, name)
        if not found:
            return Result(
                f"There is no document of this id, title or file name here. `{PREFIX} list` shows all:",
                (Row(name.text),),
            )
        if len(found) > 1:
            rows = tuple(Row(each.title, about(each)) for each in found[:SHOWN])
            left = len(found) - len(rows)
            more = f" These are the first; there are {left} more." if left else ""
            return Result(f"{len(found)} documents are called so. Name the one that you mean by its id.{more}", rows)
        (document,) = found
        if isinstance(command, Show):
            return shown(document, is_admin=request.rights.is_admin)
        return asked(document) if isinstance(command, Remove) else replacing(document)

    async def _named(self, request: Request, name: DocumentName) -> Sequence[Document]:
        """Those that somebody may mean: of this id, else of exactly this title or file name, else with it in theirs."""
        visible = frozenset(await self._visible(request))
        if not name.is_quoted and _ID.fullmatch(name.text.lower()):
            try:
                return _seen(request, [await self.documents.get(name.text.lower(), visible)])
            except NotFound:
                # Titles are words, and some words look like ids.
                pass
        found, _ = await self.documents.page(None, _MATCHES, 0, within=visible, text=name.text)
        seen = _seen(request, found)
        wanted = name.text.casefold()
        exact = [
            each for each in seen if wanted in {" ".join(each.title.split()).casefold(), file_name(each).casefold()}
        ]
        return exact or seen

    # ── what a place asks ────────────────────────────────────────────────────────────────────────

    async def _bound(self, request: Request) -> Result:
        bound = await asyncio.to_thread(self.bindings.namespaces, [request.place])
        namespace = await self.namespace_of(request.place)
        if request.place in bound:
            why = f"An admin bound it; `{PREFIX} unbind` undoes that."
        elif request.place in self.given:
            why = "The settings say so."
        else:
            why = f"That is the default; `{PREFIX} bind NAMESPACE` changes it."
        return Result(f"{HERE} `{namespace}`. {why}")

    async def _bind(self, request: Request, namespace: str) -> Result:
        check_namespace(namespace)
        known = await self._visible(request)
        await asyncio.to_thread(self.bindings.bind, request.place, namespace, request.user)
        text = f"From now on, questions asked here are looked up in `{namespace}`. Everybody who can write here can ask it."
        if await self._count([namespace]):
            return Result(text)
        empty = f" It is empty so far: `{PREFIX} add {namespace}` adds a document."
        return Result(f"{text}{empty}{'' if namespace in known else did_you_mean(namespace, known)}")

    async def _unbind(self, request: Request) -> Result:
        was_bound = await asyncio.to_thread(self.bindings.unbind, request.place)
        namespace = await self.namespace_of(request.place)
        if was_bound:
            return Result(f"From now on, questions asked here are looked up in `{namespace}`.")
        why = " The settings say so, and only they can change it." if request.place in self.given else ""
        return Result(f"Nobody has bound this place. {HERE} `{namespace}`.{why}")


def _changes(command: Command) -> bool:
    return isinstance(command, Remove | Replace | Unbind | Add) or (
        isinstance(command, Bind) and bool(command.namespace)
    )


def _seen(request: Request, documents: Sequence[Document]) -> tuple[Document, ...]:
    """Without those that only some readers may see."""
    return tuple(each for each in documents if request.rights.is_admin or not each.readers)
