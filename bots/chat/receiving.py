"""From files that an admin sends to searchable documents, with a message that tells how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from bots.chat import progress as words
from bots.chat.board import Board
from bots.chat.desk import Interrupted, Retry, Work
from bots.chat.destination import namespace_in
from bots.chat.fetching import Moved
from bots.chat.files import FILES, FileFacts, asks, unpacked
from bots.chat.incoming import Incoming, incoming_of
from bots.chat.posted import Note
from bots.chat.progress import FileProgress, Stage, in_work, outcome
from bots.chat.progress_message import ProgressMessage
from bots.chat.results import Rights
from core.errors import EmbeddingFailed, LorekeeperError, StorageFailed
from core.log import reference
from core.ports import Documents
from core.store.inbox import Entry
from core.store.places import Bindings
from core.types import DEFAULT_NAMESPACE, Job, Origin

# Their bytes are on the disk meanwhile, and they are indexed one after the other anyway.
AT_ONCE = 2
# With the id of a file, among what is kept with an entry.
HANDED_OVER = "handed over"
# Of a file that is fetched so long that people want to know how much is here.
LARGE_BYTES = 4 * 2**20
log = structlog.get_logger(__name__)
M = TypeVar("M")


class FilePlatform(Protocol[M]):
    """What differs between platforms."""

    def board(self, incoming: Incoming, entry: Entry) -> Board[M]:
        """Where the person is told. Raises `bots.chat.desk.Retry`."""
        ...

    def progress(self, files: Sequence[FileProgress], namespace: str) -> M: ...

    def sentence(self, text: str) -> M: ...

    async def rights(self, incoming: Incoming) -> Rights:
        """Of who sent the files."""
        ...

    async def known(self, incoming: Incoming, facts: FileFacts) -> FileFacts:
        """With everything that is needed to fetch it. Raises `LorekeeperError` with a sentence, `bots.chat.desk.Retry`."""
        ...

    def fetched(self, incoming: Incoming, facts: FileFacts, moved: Moved) -> AbstractAsyncContextManager[Path]:
        """Its bytes in a file that is there until the block ends. Raises `LorekeeperError` with a sentence."""
        ...


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
        place = f"{message.channel}:{message.conversation}"
        by_admin = await asyncio.to_thread(self.bindings.namespaces, [place])
        usual = by_admin.get(place) or self.bound.get(message.conversation, DEFAULT_NAMESPACE)
        if not message.text:
            return usual
        known = await self.documents.namespaces()
        return namespace_in(message.text, known) or usual


class Receiving(Generic[M]):
    """Implements the three ways of `bots.chat.desk.Work` for entries with files."""

    def __init__(self, platform: FilePlatform[M], documents: Documents, destinations: Destinations, note: Note) -> None:
        self._platform = platform
        self._documents = documents
        self._destinations = destinations
        self._note = note
        self._room = asyncio.Semaphore(AT_ONCE)

    @property
    def work(self) -> Work:
        """For the desk of the queue `bots.chat.files.file_queue`."""
        return Work(self.answer, self.interrupted, self.give_up)

    async def answer(self, entry: Entry) -> None:
        incoming = incoming_of(entry)
        message = self._message(incoming, entry)
        try:
            await message.open()
            rights = await self._platform.rights(incoming)
            if not rights.is_admin:
                refusal = words.refusal(rights.doubt, is_asked=asks(incoming.message.text))
                await message.finish(self._platform.sentence(refusal))
                return
            try:
                namespace = await self._destinations.of(incoming)
            except StorageFailed as error:
                raise Retry(error.message) from error
            except LorekeeperError as error:
                await message.finish(self._platform.sentence(f"Nothing was added. {error.message}"))
                return
            await _Run(self, incoming, message, namespace).run()
        finally:
            await message.close()

    async def interrupted(self, entry: Entry, reason: Interrupted) -> None:
        incoming = incoming_of(entry)
        message = self._message(incoming, entry)
        await message.open()
        if reason is Interrupted.WITHDRAWN:
            await message.remove()
        else:
            await message.finish(self._platform.sentence(words.STOPPED))

    async def give_up(self, entry: Entry) -> None:
        ref = reference()
        log.error("files were given up after several tries", entry=entry.key, reference=ref)
        incoming = incoming_of(entry)
        message = self._message(incoming, entry)
        await message.open()
        await message.finish(self._platform.sentence(words.gave_up(ref)))

    def _message(self, incoming: Incoming, entry: Entry) -> ProgressMessage[M]:
        return ProgressMessage(self._platform.board(incoming, entry), entry, self._note)


class _Run(Generic[M]):
    """The files of one entry, one after the other."""

    def __init__(
        self, receiving: Receiving[M], incoming: Incoming, message: ProgressMessage[M], namespace: str
    ) -> None:
        self._platform = receiving._platform  # noqa: SLF001 - a part of it
        self._documents = receiving._documents  # noqa: SLF001
        self._room = receiving._room  # noqa: SLF001
        self._incoming = incoming
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
        await self._message.begin(self._progress())
        for index, facts in enumerate(self._facts):
            if not self._states[index].stage.is_last:
                async with self._room:
                    state = await self._add(index, facts)
                await self._message.keep(facts.id, [state.name, state.stage.value, state.detail])
                self._show(index, state)
        announcement = words.announcement(self._states, self._namespace)
        await self._message.finish(self._progress(), self._platform.sentence(announcement))

    async def _add(self, index: int, facts: FileFacts) -> FileProgress:
        """How it ended. Raises `Retry`."""
        try:
            facts = await self._platform.known(self._incoming, facts)
            if facts.name in self._names:
                # Documents of one name take each other's place.
                return FileProgress(facts.name, Stage.FAILED, words.SAME_NAME)
            self._names.add(facts.name)
            self._show(index, FileProgress(facts.name, Stage.RECEIVING))
            moved = partial(self._moved, index, facts)
            async with self._platform.fetched(self._incoming, facts, moved) as path:
                self._show(index, FileProgress(facts.name, Stage.QUEUED))
                is_again = await self._hand_over(facts)
                message = self._incoming.message
                change = await self._documents.add_file(
                    facts.name,
                    path,
                    self._namespace,
                    origin=Origin(message.channel, message.author),
                    watch=partial(self._worked_on, index, facts),
                )
            return outcome(facts.name, change, is_again=is_again)
        except (StorageFailed, EmbeddingFailed) as error:
            # Also when the process is about to end: whoever comes next goes on here.
            self._states[index] = FileProgress(facts.name, Stage.PUT_OFF, error.message)
            await self._message.leave(self._progress())
            raise Retry(error.message) from error
        except LorekeeperError as error:
            log.info("a file was not added", file=facts.id, code=error.code)
            return FileProgress(facts.name, Stage.FAILED, error.message)

    async def _hand_over(self, facts: FileFacts) -> bool:
        """Note that it is; whether an earlier try did. Whatever becomes of this process, its document is made."""
        name = f"{facts.id}:{HANDED_OVER}"
        is_again = bool(self._message.kept.get(name))
        if not is_again:
            await self._message.keep(name, True)
        return is_again

    def _worked_on(self, index: int, facts: FileFacts, job: Job) -> None:
        """Its end is told by what became of it."""
        if job.state.is_end or self._states[index].stage.is_last:
            return
        state = in_work(facts.name, job)
        if state != self._states[index]:
            self._show(index, state)

    def _moved(self, index: int, facts: FileFacts, size: int) -> None:
        if facts.size < LARGE_BYTES:
            return
        state = FileProgress(facts.name, Stage.RECEIVING, f"{min(100, 10 * (10 * size // facts.size))} %")
        if state != self._states[index]:
            self._show(index, state)

    def _show(self, index: int, state: FileProgress) -> None:
        self._states[index] = state
        self._message.show(self._progress())

    def _progress(self) -> M:
        return self._platform.progress(self._states, self._namespace)
