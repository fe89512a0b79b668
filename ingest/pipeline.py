"""Files to searchable passages: receive → parse → split → embed → index. Implements `core.ports.Documents`.

The record in the database is the truth. New vectors are written beside the old ones first, under ids that nothing refers
to yet; one database transaction then makes the new chunks the document's and the old ones not, and only after it are
the old vectors deleted. A query that finds a vector without a row ignores it, so there is no moment at which both
versions answer, or neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import structlog

from core.errors import LorekeeperError, StorageFailed
from core.identity import IndexIdentity
from core.namespace import check_namespace
from core.ports import Embedder, Progress, VectorIndex
from core.settings import Settings
from core.store.documents import DocumentStore
from core.types import (
    DEFAULT_NAMESPACE,
    ChangeKind,
    Document,
    DocumentChange,
    DocumentStatus,
    Passage,
)
from ingest.documents import INSIDE, begun, failed, file_name, interrupted, is_current, ready
from ingest.files import FileStore
from ingest.garbage import collect_garbage
from ingest.indexing import Indexer, Run
from ingest.inside import CONTAINERS, Allowance, is_inside, read_again, summed_up, unpacked
from ingest.parse import no_text
from ingest.parse.errors import NoText
from ingest.parse.process import ParserProcess
from ingest.progress import on_loop, reported
from ingest.received import Prepared, Received
from ingest.sources.files import Collected, SourceFile, collect, is_still_there, read
from ingest.split import split

STOPPED = "Stopped before all documents were indexed. Run the command again; done ones are skipped."
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Pipeline:
    """One run at a time, in a thread of its own.

    Where no part of the record is in the data folder, other processes may index at the same time, and nothing keeps two
    runs from meeting on one document.
    """

    def __init__(
        self,
        store: DocumentStore,
        vectors: VectorIndex,
        embedder: Embedder,
        identity: IndexIdentity,
        settings: Settings,
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._embedder = embedder
        self._identity = identity
        self._files = FileStore(settings.data_dir / "files")
        self._settings = settings
        self._parser = ParserProcess.from_settings(settings.parse)
        # (namespace, source) of the documents that were begun and are neither published nor failed.
        self._begun: set[tuple[str, str]] = set()
        # Sources of the files of the present run in which there is nothing to read.
        self._empty: set[str] = set()
        self._closing = False
        self._indexer = Indexer(store, vectors, embedder, self._published, self._stop_if_closing)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ingest")

    # ── what admins call ─────────────────────────────────────────────────────────────────────────

    async def add_paths(
        self, paths: Sequence[Path], namespace: str, progress: Progress | None = None, prune: bool = True
    ) -> list[DocumentChange]:
        check_namespace(namespace)
        report = on_loop(progress)
        return await self._run(lambda: self._add_paths(paths, namespace, report, prune))

    async def add_file(self, name: str, path: Path, namespace: str) -> DocumentChange:
        check_namespace(namespace)

        def work() -> DocumentChange:
            received = Received(name, f"upload:{name}", namespace, self._read(path))
            *inside, change = self._add([received])
            return summed_up(change, inside)

        return await self._run(work)

    def index(self, files: Iterable[Received | DocumentChange]) -> list[DocumentChange]:
        """Bring files into the index that are read one after the other, when it is their turn. Blocking."""
        return self._wait(lambda: list(self._add(files)))

    def drop(self, namespace: str, sources: Iterable[str]) -> list[DocumentChange]:
        """Remove the documents that came from these, if they are there. Blocking."""
        return self._wait(lambda: list(self._drop(namespace, sources)))

    async def add_received(self, files: Sequence[Received], progress: Progress | None = None) -> list[DocumentChange]:
        """Bring documents into the index that were received in another way than as files."""
        report = on_loop(progress)
        return await self._run(lambda: reported(self._add(files), report, len(files)))

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
            self._store.page, namespace, limit, offset, status, within=within, text=text, newest_first=newest_first
        )

    async def get(self, document_id: str, within: frozenset[str] = frozenset()) -> Document:
        return await asyncio.to_thread(self._store.get, document_id, within)

    async def passages(self, document_id: str) -> list[Passage]:
        return await asyncio.to_thread(self._store.passages_of, document_id)

    async def passage_page(self, document_id: str, limit: int, offset: int) -> tuple[list[Passage], int]:
        return await asyncio.to_thread(self._store.passage_page, document_id, limit, offset)

    async def namespaces(self) -> list[str]:
        with_documents = await asyncio.to_thread(self._store.namespaces)
        return sorted({DEFAULT_NAMESPACE, *self._settings.namespaces, *with_documents})

    async def remove(self, document_id: str) -> Document:
        return await self._run(lambda: self._remove(document_id))

    async def reindex(self, progress: Progress | None = None) -> list[DocumentChange]:
        report = on_loop(progress)
        return await self._run(lambda: self._reindex(report))

    def recover(self) -> None:
        """Put right what a crash left behind: orphaned vectors and copies go, documents in the middle of work say so.

        Where other processes may be at work, what is theirs cannot be told from what a crash left, and stays.
        """
        is_alone = self._settings.is_embedded
        self._collect_garbage(with_reserved=is_alone)
        if not is_alone:
            return
        for document in self._store.pending():
            self._store.put(interrupted(document))
        # No document at all is rather another database for this folder than a wish to lose every copy.
        if used := self._store.used_files():
            self._files.sweep(used)

    def close(self) -> None:
        """Wait for the batch in work; a file that is being read is given up, and those not begun are dropped."""
        self._closing = True
        self._parser.close()
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._indexer.close()

    # ── the work, in the worker's thread ─────────────────────────────────────────────────────────

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _wait(self, work: Callable[[], T]) -> T:
        try:
            return self._worker.submit(work).result()
        except (CancelledError, RuntimeError) as error:
            if self._closing:
                raise StorageFailed(STOPPED) from error
            raise

    def _add_paths(self, paths: Sequence[Path], namespace: str, report: Progress, prune: bool) -> list[DocumentChange]:
        collected = collect(paths, self._parser.extensions)
        self._empty.clear()
        unlisted = [DocumentChange(ChangeKind.FAILED, each.name, message=each.message) for each in collected.unreadable]
        received = (self._receive(file, namespace) for file in collected.files)
        changes = reported(chain(unlisted, self._add(received)), report, len(unlisted) + len(collected.files))
        if prune:
            changes += self._prune(collected, namespace)
            self._collect_garbage()
        return changes + [DocumentChange(ChangeKind.SKIPPED, name) for name in collected.skipped]

    def _receive(self, file: SourceFile, namespace: str) -> Received | DocumentChange:
        try:
            data = self._read(file.path)
        except LorekeeperError as error:
            return DocumentChange(ChangeKind.FAILED, file.name, message=error.message, code=error.code)
        return Received(file.name, file.source, namespace, data, may_be_empty=not file.is_named)

    def _read(self, path: Path) -> bytes:
        return read(path, self._settings.server.max_upload_mb * 2**20)

    def _add(self, files: Iterable[Received | DocumentChange], *, anew: bool = False) -> Iterator[DocumentChange]:
        run = Run(self._indexer, anew=anew)
        try:
            for file in files:
                self._stop_if_closing()
                if isinstance(file, DocumentChange):
                    yield file
                    continue
                yield from self._add_one(file, run, Allowance(), anew)
            yield from run.finish()
            self._collect_garbage()
        finally:
            run.end()
            self._parser.stop()
            self._give_up()

    def _add_one(self, file: Received, run: Run, allowance: Allowance, anew: bool) -> Iterator[DocumentChange]:
        """A file after the files inside it, so that one that is complete on record has them all."""
        if run.holds(file.namespace, file.source):
            yield from run.finish()
        old = self._store.find(file.namespace, file.source)
        digest = hashlib.sha256(file.data).hexdigest()
        if not anew and old is not None and is_current(old, digest, file.readers):
            yield from self._look_again(file, old, run, allowance)
            return
        prepared, inside = self._prepare(file, digest, old, allowance, anew=anew)
        for each in inside:
            self._stop_if_closing()
            yield from self._add_one(each, run, allowance, anew)
        if isinstance(prepared, DocumentChange):
            yield prepared
            return
        if old is not None and not anew:
            yield from self._withdraw_inside(prepared.document, {each.source for each in inside})
        yield from run.add(prepared)

    def _look_again(self, file: Received, old: Document, run: Run, allowance: Allowance) -> Iterator[DocumentChange]:
        """An unchanged file, after the files inside it, which may have failed or been removed since."""
        if old.media_type in CONTAINERS:
            for each in read_again(self._parser.parse, file, allowance):
                self._stop_if_closing()
                yield from self._add_one(each, run, allowance, anew=False)
        yield DocumentChange(ChangeKind.UNCHANGED, file.name, old)

    def _withdraw_inside(self, container: Document, present: Set[str]) -> Iterator[DocumentChange]:
        """Remove what an earlier version of the container held."""
        for document in self._store.under(container.namespace, container.source + INSIDE):
            if document.source not in present and not is_inside(document, present):
                self._discard_file(self._store.withdraw(document.id).sha256)
                yield DocumentChange(ChangeKind.REMOVED, document.title, document)

    def _prepare(
        self, file: Received, digest: str, old: Document | None, allowance: Allowance, *, anew: bool
    ) -> tuple[Prepared | DocumentChange, Sequence[Received]]:
        """The document ready to be embedded, or what became of it instead; and the files inside it."""
        inside: Sequence[Received] = ()
        document = begun(file, digest)
        # What answers now stays on record until the new version takes its place.
        self._begun.add((document.namespace, document.source))
        self._store.put(replace(old, status=DocumentStatus.PROCESSING) if old and old.chunks else document)
        try:
            parsed = file.parsed or self._parser.parse(file.data, file.name)
            parsed = replace(parsed, title=file.title or parsed.title)
            # When all is indexed anew, the files inside are documents like others.
            if anew:
                parsed = replace(parsed, attachments=())
            inside, parsed = unpacked(file, parsed, allowance)
            sections, chunks = split(
                parsed,
                document.id,
                self._embedder.count_tokens,
                self._settings.split.max_tokens,
                self._settings.split.overlap_tokens,
            )
            if not chunks and not inside:
                raise no_text(parsed.media_type)
        except StorageFailed:
            self._stop_if_closing()
            raise
        except LorekeeperError as error:
            if file.may_be_empty and isinstance(error, NoText):
                return self._skip(document, old, file.name, error), ()
            return self._fail(document, old, file.name, error), ()
        self._files.put(file.data)
        document = ready(document, parsed, len(chunks))
        kind = ChangeKind.REPLACED if old is not None and old.chunks else ChangeKind.ADDED
        return Prepared(file.name, document, kind, sections, chunks, old.sha256 if old else ""), inside

    def _published(self, prepared: Prepared) -> None:
        self._begun.discard((prepared.document.namespace, prepared.document.source))
        self._discard_file(prepared.old_sha256)

    def _stop_if_closing(self) -> None:
        if self._closing:
            raise StorageFailed(STOPPED)

    def _skip(self, document: Document, old: Document | None, name: str, error: LorekeeperError) -> DocumentChange:
        """The record becomes as it was before; what came from an earlier version of the file is for pruning to remove."""
        self._empty.add(document.source)
        self._begun.discard((document.namespace, document.source))
        if old is None:
            self._store.withdraw(document.id)
        else:
            self._store.put(old)
        return DocumentChange(ChangeKind.SKIPPED, name, message=error.message)

    def _fail(self, document: Document, old: Document | None, name: str, error: LorekeeperError) -> DocumentChange:
        self._begun.discard((document.namespace, document.source))
        # The person is told by the change: a command shows no news, only the log of a server keeps the cause.
        log.info("a document failed", document=document.id, cause=error.message)
        log.debug("why it failed", document=document.id, exc_info=error.__cause__)
        record = failed(document, old, error.message)
        self._store.put(record)
        return DocumentChange(ChangeKind.FAILED, name, record, record.error, error.code)

    def _give_up(self) -> None:
        """Say of each document that was begun and not finished that it is not in work any more."""
        while self._begun:
            with contextlib.suppress(StorageFailed):  # whatever ended the run tells more than this
                document = self._store.find(*self._begun.pop())
                if document is not None:
                    self._store.put(interrupted(document))

    def _prune(self, collected: Collected, namespace: str) -> list[DocumentChange]:
        """Remove the documents of each given folder whose file is gone, or holds no text any more."""
        present = {file.source for file in collected.files} - self._empty
        unknown = tuple(folder.source for folder in collected.unreadable)
        changes = []
        removed: set[str] = set()
        for root in collected.roots:
            if not any(source.startswith(root) for source in present):
                # Rather an unmounted disk than a wish to lose everything.
                continue
            for document in self._store.under(namespace, root):
                if document.source in present or document.source.startswith(unknown) or is_inside(document, present):
                    continue
                # What could not be read, and was named by itself, is not in the folder's list of readable files.
                if document.chunks or not is_still_there(document.source):
                    if not is_inside(document, removed):
                        self._withdraw(document.id)
                    removed.add(document.source)
                    changes.append(DocumentChange(ChangeKind.REMOVED, document.title, document))
        return changes

    def _remove(self, document_id: str) -> Document:
        document = self._withdraw(document_id)
        self._collect_garbage()
        return document

    def _withdraw(self, document_id: str) -> Document:
        document = self._store.withdraw(document_id)
        self._discard_file(document.sha256)
        list(self._withdraw_inside(document, frozenset()))
        return document

    def _drop(self, namespace: str, sources: Iterable[str]) -> Iterator[DocumentChange]:
        for source in sources:
            self._stop_if_closing()
            if (document := self._store.find(namespace, source)) is not None:
                yield DocumentChange(ChangeKind.REMOVED, document.title, self._withdraw(document.id))
        self._collect_garbage()

    def _discard_file(self, digest: str) -> None:
        if digest and not self._store.uses_file(digest):
            self._files.discard(digest)

    def _reindex(self, report: Progress) -> list[DocumentChange]:
        documents, _ = self._store.page(None, limit=10**9, offset=0)
        # One that never answered has no copy, and its record says why.
        indexed = [document for document in documents if document.chunks]
        self._identity.begin_rebuild()
        changes = reported(self._add(map(self._stored, indexed), anew=True), report, len(indexed))
        self._identity.finish_rebuild()
        self._vectors.drop_others()
        return changes

    def _stored(self, document: Document) -> Received | DocumentChange:
        data = self._files.get(document.sha256)
        if data is None:
            message = "Its stored copy is gone. Add the document again."
            self._store.put(replace(document, status=DocumentStatus.FAILED, error=message))
            return DocumentChange(ChangeKind.FAILED, document.title, document, message)
        # What the file was called within the folder that was given is not known any more, so the title stays.
        name, source, namespace = file_name(document), document.source, document.namespace
        return Received(name, source, namespace, data, document.readers, title=document.title, url=document.url)

    def _collect_garbage(self, *, with_reserved: bool = False) -> None:
        collect_garbage(self._store, self._vectors, with_reserved=with_reserved)
