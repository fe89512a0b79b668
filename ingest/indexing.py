"""Prepared documents to searchable passages, in threads of their own.

While one batch is embedded, the one before it is written, and its caller reads the next one: embedding keeps the
processors busy, and what needs only one of them, or the disk, happens meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog

from core.ports import Embedder, VectorIndex, Vectors
from core.store.documents import DocumentStore
from core.store.publishing import Publication
from core.types import Chunk, Document, DocumentChange, JobStage
from ingest.measuring import Measures
from ingest.received import Prepared
from ingest.vectors import HeadingVectors, chunk_vectors, write_vectors

# Chunks embedded at once: enough to sort by length, few enough that a crash loses little.
BATCH_CHUNKS = 256
# Batches that wait or are in work; more would only use memory.
IN_FLIGHT = 2
# Chunks of documents that are published in one transaction; nobody else writes to the record meanwhile.
PUBLISHED_CHUNKS = 32
log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """Who looks after the documents on their way."""

    def check(self) -> None:
        """Called before each part of a batch; raises to give up."""
        ...

    def is_given_up(self, prepared: Prepared) -> bool:
        """Whether nobody wants it any more."""
        ...

    def embedding(self, batch: Sequence[Prepared], done: int, total: int) -> None:
        """So many of the chunks of these documents are embedded."""
        ...

    def has_copy(self, digest: str) -> bool:
        """Whether the bytes are stored still."""
        ...

    def published(self, prepared: Prepared, document: Document) -> None:
        """It answers, as this document."""
        ...

    def lost(self, prepared: Prepared) -> None:
        """It could not be published any more."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """A batch with the vectors of those of its chunks that are new, which are `new` by document and `rows` in order."""

    documents: tuple[Prepared, ...]
    new: tuple[tuple[Chunk, ...], ...]
    rows: Vectors
    headings: HeadingVectors


class _GivenUp(Exception):
    """None of a batch's documents is wanted any more."""


class Indexer:
    """Embeds and publishes batches."""

    def __init__(
        self, store: DocumentStore, vectors: VectorIndex, embedder: Embedder, watcher: Watcher, measures: Measures
    ) -> None:
        self._measures = measures
        self._store = store
        self._vectors = vectors
        self._embedder = embedder
        self._watcher = watcher
        self._embedding = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="writing")

    def submit(self, documents: Sequence[Prepared], *, anew: bool) -> Future[list[DocumentChange]]:
        """Index them, all their chunks if `anew`; batches are finished in the order in which they come."""
        embedded = self._embedding.submit(self._embed, tuple(documents), anew)
        return self._writing.submit(lambda: self._publish(embedded.result(), anew=anew))

    def close(self) -> None:
        """Wait for the batches in work; those not begun are dropped."""
        self._embedding.shutdown(wait=True, cancel_futures=True)
        self._writing.shutdown(wait=True, cancel_futures=True)

    def _embed(self, documents: tuple[Prepared, ...], anew: bool) -> Embedded:
        with self._measures.batch(JobStage.EMBEDDING, len(documents)):
            return self._embedded(documents, anew)

    def _embedded(self, documents: tuple[Prepared, ...], anew: bool) -> Embedded:
        # All of them, and before anybody asks which are there: what is left of an earlier version may be garbage.
        self._store.reserve_vectors({chunk.id: each.document.namespace for each in documents for chunk in each.chunks})
        new = tuple(each.chunks for each in documents) if anew else self._not_yet_indexed(documents)
        titled = [
            (prepared.document.title, chunk)
            for prepared, chunks in zip(documents, new, strict=True)
            for chunk in chunks
        ]
        try:
            # Texts come first, then headings, of which nobody is told.
            is_told = iter((True,))
            rows, headings = chunk_vectors(
                lambda texts: self._vectors_of(texts, documents, tell=next(is_told, False)), titled
            )
        except _GivenUp:
            for prepared in documents:
                self._watcher.lost(prepared)
            return Embedded((), (), np.zeros((0, self._embedder.dimension), np.float32), {})
        return Embedded(documents, new, rows, headings)

    def _vectors_of(self, texts: Sequence[str], documents: Sequence[Prepared], *, tell: bool) -> Vectors:
        rows = []
        for start in range(0, len(texts), BATCH_CHUNKS):
            self._watcher.check()
            if all(map(self._watcher.is_given_up, documents)):
                raise _GivenUp
            if tell:
                self._watcher.embedding(documents, start, len(texts))
            rows.append(self._embedder.embed(texts[start : start + BATCH_CHUNKS]))
        return np.concatenate(rows) if rows else np.zeros((0, self._embedder.dimension), np.float32)

    def _publish(self, batch: Embedded, *, anew: bool) -> list[DocumentChange]:
        with self._measures.batch(JobStage.PUBLISHING, len(batch.documents)):
            return self._published(batch, anew=anew)

    def _published(self, batch: Embedded, *, anew: bool) -> list[DocumentChange]:
        write_vectors(self._vectors, batch.documents, batch.new, batch.rows, batch.headings)
        changes = []
        for group in grouped(batch.documents):
            wanted = [Publication(each.document, each.sections, each.chunks, each.ending(anew=anew)) for each in group]
            published = self._store.publish_all(wanted, self._watcher.has_copy)
            for prepared, document in zip(group, published, strict=True):
                if not isinstance(document, Document):
                    log.info("not published", document=prepared.document.id, cause=document.message)
                    self._watcher.lost(prepared)
                    continue
                self._watcher.published(prepared, document)
                log.debug("indexed", document=document.id, chunks=document.chunks)
                changes.append(prepared.change(document))
        log.info("indexed", documents=len(changes), embedded=len(batch.rows))
        return changes

    def _not_yet_indexed(self, documents: Sequence[Prepared]) -> tuple[tuple[Chunk, ...], ...]:
        """Of each document, in order. All with the same readers are asked for at once: a call costs more than what it brings."""
        wanted: dict[tuple[str, frozenset[str]], list[str]] = {}
        for prepared in documents:
            place = (prepared.document.namespace, prepared.document.readers)
            wanted.setdefault(place, []).extend(chunk.id for chunk in prepared.chunks)
        known = {place: self._vectors.existing(*place, ids) for place, ids in wanted.items()}
        return tuple(
            tuple(
                chunk
                for chunk in prepared.chunks
                if chunk.id not in known[prepared.document.namespace, prepared.document.readers]
            )
            for prepared in documents
        )


