"""What admins do with documents. Implements `core.ports.Documents`.

Files are received here: their bytes are stored and their jobs written down. `ingest.worker` carries the jobs out, in
this process or in another one; whoever brought a file may wait for its end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from core.datafolder import STORED
from core.errors import LorekeeperError
from core.identity import IndexIdentity
from core.metrics import Metrics
from core.namespace import check_namespace
from core.ports import Embedder, Progress, VectorIndex, Watch
from core.settings import Settings
from core.store.documents import DocumentStore
from core.store.history import HistoryStore, Superseded
from core.store.inspection import Inspection
from core.store.job_rows import BULK, URGENT
from core.store.jobs import JobStore
from core.types import (
    DEFAULT_NAMESPACE,
    NOBODY,
    ChangeKind,
    Document,
    DocumentChange,
    DocumentStatus,
    Finding,
    Origin,
    Passage,
)
from ingest.checking import Checking
from ingest.documents import failed, file_name, interrupted
from ingest.engine import Engine, Stores
from ingest.files import FileStore
from ingest.inside import is_inside, summed_up
from ingest.job_keeper import JobKeeper
from ingest.measuring import Measures
from ingest.progress import on_loop, reported
from ingest.received import Received
from ingest.receiving import Accepted, accept
from ingest.signal import Signal
from ingest.sources.files import Collected, SourceFile, collect, is_still_there, read
from ingest.version_keeper import VersionKeeper
from ingest.waiting import Adding, Waiting
from ingest.worker import Worker


class Pipeline:
    """Where no part of the record is in the data folder, other processes may work on the same documents."""

    def __init__(
        self,
        documents: DocumentStore,
        history: HistoryStore,
        jobs: JobStore,
        inspection: Inspection,
        vectors: VectorIndex,
        embedder: Embedder,
        identity: IndexIdentity,
        settings: Settings,
        metrics: Metrics | None = None,
    ) -> None:
        # Asked here, where nobody holds the right to write that giving it takes.
        files = FileStore(settings.data_dir / STORED, identity.meta.database_id())
        self._stores = Stores(documents, history, jobs, files, vectors)
        self._identity = identity
        self._settings = settings
        changed, measures = Signal(), Measures(metrics or Metrics())
        self._worker = Worker(
            self._stores,
            lambda: Engine(self._stores, embedder, settings, changed, measures),
            settings,
            changed,
            measures,
        )
        self._waiting = Waiting(jobs, self._worker, changed)
        self._checking = Checking(self._stores, inspection, self._anew, is_alone=settings.is_embedded)
        self.jobs = JobKeeper(self._stores, self.work)
        self.versions = VersionKeeper(self._stores, self._accept_one, self._withdraw)

    # ── bringing documents in ────────────────────────────────────────────────────────────────────

    async def add_paths(
        self,
        paths: Sequence[Path],
        namespace: str,
        progress: Progress | None = None,
        prune: bool = True,
        *,
        origin: Origin = NOBODY,
    ) -> list[DocumentChange]:
        check_namespace(namespace)
        collected = await asyncio.to_thread(collect, paths, self._worker.bulk.extensions)
        adding = Adding(self._waiting, len(collected.files) + len(collected.unreadable), progress)
        for unreadable in collected.unreadable:
            adding.note(DocumentChange(ChangeKind.FAILED, unreadable.name, message=unreadable.message))
        is_single = [file.is_named for file in collected.files] == [True]
        received = (self._receive(file, namespace, origin) for file in collected.files)
        accepted = self._accept(received, URGENT if is_single else BULK)
        await adding.run(accepted)
        if prune:
            prune_now = partial(self._prune, collected, namespace, adding.empty, origin)
            adding.changes += await asyncio.to_thread(self._worker.do, prune_now)
        return adding.changes + [DocumentChange(ChangeKind.SKIPPED, name) for name in collected.skipped]

    async def add_file(
        self, name: str, path: Path, namespace: str, *, origin: Origin = NOBODY, watch: Watch | None = None
    ) -> DocumentChange:
        check_namespace(namespace)

        def receive() -> Received:
            return Received(name, f"upload:{name}", namespace, self._read(path), origin=origin)

        return await self._accept_one(await asyncio.to_thread(receive), watch)

    async def add_received(self, files: Sequence[Received], progress: Progress | None = None) -> list[DocumentChange]:
        """Bring documents into the index whose text is known already, or that are in no file."""
        report = on_loop(progress)
        return await asyncio.to_thread(
            self._worker.do, lambda: reported(self._worker.bulk.run(files), report, len(files))
        )

    def index(self, files: Iterable[Received | DocumentChange]) -> list[DocumentChange]:
        """Bring files into the index that are read one after the other, when it is their turn. Blocking."""
        return self._worker.do(lambda: list(self._worker.bulk.run(files)))

    def drop(self, namespace: str, sources: Iterable[str], origin: Origin = NOBODY) -> list[DocumentChange]:
        """Remove the documents that came from these, if they are there. Blocking."""
        return self._worker.do(lambda: list(self._drop(namespace, sources, origin)))

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def page(
        self,
        namespace: str | None = None,
        limit: int = 1000,
        offset: int = 0,
        status: DocumentStatus | None = None,
        *,
        within: frozenset[str] = frozenset(),
        text: str = "",
        newest_first: bool = False,
    ) -> tuple[list[Document], int]:
        return await asyncio.to_thread(
            self._stores.documents.page,
            namespace,
            limit,
            offset,
            status,
            within=within,
            text=text,
            newest_first=newest_first,
        )

    async def get(self, document_id: str, within: frozenset[str] = frozenset()) -> Document:
        return await asyncio.to_thread(self._stores.documents.get, document_id, within)

    async def passages(self, document_id: str) -> list[Passage]:
        return await asyncio.to_thread(self._stores.documents.passages_of, document_id)

    async def passage_page(self, document_id: str, limit: int, offset: int) -> tuple[list[Passage], int]:
        return await asyncio.to_thread(self._stores.documents.passage_page, document_id, limit, offset)

    async def namespaces(self) -> list[str]:
        with_documents = await asyncio.to_thread(self._stores.documents.namespaces)
        return sorted({DEFAULT_NAMESPACE, *self._settings.namespaces, *with_documents})

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    async def remove(self, document_id: str, *, origin: Origin = NOBODY) -> Document:
        return await asyncio.to_thread(self._withdraw, document_id, origin)

    async def reindex(self, progress: Progress | None = None) -> list[DocumentChange]:
        report = on_loop(progress)
        return await asyncio.to_thread(self._worker.do, lambda: self._reindex(report))

    async def check(self, *, repair: bool = False) -> list[Finding]:
        return await asyncio.to_thread(self._worker.do, lambda: self._checking.run(repair=repair))

    # ── the life of the process ──────────────────────────────────────────────────────────────────

    def recover(self) -> None:
        """Put right what a crash left behind: orphaned vectors and copies go, jobs that were in work wait again.

        Where other processes may be at work, what is theirs cannot be told from what a crash left, and stays.
        """
        is_alone = self._settings.is_embedded
        self._worker.bulk.collect_garbage(with_reserved=is_alone)
        if not is_alone:
            return
        self._stores.jobs.reap(everything=True)
        expected = self._stores.jobs.unfinished_documents()
        for document in self._stores.documents.pending():
            if document.id not in expected:
                self._stores.documents.put(interrupted(document))
        if (used := self._stores.used_copies()) is not None:
            self._stores.files.sweep(used)

    def work(self) -> None:
        """Carry out jobs from now on, if the settings say so; more have come if that was so already."""
        if self._settings.jobs.run:
            self._worker.start()
            self._worker.wake()

    def stop(self) -> None:
        """Begin to end."""
        self._worker.stop()

    def close(self) -> None:
        """Wait for the batches in work; the rest goes on after the next start."""
        self._worker.close()

    # ── the work behind it ───────────────────────────────────────────────────────────────────────

    def _accept(self, files: Iterable[Received | DocumentChange], priority: int) -> Iterator[Accepted | DocumentChange]:
        """Receive them. Blocking."""
        for each in accept(self._stores, files, priority):
            self.work()
            yield each

    async def _accept_one(self, file: Received, watch: Watch | None = None) -> DocumentChange:
        (each,) = await asyncio.to_thread(lambda: list(self._accept([file], URGENT)))
        if isinstance(each, DocumentChange):
            return each
        *inside, change = await self._waiting.one(each.job_id, watch)
        return summed_up(change, inside)

    def _receive(self, file: SourceFile, namespace: str, origin: Origin) -> Received | DocumentChange:
        """A file of this machine. Blocking."""
        try:
            data = self._read(file.path)
        except LorekeeperError as error:
            return DocumentChange(ChangeKind.FAILED, file.name, message=error.message, code=error.code)
        return Received(file.name, file.source, namespace, data, may_be_empty=not file.is_named, origin=origin)

    def _read(self, path: Path) -> bytes:
        return read(path, self._settings.server.max_upload_mb * 2**20)

    def _prune(self, collected: Collected, namespace: str, empty: set[str], origin: Origin) -> list[DocumentChange]:
        """Remove the documents of each given folder whose file is gone, or holds no text any more."""
        present = {file.source for file in collected.files} - empty
        unknown = tuple(folder.source for folder in collected.unreadable)
        changes = []
        removed: set[str] = set()
        for root in collected.roots:
            if not any(source.startswith(root) for source in present):
                # Rather an unmounted disk than a wish to lose everything.
                continue
            for document in self._stores.documents.under(namespace, root):
                if document.source in present or document.source.startswith(unknown) or is_inside(document, present):
                    continue
                # What could not be read, and was named by itself, is not in the folder's list of readable files.
                if document.chunks or not is_still_there(document.source):
                    if not is_inside(document, removed):
                        self._worker.bulk.withdraw(document.id, origin)
                    removed.add(document.source)
                    changes.append(DocumentChange(ChangeKind.REMOVED, document.title, document))
        self._worker.bulk.collect_garbage()
        return changes

    def _withdraw(self, document_id: str, origin: Origin) -> Document:
        document = self._worker.bulk.withdraw(document_id, origin)
        self._worker.bulk.collect_garbage()
        return document

    def _drop(self, namespace: str, sources: Iterable[str], origin: Origin) -> Iterator[DocumentChange]:
        for source in sources:
            self._worker.bulk.check()
            if (document := self._stores.documents.find(namespace, source)) is not None:
                yield DocumentChange(ChangeKind.REMOVED, document.title, self._withdraw(document.id, origin))

    def _reindex(self, report: Progress) -> list[DocumentChange]:
        documents, _ = self._stores.documents.page(None, limit=10**9, offset=0)
        # One that never answered has no copy, and its record says why.
        indexed = [document for document in documents if document.chunks]
        self._identity.begin_rebuild()
        changes = reported(self._anew(indexed), report, len(indexed))
        self._identity.finish_rebuild()
        self._stores.vectors.drop_others()
        return changes

    def _anew(self, documents: Iterable[Document]) -> Iterator[DocumentChange]:
        return self._worker.bulk.run(map(self._stored, documents), anew=True)

    def _stored(self, listed: Document) -> Received | DocumentChange:
        """As it is now that it is its turn."""
        document = self._stores.documents.find(listed.namespace, listed.source)
        if document is None:
            return DocumentChange(ChangeKind.SKIPPED, listed.title, message="It was removed meanwhile.")
        data = self._stores.files.get(document.sha256)
        if data is None:
            message = "Its stored copy is gone. Add the document again."
            with contextlib.suppress(Superseded):  # it was removed meanwhile
                self._stores.documents.put(failed(document, None, message), known=[document.id])
            return DocumentChange(ChangeKind.FAILED, document.title, document, message)
        # What the file was called within the folder that was given is not known any more, so the title stays.
        name, source, namespace = file_name(document), document.source, document.namespace
        return Received(name, source, namespace, data, document.readers, title=document.title, url=document.url)
