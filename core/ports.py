"""The protocols between the parts. Each has one implementation per file, chosen in `core.build`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from core.types import (
    NOBODY,
    Answer,
    Chunk,
    Document,
    DocumentChange,
    DocumentStatus,
    Event,
    Finding,
    GenerationRequest,
    HistoryEntry,
    Hit,
    Job,
    JobState,
    NewSource,
    Origin,
    ParsedDocument,
    Passage,
    Question,
    Retrieval,
    Scope,
    Signals,
    Stems,
    SyncedSource,
    Turn,
    WordHits,
)

Vectors = npt.NDArray[np.float32]
"""Shape (n, dimension), rows of unit length."""

CountTokens = Callable[[str], int]
Progress = Callable[[DocumentChange, int, int], None]
"""Called with what happened to a file, how many files are done, and how many there are."""
Watch = Callable[[Job], None]
"""Called with a job whenever it got further."""


class Embedder(Protocol):
    """Text to vectors. Blocking: callers on an event loop go through a thread."""

    @property
    def identity(self) -> str:
        """Model, precision and dimension, e.g. `all-MiniLM-L6-v2/fp32/384`; the index stores it."""
        ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, in their order. Raises `EmbeddingFailed`."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions; some models want another prefix for them. Raises `EmbeddingFailed`."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def close(self) -> None: ...


class Models(Protocol):
    """Which model answers for which namespace: its name at the model's server, empty for the base model. Never raises."""

    async def model_for(self, namespace: str) -> str: ...


class VectorIndex(Protocol):
    """Dense search. Blocking. The access filter is part of the query."""

    def upsert(
        self,
        namespace: str,
        readers: frozenset[str],
        chunks: Sequence[Chunk],
        vectors: Vectors,
        headings: Mapping[str, tuple[str, Vectors]] | None = None,
    ) -> None:
        """Index unit vectors, one row per chunk. `headings`: for some chunk ids, a heading and its vector, shape (dimension,).

        A chunk is as near to a query as the nearer of its two; a heading that several chunks have counts for none.
        """
        ...

    def delete(self, namespace: str, chunk_ids: Sequence[str]) -> None: ...

    def search(self, vector: Vectors, scope: Scope, limit: int) -> list[Hit]:
        """The nearest chunks, best first, by cosine similarity; `vector` has shape (1, dimension)."""
        ...

    def similarities(self, vector: Vectors, scope: Scope, chunk_ids: Sequence[str]) -> dict[str, float]:
        """Cosine similarity of the given chunks; those that are not indexed are left out."""
        ...

    def existing(self, namespace: str, readers: frozenset[str], chunk_ids: Sequence[str]) -> set[str]:
        """Which of these chunks are indexed already, for the same readers."""
        ...

    def count(self) -> int: ...

    def chunk_ids(self) -> Iterator[tuple[str, list[str]]]:
        """(namespace, ids) of everything that is indexed, a batch at a time; an id may come more than once."""
        ...

    def drop_others(self) -> None:
        """Delete what other embedding models left behind; called after a re-index."""
        ...

    def ping(self) -> None:
        """Raises `StorageFailed` when the index does not answer."""
        ...

    def close(self) -> None: ...


class LexicalIndex(Protocol):
    """Word search over chunks. Blocking. The access filter is part of the query."""

    def look_up(self, query: str, scope: Scope, limit: int) -> WordHits:
        """The best chunks by BM25, best first, and how common the query's stems are.

        `query` is raw user text and is never parsed as syntax.
        """
        ...

    def stems(self, chunk_ids: Sequence[str]) -> dict[str, Stems]:
        """The words of these chunks, as they are indexed; those whose order the index does not keep are left out.

        Whoever asks has found the chunks, so the access filter has been passed.
        """
        ...


class Retriever(Protocol):
    """A standalone query to passages."""

    async def retrieve(self, query: str, scope: Scope, limit: int | None = None) -> Retrieval: ...


class Evidence(Protocol):
    """How well the passages that were found fit the question. Blocking."""

    def signals(self, found: Retrieval, suffices: Callable[[Signals], bool] | None = None) -> Signals:
        """With `suffices`, sentences are looked at only until it holds; each further one can but raise the signals."""
        ...


class Reranker(Protocol):
    """Scores (query, text) pairs; larger is better. Blocking."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]: ...


class Generator(Protocol):
    """Passages to an answer with `[n]` marks, as a stream of text pieces."""

    @property
    def name(self) -> str:
        """Which one, with its model: `extractive`, `chat:lore-slm`, …"""
        ...

    def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Raises `GenerationUnavailable` before the first piece, `GenerationInterrupted` after it."""
        ...

    async def healthy(self) -> bool: ...


class Rewriter(Protocol):
    """A follow-up question and its history to one query that stands alone."""

    async def standalone(self, question: str, history: Sequence[Turn]) -> str: ...


class Asker(Protocol):
    """What every channel talks to."""

    def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        """Ends with `Finished`, whatever happens; raises only when cancelled."""
        ...

    async def ask(self, question: Question) -> Answer: ...