def grouped(documents: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    """Those that are published in one transaction: several small ones, so that it costs little and lasts briefly."""
    group: list[Prepared] = []
    for prepared in documents:
        if group and sum(len(each.chunks) for each in (*group, prepared)) > PUBLISHED_CHUNKS:
            yield group
            group = []
        group.append(prepared)
    if group:
        yield group


class Run:
    """One run's documents on their way through an indexer. For one thread."""

    def __init__(self, indexer: Indexer, *, anew: bool) -> None:
        self._indexer = indexer
        self._anew = anew
        self._batch: list[Prepared] = []
        self._at_work: deque[tuple[list[Prepared], Future[list[DocumentChange]]]] = deque()

    def holds(self, namespace: str, source: str) -> bool:
        """Whether a version of this document was added, and may not be published yet."""
        batches = [*(batch for batch, _ in self._at_work), self._batch]
        documents = (each.document for batch in batches for each in batch)
        return any((document.namespace, document.source) == (namespace, source) for document in documents)

    def add(self, prepared: Prepared) -> Iterator[DocumentChange]:
        """Take a document; yields what is done by now. Raises what the indexer raised."""
        self._batch.append(prepared)
        if sum(len(each.chunks) for each in self._batch) >= BATCH_CHUNKS:
            self._send()
            yield from self._done(IN_FLIGHT)

    def hurry(self) -> None:
        """Index what was added without waiting for more."""
        if self._batch:
            self._send()

    def finish(self) -> Iterator[DocumentChange]:
        """Index what was added; yields the rest. Raises what the indexer raised."""
        self.hurry()
        yield from self._done(0)

    def end(self) -> None:
        """Give up what is not finished, and wait until nothing of it is in work any more."""
        for _, future in self._at_work:
            future.cancel()
        wait([future for _, future in self._at_work])

    def _send(self) -> None:
        self._at_work.append((self._batch, self._indexer.submit(self._batch, anew=self._anew)))
        self._batch = []

    def _done(self, most: int) -> Iterator[DocumentChange]:
        while self._at_work and (len(self._at_work) > most or self._at_work[0][1].done()):
            yield from self._at_work[0][1].result()
            self._at_work.popleft()
