"""Received files to searchable passages: parse → split → embed → index, one run after the other, in one thread.

The record in the database is the truth. New vectors are written beside the old ones first, under ids that nothing refers
to yet; one database transaction then makes the new chunks the document's and the old ones not, and only after it are
the old vectors deleted. A query that finds a vector without a row ignores it, so there is no moment at which both
versions answer, or neither.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from core.errors import EmbeddingFailed, LorekeeperError, StorageFailed
from core.ports import Embedder, VectorIndex
from core.settings import Settings
from core.store.documents import RESERVED_FOR, DocumentStore
from core.store.history import HistoryStore, Superseded
from core.store.job_rows import URGENT
from core.store.jobs import JobLost, JobStore
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, JobStage, Origin
from ingest.documents import INSIDE, begun, document_id, failed, interrupted, is_answering, is_current, put_off, ready
from ingest.files import FileStore
from ingest.garbage import collect_garbage
from ingest.indexing import Indexer, Run
from ingest.inside import CONTAINERS, Allowance, is_inside, read_again, unpacked
from ingest.measuring import Measures
from ingest.parse import no_text
from ingest.parse.errors import NoText
from ingest.parse.process import ParserProcess
from ingest.received import Prepared, Received
from ingest.signal import Signal
from ingest.split import split
from ingest.telling import Telling

STOPPED = "Stopped before all documents were indexed. What was received is finished after the next start."
HARMLESS = "Is anybody there?"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where documents are, in all their forms."""

    documents: DocumentStore
    history: HistoryStore
    jobs: JobStore
    files: FileStore
    vectors: VectorIndex

    def discard_file(self, digest: str) -> None:
        """Delete a stored copy that nothing refers to any more."""
        if digest:
            self.history.discard_file(digest, self.files.discard)

    def used_copies(self) -> Set[str] | None:
        """The sha256 of the copies that something refers to; None where any other may be another database's."""
        used = self.history.used_files()
        # None of its copies at all is rather another database for this folder than a wish to lose every one.
        if not any(map(self.files.has, used)):
            return None
        self.files.owners.join()
        return None if self.files.owners.are_others() else used

    def unused_copies(self) -> Sequence[str]:
        """What nobody refers to; one that was stored lately may be of a file whose job is not written yet."""
        used = self.used_copies()
        return [] if used is None else self.files.unused(used, datetime.now(UTC) - RESERVED_FOR)