class Documents(Protocol):
    """What admins do with documents, in this process or through the one that owns the data folder."""

    async def add_paths(
        self,
        paths: Sequence[Path],
        namespace: str,
        progress: Progress | None = None,
        prune: bool = True,
        *,
        origin: Origin = NOBODY,
    ) -> list[DocumentChange]:
        """Bring files and folders into the index.

        What was received is finished, whatever becomes of the caller; that what is gone is removed takes the caller.

        Unchanged files are skipped; with `prune`, documents of a given folder whose file is gone are removed.
        Raises `InvalidRequest` for a path that does not exist. A file that cannot be read fails alone.
        """
        ...

    async def add_file(
        self, name: str, path: Path, namespace: str, *, origin: Origin = NOBODY, watch: Watch | None = None
    ) -> DocumentChange:
        """Bring one received file (an upload, spooled at `path`) into the index under `name`.

        It is finished, whatever becomes of the caller; the caller hears of its end. Raises `StorageFailed` or
        `EmbeddingFailed` when it has to be tried again, which is done without being asked.
        """
        ...

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
        """A page of the documents in a namespace and state, by title, and how many of them there are in all.

        `within`: in one of these namespaces; empty means all. `text`: a part of title or source, in any case.
        """
        ...

    async def get(self, document_id: str, within: frozenset[str] = frozenset()) -> Document:
        """The document, if it is in one of the namespaces; empty means all. Raises `NotFound`.

        A unique prefix of the id, of at least 6 characters, is enough.
        """
        ...

    async def namespaces(self) -> list[str]:
        """Those that can be asked, by name: the default one, those of the settings, and those with documents."""
        ...

    async def passages(self, document_id: str) -> list[Passage]: ...

    async def passage_page(self, document_id: str, limit: int, offset: int) -> tuple[list[Passage], int]:
        """A page of the document's passages, in reading order, and how many it has. Raises `NotFound`."""
        ...

    async def remove(self, document_id: str, *, origin: Origin = NOBODY) -> Document:
        """It answers no more; what is kept of it can be restored for a while. Raises `NotFound`."""
        ...

    async def reindex(self, progress: Progress | None = None) -> list[DocumentChange]:
        """Split and embed every stored document anew with the present settings."""
        ...

    async def check(self, *, repair: bool = False) -> list[Finding]:
        """Hold record, word index, vector index and stored copies against each other."""
        ...


class Jobs(Protocol):
    """Files on their way into the index, those that came to no good end included.

    `within`: in one of these namespaces; empty means all. Ids may be given by a unique beginning of at least 6 characters.
    """

    async def page(
        self,
        states: frozenset[JobState] = frozenset(),
        limit: int = 100,
        offset: int = 0,
        *,
        within: frozenset[str] = frozenset(),
    ) -> tuple[list[Job], int]:
        """A page of those in one of these states (empty: all), and how many there are.

        In the order of their turn while they wait or run, before those that ended, the latest of them first. Where
        states are named, one that failed is left out when its file came again since.
        """
        ...

    async def get(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        """Raises `NotFound`."""
        ...

    async def about(self, document_id: str, states: frozenset[JobState]) -> Job | None:
        """Of the jobs about this document, by its full id, in one of these states, the one that came last."""
        ...

    async def cancel(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        """Give it up; what answered before goes on answering. Raises `NotFound`, `InvalidRequest` when it has ended."""
        ...

    async def retry(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        """Try again what failed or was cancelled. Raises `NotFound`, `InvalidRequest` for another state, or what came again since."""
        ...


class Versions(Protocol):
    """What documents were before. `within` and ids as in `Jobs`."""

    async def history(self, document_id: str, within: frozenset[str] = frozenset()) -> list[HistoryEntry]:
        """Of a document, also a removed one, the latest event first. Raises `NotFound`."""
        ...

    async def removed(
        self, limit: int = 100, offset: int = 0, *, within: frozenset[str] = frozenset()
    ) -> tuple[list[HistoryEntry], int]:
        """The removals of documents that are not there again, the latest first, and how many there are."""
        ...

    async def restore(
        self,
        document_id: str,
        version: int | None = None,
        *,
        within: frozenset[str] = frozenset(),
        origin: Origin = NOBODY,
        watch: Watch | None = None,
    ) -> DocumentChange:
        """Bring a version back: of a removed document the last one by default, of another one the one before.

        Raises `NotFound`, `InvalidRequest` when there is no such version, or its bytes are gone.
        """
        ...

    async def purge(self, document_id: str, within: frozenset[str] = frozenset()) -> HistoryEntry:
        """Erase a document, whether removed or not, with its history and every copy. Raises `NotFound`."""
        ...


class Sources(Protocol):
    """Places that are kept in sync, in this process or through the one that owns the data folder."""

    async def register(self, wanted: NewSource) -> SyncedSource:
        """Record a source, or what changes of one that is known; nothing is read yet.

        Raises `InvalidRequest` for an address that is none, leads nowhere or overlaps with another source's,
        `MissingExtra`.
        """
        ...

    async def all(self) -> list[SyncedSource]: ...

    async def get(self, source_id: str) -> SyncedSource:
        """By id or a unique beginning of it. Raises `NotFound`."""
        ...

    async def sync(
        self, source_id: str, progress: Progress | None = None, *, again: bool = False, allow_empty: bool = False
    ) -> list[DocumentChange]:
        """Bring what differs into the index, and remove what is gone; returns what changed.

        `again`: read unchanged files, too. `allow_empty`: a source without files loses its documents.
        Raises `InvalidRequest` or another of ours when it cannot be brought to its end.
        """
        ...

    async def remove(self, source_id: str, *, keep_documents: bool = False) -> SyncedSource:
        """Forget the source, and with it its documents unless they are kept. Raises `NotFound`."""
        ...


@runtime_checkable
class Parser(Protocol):
    """One file format. Blocking, pure: bytes in, blocks out."""

    media_types: Iterable[str]

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` with a sentence for the person who uploaded it."""
        ...


class Channel(Protocol):
    """A running adapter: Slack, Discord, the gateway."""

    @property
    def doors(self) -> Mapping[str, Any]:
        """By path, the ASGI applications that the gateway has to serve for it."""
        ...

    async def serve(self) -> None:
        """Run until cancelled."""
        ...
