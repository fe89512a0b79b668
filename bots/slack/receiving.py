"""From files that an admin sends to searchable documents, with a message that tells how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from bots.chat import progress as words
from bots.chat.desk import Interrupted, Retry, Work
from bots.chat.destination import namespace_in
from bots.chat.incoming import Incoming, incoming_of
from bots.chat.progress import FileProgress, Stage, outcome
from bots.chat.results import Rights
from bots.slack.blocks import sentence
from bots.slack.events import CHANNEL, FILES, asks
from bots.slack.file_facts import FileFacts, unpacked
from bots.slack.files import Files
from bots.slack.progress import Note, ProgressMessage, progress_message
from bots.slack.workspaces import Workspace
from core.errors import EmbeddingFailed, LorekeeperError, StorageFailed
from core.log import reference
from core.ports import Documents
from core.store.inbox import Entry
from core.store.places import Bindings
from core.types import DEFAULT_NAMESPACE

# Their bytes are on the disk meanwhile, and they are indexed one after the other anyway.
AT_ONCE = 2
# Of a file that is fetched so long that people want to know how much is here.
LARGE_BYTES = 4 * 2**20
log = structlog.get_logger(__name__)


class AdminCheck(Protocol):
    """Who manages documents: `bots.slack.admins.Admins`."""

    async def rights(self, workspace: Workspace, user: str) -> Rights: ...


@dataclass(frozen=True, slots=True)
class Destinations:
    """Into which namespace files go that were sent in a direct message."""

    documents: Documents
    bindings: Bindings
    bound: Mapping[str, str]
    """By the settings, a conversation's id to a namespace."""

    async def of(self, incoming: Incoming) -> str:
        """Raises `InvalidRequest` for words that name a namespace that there is not."""
        message = incoming.message
        if message.namespace:
            return message.namespace
        place = f"{CHANNEL}:{message.conversation}"
        by_admin = await asyncio.to_thread(self.bindings.namespaces, [place])
        usual = by_admin.get(place) or self.bound.get(message.conversation, DEFAULT_NAMESPACE)
        if not message.text:
            return usual
        known = await self.documents.namespaces()
        return namespace_in(message.text, known) or usual


class Receiving:
    """Implements the three ways of `bots.chat.desk.Work` for entries with files."""

    def __init__(
        self,
        find: Callable[[str], Workspace | None],
        documents: Documents,
        destinations: Destinations,
        admins: AdminCheck,
        files: Files,
        note: Note,
    ) -> None:
        self._find = find
        self._documents = documents
        self._destinations = destinations
        self._admins = admins
        self._files = files
        self._note = note
        self._room = asyncio.Semaphore(AT_ONCE)

    @property
    def work(self) -> Work:
        """For the desk of the queue `bots.slack.events.FILE_QUEUE`."""
        return Work(self.answer, self.interrupted, self.give_up)

    async def answer(self, entry: Entry) -> None:
        incoming = incoming_of(entry)
        workspace = self._workspace(incoming)
        message = ProgressMessage(workspace, incoming, entry, self._note)
        try:
            await message.open()
            rights = await self._admins.rights(workspace, incoming.message.author)
            if not rights.is_admin:
                await message.say(words.refusal(rights.doubt, is_asked=asks(incoming.message.text)))
                return
            try:
                namespace = await self._destinations.of(incoming)
            except StorageFailed as error:
                raise Retry(error.message) from error
            except LorekeeperError as error:
                await message.say(f"Nothing was added. {error.message}")
                return
            await _Run(self, incoming, message, namespace).run()
        finally:
            await message.close()

    async def interrupted(self, entry: Entry, reason: Interrupted) -> None:
        incoming = incoming_of(entry)
        message = ProgressMessage(self._workspace(incoming), incoming, entry, self._note)
        await message.open()
        await (message.remove() if reason is Interrupted.WITHDRAWN else message.say(words.STOPPED))

    async def give_up(self, entry: Entry) -> None:
        ref = reference()
        log.error("files were given up after several tries", entry=entry.key, reference=ref)
        incoming = incoming_of(entry)
        message = ProgressMessage(self._workspace(incoming), incoming, entry, self._note)
        await message.open()
        await message.say(words.gave_up(ref))

    def _workspace(self, incoming: Incoming) -> Workspace:
        workspace = self._find(incoming.place["team"])
        if workspace is None:
            raise Retry("the workspace is not known yet")
        return workspace


class _Run:
    """The files of one entry, one after the other."""

    def __init__(
        self,
        receiving: Receiving,
        incoming: Incoming,
        message: ProgressMessage,
        namespace: str,
    ) -> None:
        self._documents = receiving._documents  # noqa: SLF001 - a part of it
        self._files = receiving._files  # noqa: SLF001
        self._room = receiving._room  # noqa: SLF001
        # Found anew for each file: its token can be renewed while others are read.
        self._workspace = partial(receiving._workspace, incoming)  # noqa: SLF001
        self._message = message
        self._namespace = namespace
        self._facts = unpacked(incoming.place[FILES])
        self._states = [FileProgress(facts.name) for facts in self._facts]
        self._names: set[str] = set()

    async def run(self) -> None:
        """Raises `Retry`."""
        for index, facts in enumerate(self._facts):
            if kept := self._message.kept.get(facts.id):
                self._states[index] = FileProgress(kept[0], Stage(kept[1]), kept[2])
                self._names.add(kept[0])
        await self._message.begin(progress_message(self._states, self._namespace))
        for index, facts in enumerate(self._facts):
            if not self._states[index].stage.is_last:
                async with self._room:
                    state = await self._add(index, facts)
                await self._message.keep(facts.id, [state.name, state.stage.value, state.detail])
                self._show(index, state)
        final = progress_message(self._states, self._namespace)
        await self._message.finish(final, sentence(words.announcement(self._states, self._namespace)))

    async def _add(self, index: int, facts: FileFacts) -> FileProgress:
        """How it ended. Raises `Retry`."""
        workspace = self._workspace()
        try:
            facts = await self._files.known(workspace, facts)
            if facts.name in self._names:
                # Documents of one name take each other's place.
                return FileProgress(facts.name, Stage.FAILED, words.SAME_NAME)
            self._names.add(facts.name)
            self._show(index, FileProgress(facts.name, Stage.RECEIVING))
            async with self._files.fetched(workspace, facts, partial(self._moved, index, facts)) as path:
                self._show(index, FileProgress(facts.name, Stage.READING))
                change = await self._documents.add_file(facts.name, path, self._namespace)
            return outcome(facts.name, change)
        except (StorageFailed, EmbeddingFailed) as error:
            # Also when the process is about to end: whoever comes next goes on here.
            raise Retry(error.message) from error
        except LorekeeperError as error:
            log.info("a file was not added", file=facts.id, code=error.code)
            return FileProgress(facts.name, Stage.FAILED, error.message)

    def _moved(self, index: int, facts: FileFacts, size: int) -> None:
        if facts.size < LARGE_BYTES:
            return
        state = FileProgress(facts.name, Stage.RECEIVING, f"{min(100, 10 * (10 * size // facts.size))} %")
        if state != self._states[index]:
            self._show(index, state)

    def _show(self, index: int, state: FileProgress) -> None:
        self._states[index] = state
        self._message.show(progress_message(self._states, self._namespace))