class Engine:
    """For one thread, but for `stop`, `give_up` and `close`. Also watches over its indexer (`ingest.indexing.Watcher`)."""

    def __init__(
        self, stores: Stores, embedder: Embedder, settings: Settings, changed: Signal, measures: Measures
    ) -> None:
        """`changed` is told whenever a job got further."""
        self._measures = measures
        self._stores = stores
        self._embedder = embedder
        self._settings = settings
        self._parser = ParserProcess.from_settings(settings.parse)
        # By namespace and source, the files that were begun and are neither published nor failed.
        self._begun: dict[tuple[str, str], Received] = {}
        self._given_up: set[tuple[str, int]] = set()
        self._closing = False
        self._telling = Telling(stores.jobs, changed)
        self._indexer = Indexer(stores.documents, stores.vectors, embedder, self, measures)

    @property
    def extensions(self) -> frozenset[str]:
        """The endings of names that its parser takes in a folder."""
        return frozenset(self._parser.extensions)

    def is_model_there(self) -> bool:
        """Whether texts are embedded that nobody could refuse."""
        try:
            self._embedder.embed([HARMLESS])
        except EmbeddingFailed:
            return False
        return True

    def run(self, files: Iterable[Received | DocumentChange], *, anew: bool = False) -> Iterator[DocumentChange]:
        """Bring files into the index that are read one after the other, when it is their turn."""
        run = Run(self._indexer, anew=anew)
        try:
            for file in files:
                self.check()
                if isinstance(file, DocumentChange):
                    yield file
                    continue
                yield from self._add(file, run, Allowance(), anew)
            yield from run.finish()
            self.collect_garbage()
        finally:
            run.end()
            self._parser.stop()
            self._interrupt()
            self._given_up.clear()

    def give_up(self, claims: Set[tuple[str, int]]) -> None:
        """Nothing of these jobs, by id and number of the claim, is to be published. From any thread."""
        self._given_up |= claims

    def withdraw(self, document_id: str, origin: Origin) -> Document:
        """Take a document out of the index, with the files inside it."""
        removed = self._stores.documents.withdraw(document_id, origin, INSIDE)
        self._gone(removed)
        return removed[0]

    def collect_garbage(self, *, with_reserved: bool = False) -> None:
        collect_garbage(self._stores.documents, self._stores.vectors, with_reserved=with_reserved)

    def stop(self) -> None:
        """Give up what is in work as soon as that is possible. From any thread."""
        self._closing = True
        self._parser.close()

    def close(self) -> None:
        """Wait for the batch in work."""
        self.stop()
        self._indexer.close()

    # ── watching over the indexer, from its threads ──────────────────────────────────────────────

    def check(self) -> None:
        if self._closing:
            raise StorageFailed(STOPPED)

    def is_given_up(self, prepared: Prepared) -> bool:
        work = prepared.file.work
        return work is not None and work.claimed.key in self._given_up

    def embedding(self, batch: Sequence[Prepared], done: int, total: int) -> None:
        self._telling.embedding(batch, done, total)

    def has_copy(self, digest: str) -> bool:
        return self._stores.files.has(digest)

    def published(self, prepared: Prepared, document: Document) -> None:
        file = prepared.file
        self._measures.published(prepared, document)
        self._begun.pop((file.namespace, file.source), None)
        self._gone(prepared.gone)
        keep = self._settings.history.keep_versions
        if document.version > keep:
            for digest in self._stores.history.let_go(document.id, keep):
                self._stores.discard_file(digest)

    def lost(self, prepared: Prepared) -> None:
        self._stores.documents.abandon(prepared.document, [chunk.id for chunk in prepared.chunks])
        self._stores.discard_file(prepared.document.sha256)
        self._drop(prepared.file)

    def _drop(self, file: Received) -> None:
        """Nobody wants it any more: its record is as it was before."""
        self._begun.pop((file.namespace, file.source), None)
        self._stores.documents.settle(document_id(file.namespace, file.source))

    # ── one file ─────────────────────────────────────────────────────────────────────────────────

    def _add(self, file: Received, run: Run, allowance: Allowance, anew: bool) -> Iterator[DocumentChange]:
        """A file after the files inside it, so that one that is complete on record has them all."""
        if run.holds(file.namespace, file.source):
            yield from run.finish()
        old = self._stores.documents.find(file.namespace, file.source)
        digest = hashlib.sha256(file.data).hexdigest()
        if not anew and old is not None and is_current(old, digest, file.readers):
            yield from self._look_again(file, old, run, allowance)
            return
        try:
            with self._measures.reading(file):
                prepared, inside = self._prepare(file, digest, old, allowance, anew=anew)
        except (JobLost, Superseded):
            self._drop(file)
            return
        for each in inside:
            self.check()
            yield from self._add(each, run, allowance, anew)
        if isinstance(prepared, DocumentChange):
            yield from self._ended(file, prepared)
            return
        if old is not None and old.media_type in CONTAINERS and not anew:
            # They go in the transaction in which the new version comes.
            prepared = replace(prepared, gone=self._gone_inside(prepared.document, {each.source for each in inside}))
            yield from (DocumentChange(ChangeKind.REMOVED, each.title, each) for each in prepared.gone)
        yield from run.add(prepared)
        if file.work is not None and file.work.claimed.job.priority == URGENT and not file.is_inside:
            # The next file may take long to be read.
            run.hurry()

    def _look_again(self, file: Received, old: Document, run: Run, allowance: Allowance) -> Iterator[DocumentChange]:
        """An unchanged file, after the files inside it, which may have failed or been removed since."""
        if old.media_type in CONTAINERS:
            for each in read_again(self._parser.parse, file, allowance):
                self.check()
                yield from self._add(each, run, allowance, anew=False)
            # They are published before this file's job ends.
            yield from run.finish()
        yield from self._ended(file, DocumentChange(ChangeKind.UNCHANGED, file.name, old))

    def _gone_inside(self, container: Document, present: Set[str]) -> tuple[Document, ...]:
        """What an earlier version of the container held, and this one does not."""
        inside = self._stores.documents.under(container.namespace, container.source + INSIDE)
        return tuple(each for each in inside if each.source not in present and not is_inside(each, present))

    def _gone(self, documents: Iterable[Document]) -> None:
        """They were removed: their copies go, unless they are kept for a while."""
        for document in documents:
            if not self._settings.history.keep_removed_days:
                for digest in self._stores.history.purge(document.id):
                    self._stores.discard_file(digest)
            self._stores.discard_file(document.sha256)

    def _ended(self, file: Received, change: DocumentChange) -> Iterator[DocumentChange]:
        """The file's end without a publication."""
        self._measures.ended(change)
        if file.work is not None and file.is_inside:
            file.work.changes.append(change)
        elif file.work is not None:
            is_failure = change.kind is ChangeKind.FAILED
            changes = [*file.work.changes, change]
            with contextlib.suppress(JobLost):  # somebody else tells its end
                self._stores.jobs.finish(
                    file.work.claimed, changes, (change.message or "") if is_failure else None, change.code
                )
        yield change

    def _prepare(
        self, file: Received, digest: str, old: Document | None, allowance: Allowance, *, anew: bool
    ) -> tuple[Prepared | DocumentChange, Sequence[Received]]:
        """The document ready to be embedded, or what became of it instead; and the files inside it."""
        inside: Sequence[Received] = ()
        document = begun(file, digest)
        if anew and old is None:
            return DocumentChange(ChangeKind.SKIPPED, file.name, message="It was removed meanwhile."), ()
        # What answers now stays on record until the new version takes its place.
        self._begun[file.namespace, file.source] = replace(file, data=b"")
        self._telling.stage(file.work, JobStage.READING)
        if old is not None and is_answering(old):
            self._put(file, replace(old, status=DocumentStatus.PROCESSING))
        elif old is None or file.work is None or file.work.claimed.job.priority == URGENT:
            # Of files in folders it stays on record that they wait, which is true of most and costs nothing.
            self._put(file, document, is_new=old is None)
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
            self.check()
            raise
        except LorekeeperError as error:
            if file.may_be_empty and isinstance(error, NoText):
                return self._skip(file, document, old, error), ()
            return self._fail(file, document, old, error), ()
        if file.work is None or file.is_inside:
            self._stores.files.put(file.data)
        document = ready(document, parsed, len(chunks))
        kind = ChangeKind.REPLACED if old is not None and old.chunks else ChangeKind.ADDED
        # The bytes are stored; until it is published, nobody needs them here.
        return Prepared(file.name, document, kind, sections, chunks, replace(file, data=b"")), inside

    def _put(self, file: Received, document: Document, *, is_new: bool = False) -> None:
        """Raises `JobLost` when the job that the file comes from was cancelled or taken over, and where there is no job,
        `Superseded` when the document was removed, unless it `is_new`."""
        if file.work is not None:
            self._stores.documents.put(document, file.work.claimed)
        else:
            known = file.containers if is_new else (*file.containers, document.id)
            self._stores.documents.put(document, known=known)

    def _skip(self, file: Received, document: Document, old: Document | None, error: LorekeeperError) -> DocumentChange:
        """The record becomes as it was before; what came from an earlier version of the file is for pruning to remove."""
        self._begun.pop((document.namespace, document.source), None)
        if old is None or not old.chunks:
            self._stores.documents.forget(document.id)
        else:
            self._put(file, old)
        return DocumentChange(ChangeKind.SKIPPED, file.name, message=error.message)

    def _fail(self, file: Received, document: Document, old: Document | None, error: LorekeeperError) -> DocumentChange:
        self._begun.pop((document.namespace, document.source), None)
        # The person is told by the change: a command shows no news, only the log of a server keeps the cause.
        log.info("a document failed", document=document.id, cause=error.message)
        log.debug("why it failed", document=document.id, exc_info=error.__cause__)
        record = failed(document, old, error.message)
        self._put(file, record)
        return DocumentChange(ChangeKind.FAILED, file.name, record, record.error, error.code)

    def _interrupt(self) -> None:
        """Say of each document that was begun and not finished that it is not in work any more."""
        while self._begun:
            place, file = self._begun.popitem()
            with contextlib.suppress(StorageFailed):  # whatever ended the run tells more than this
                document = self._stores.documents.find(*place)
                if document is not None:
                    record = interrupted(document) if file.work is None else put_off(document)
                    self._stores.documents.put(record, known=[document.id])
