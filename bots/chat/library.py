"""Carries out what people say about documents: who may, over which namespaces, and what they are told. No platform here.

Everybody sees what they can ask: the namespace of the place, and the default one. Admins see and change all.
What is said about versions and about files in work is in files of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bots.chat.grammar import (
    Add,
    Bind,
    CancelJob,
    Command,
    DocumentName,
    Failed,
    Help,
    History,
    ListDocuments,
    Namespaces,
    Purge,
    Remove,
    Replace,
    Restore,
    RetryJob,
    Show,
    Status,
    Unbind,
    Unfinished,
    Unknown,
    Verb,
)
from bots.chat.job_commands import ENDED_BADLY, UNFINISHED, JobCommands
from bots.chat.reach import Reach, seen
from bots.chat.records import about, count, is_upload
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
    origin_of,
    paging,
    refusal,
    removed,
    replacing,
    shelf_details,
    show,
    shown,
)
from bots.chat.version_commands import VersionCommands
from core.errors import InvalidRequest, NotFound
from core.health import Check, State
from core.namespace import check_namespace
from core.ports import Documents, Jobs, Versions
from core.store.conversations import Conversations
from core.store.places import Bindings
from core.types import Document, DocumentStatus, Exchange, HistoryEntry, Job

PAGE = 10
"""Documents in one list."""
MOST_NAMESPACES = 30
MOST_UNANSWERED = 10
_FAILED = 5
HERE = "Questions asked here are looked up in"
SEND = "Send me the file in a direct message."


@dataclass(frozen=True, slots=True)
class Library:
    """Its methods raise `StorageFailed`."""

    documents: Documents
    versions: Versions
    jobs: Jobs
    bindings: Bindings
    conversations: Conversations
    given: Mapping[str, str] = field(default_factory=dict)
    """Which namespace a place asks by the settings, where nobody bound it."""
    checks: Callable[[], Awaitable[Sequence[Check]]] | None = None
    keep_removed_days: int = 0
    """How long removed documents can be brought back."""

    @property
    def _reach(self) -> Reach:
        return Reach(self.documents, self.bindings, self.given)

    @property
    def _versions(self) -> VersionCommands:
        return VersionCommands(self._reach, self.versions)

    async def run(self, request: Request, command: Command) -> Result:
        """Carry it out, or say why not. `Remove` and `Purge` only ask whether to."""
        if _is_for_admins(command) and not request.rights.is_admin:
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
            case Bind() | Unbind():
                return await self._binding(request, command)
            case Namespaces():
                return await self._namespaces(request)
            case Status():
                return await self._status(request)
            case History() | Restore() | Purge():
                return await self._versions.run(request, command)
            case Failed() | RetryJob() | CancelJob():
                return await JobCommands(self.jobs).run(command)
            case Add():
                namespace = await self.destination(request, command)
                return Result(f"{SEND} Write `namespace {namespace}` with it, so that I know where it belongs.")
            case Help() | Unknown() | Unfinished():
                return instructions(command)

    async def confirmed(self, request: Request, what: str) -> Result:
        """The person has confirmed `remove ID` or `purge ID`; an id alone is what older messages say for removing."""
        if not request.rights.is_admin:
            return refusal(request.rights)
        verb, _, document_id = what.rpartition(" ")
        try:
            if verb == Verb.PURGE:
                return await self._versions.purge(request, document_id)
            document = await self.documents.remove(document_id, origin=origin_of(request))
        except NotFound:
            return Result("That document was removed already.")
        except InvalidRequest as error:
            return Result("That did not work:", (Row(error.message),))
        if await self._versions.can_be_restored(request, document_id):
            return removed(document, can_be_restored=True)
        return removed(document, given_up=await JobCommands(self.jobs).given_up(document))

    async def destination(self, request: Request, command: Add) -> str:
        """Which namespace a new document goes into. Raises `InvalidRequest`."""
        return check_namespace(command.namespace) if command.namespace else await self.namespace_of(request.place)

    async def replacement(self, request: Request, name: DocumentName) -> Document:
        """The uploaded document that a new file takes the place of. Raises `InvalidRequest`."""
        found = await self._reach.named(request, name)
        if len(found) != 1:
            many = f"{len(found)} documents are called so; name the one that you mean by its id."
            raise InvalidRequest(many if found else f"There is no document of this id, title or file name: {name.text}")
        if not is_upload(found[0]):
            raise InvalidRequest("This document came from a folder on the server: change the file there.")
        return found[0]

    async def visible(self, request: Request) -> list[str]:
        """The namespaces that somebody may see."""
        return await self._reach.visible(request)

    async def matching(self, request: Request, text: str, limit: int) -> Sequence[Document]:
        """Documents with these words in title or file name that somebody may see."""
        visible = frozenset(await self._reach.visible(request))
        found, _ = await self.documents.page(None, limit, 0, within=visible, text=text.strip())
        return seen(request, found)

    async def removed(self, request: Request, text: str, limit: int) -> Sequence[HistoryEntry]:
        """Removed documents with these words in title or file name; for admins only."""
        return await self._versions.removed(request, text, limit)

    async def jobs_for(self, request: Request, verb: str, text: str, limit: int) -> Sequence[Job]:
        """What may be meant after `retry` or `cancel`, by these words; for admins only."""
        if not request.rights.is_admin:
            return []
        states = UNFINISHED if verb == Verb.CANCEL else ENDED_BADLY
        return await JobCommands(self.jobs).matching(states, text, limit)

    async def namespace_of(self, place: str) -> str:
        """Which namespace is asked there."""
        return await self._reach.namespace_of(place)

    async def board(self, request: Request, offset: int = 0, limit: int = PAGE) -> Board:
        """Everything at a glance."""
        visible = await self._reach.visible(request)
        documents, total, offset = await self._page(visible, None, "", offset, limit)
        unanswered: Sequence[Exchange] = ()
        if request.rights.is_admin:
            unanswered = await asyncio.to_thread(self.conversations.unanswered, visible, MOST_UNANSWERED)
        return Board(
            rights=request.rights,
            shelves=await self._shelves(request, visible),
            documents=seen(request, documents),
            offset=offset,
            total=total,
            unanswered=tuple(unanswered),
        )

    # ── what is there ────────────────────────────────────────────────────────────────────────────

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
        visible = await self._reach.visible(request)
        namespace = next((each for each in visible if each.lower() == command.name.lower()), None)
        text = command.text if namespace else f"{command.name} {command.text}".strip()
        found, total, offset = await self._page(visible, namespace, text, (command.page - 1) * PAGE, PAGE)
        where = listed([namespace] if namespace else visible)
        if not found:
            return Result(f"{nothing(where, is_search=bool(text))}{did_you_mean(command.name, visible)}")
        matching = " that match" if text else ""
        last = offset + len(found)
        text = f"Documents {offset + 1} to {last} of {total}{matching} in {where}:"
        rows = tuple(Row(each.title, about(each), show(each)) for each in seen(request, found))
        return Result(text, rows, tuple(paging(command, offset // PAGE + 1, is_last=last >= total)))

    async def _namespaces(self, request: Request) -> Result:
        visible = await self._reach.visible(request)
        shelves = await self._shelves(request, visible)
        rows = tuple(Row(each.namespace, shelf_details(each), browse(each.namespace)) for each in shelves)
        left = len(visible) - len(shelves)
        more = f" These are the first; there are {left} more." if left else ""
        return Result(f"{HERE} `{await self.namespace_of(request.place)}`.{more}", rows)

    async def _status(self, request: Request) -> Result:
        visible = await self._reach.visible(request)
        counts = {status: await self._count(visible, status) for status in DocumentStatus}
        waiting = counts[DocumentStatus.QUEUED] + counts[DocumentStatus.PROCESSING]
        text = (
            f"{HERE} `{await self.namespace_of(request.place)}`.\n\n{count(sum(counts.values()), 'document')} in "
            f"{listed(visible)}: {counts[DocumentStatus.READY]} ready, {waiting} being read, "
            f"{counts[DocumentStatus.FAILED]} failed."
        )
        if not request.rights.is_admin:
            return Result(text)
        at_work, files = await JobCommands(self.jobs).at_work()
        checks, failed = await self._troubles(visible)
        return Result(f"{text}\n\n{at_work}".strip(), (*checks, *files, *failed))

    async def _troubles(self, visible: Sequence[str]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
        """Of dependencies, and of documents."""
        failed, _ = await self.documents.page(
            None, _FAILED, 0, DocumentStatus.FAILED, within=frozenset(visible), newest_first=True
        )
        checks = await self.checks() if self.checks else ()
        return (
            tuple(Row(each.name, (each.detail, each.remedy)) for each in checks if each.state is not State.OK),
            tuple(Row(each.title, about(each), show(each)) for each in failed),
        )

    # ── one document ─────────────────────────────────────────────────────────────────────────────

    async def _one(self, request: Request, name: DocumentName, command: Show | Remove | Replace) -> Result:
        found = await self._reach.named(request, name)
        if not found:
            return await self._versions.gone(request, name) or Result(
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
        return asked(document, self.keep_removed_days) if isinstance(command, Remove) else replacing(document)

    # ── what a place asks ────────────────────────────────────────────────────────────────────────

    async def _binding(self, request: Request, command: Bind | Unbind) -> Result:
        if isinstance(command, Unbind):
            return await self._unbind(request)
        return await (self._bind(request, command.namespace) if command.namespace else self._bound(request))

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
        known = await self._reach.visible(request)
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


def _is_for_admins(command: Command) -> bool:
    for_admins = Remove | Replace | Unbind | Add | Restore | Purge | Failed | RetryJob | CancelJob
    return isinstance(command, for_admins) or (isinstance(command, Bind) and bool(command.namespace))
