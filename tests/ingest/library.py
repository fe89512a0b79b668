"""A real store, a real embedded Chroma and the pipeline, around an embedder that needs no model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from core.build import split_identity
from core.datafolder import prepare
from core.identity import IndexIdentity
from core.retrieval.chroma import ChromaIndex, open_chroma
from core.retrieval.embed.batching import QueryBatcher
from core.retrieval.hybrid import HybridRetriever
from core.settings import Settings
from core.settings_documents import Split
from core.store.documents import DocumentStore
from core.store.engine import open_engine, upgrade
from core.store.history import HistoryStore
from core.store.inspection import Inspection
from core.store.jobs import JobStore
from core.store.lexical import open_lexical
from core.store.meta import IndexMeta
from core.types import Document, DocumentChange, Job, JobState, Passage, Scope
from ingest.pipeline import Pipeline
from tests.fakes.embedder import WordEmbedder


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that an application has, without the generators."""

    settings: Settings
    engine: Engine
    store: DocumentStore
    history: HistoryStore
    jobs: JobStore
    vectors: ChromaIndex
    embedder: WordEmbedder
    pipeline: Pipeline

    def add(self, *paths: Path, prune: bool = True, namespace: str = "default") -> dict[str, DocumentChange]:
        """What happened, by the names of the files."""
        changes = asyncio.run(self.pipeline.add_paths(paths, namespace, prune=prune))
        return {change.name: change for change in changes}

    def kinds(self, *paths: Path, prune: bool = True) -> dict[str, str]:
        """What kind of change it was, by the names of the files."""
        return {name: change.kind.value for name, change in self.add(*paths, prune=prune).items()}

    def work(self) -> None:
        """Carry out what waits, until nothing does."""
        self.pipeline.work()
        until(lambda: not self.jobs.unfinished_documents())

    def all_jobs(self) -> list[Job]:
        """Those that were written down."""
        return self.jobs.page((), 1000, 0)[0]

    def count(self, state: JobState) -> int:
        """How many jobs are in this state."""
        return self.jobs.page([state], 1, 0)[1]

    def is_reading(self) -> bool:
        """Whether a process reads files now."""
        return any(lane.engine._parser.pid is not None for lane in self.pipeline._worker._lanes)

    def documents(self) -> list[Document]:
        """All, by title."""
        return self.store.page(None, 1000, 0)[0]

    def ask(self, query: str) -> list[Passage]:
        """What both indexes find for it, best first."""
        return asyncio.run(self.retrieve(query))

    async def retrieve(self, query: str) -> list[Passage]:
        """The same, in an event loop."""
        retriever = HybridRetriever(
            QueryBatcher(self.embedder), self.vectors, open_lexical(self.engine), self.store, self.settings.retrieval
        )
        return list((await retriever.retrieve(query, Scope())).passages)

    def texts(self, query: str) -> list[str]:
        """The texts of what is found."""
        return [passage.text for passage in self.ask(query)]

    def words(self, query: str) -> list[str]:
        """Ids of the chunks that the word index alone finds."""
        return [hit.chunk_id for hit in open_lexical(self.engine).look_up(query, Scope(), 100).hits]

    def stored_files(self) -> list[Path]:
        """The copies that are kept of the documents' bytes."""
        return [path for path in (self.settings.data_dir / "files").rglob("*") if path.is_file()]


@contextmanager
def open_library(folder: Path, embedder: WordEmbedder | None = None, **chosen: Any) -> Iterator[Library]:
    """The library in this data folder, after what a start puts right. `chosen`: sections of the settings."""
    prepare(folder)
    settings = Settings(data_dir=folder, split=Split(max_tokens=60, overlap_tokens=0), **chosen)
    engine = open_engine(settings.database_url, folder)
    upgrade(engine)
    store = DocumentStore(engine)
    model = embedder or WordEmbedder()
    identity = IndexIdentity(IndexMeta(engine), model.identity, split_identity(settings))
    identity.check(is_empty=store.count_chunks(None) == 0)
    vectors = open_chroma(settings, model.identity)
    jobs = JobStore(engine)
    history = HistoryStore(engine)
    pipeline = Pipeline(store, history, jobs, Inspection(engine), vectors, model, identity, settings)
    try:
        pipeline.recover()
        yield Library(settings, engine, store, history, jobs, vectors, model, pipeline)
    finally:
        pipeline.close()
        vectors.close()
        engine.dispose()


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it is so; fails when that takes longer."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to this in time"
        time.sleep(0.02)


def put(path: Path, text: str | bytes) -> Path:
    """Write a file, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def titled(documents: Sequence[Document]) -> list[str]:
    """Their titles."""
    return [document.title for document in documents]
