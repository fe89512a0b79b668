"""`lorekeeper eval ingest`: how fast documents are indexed, and where the time goes (`evals.stages`).

The texts of a data set are handed to the pipeline as they are. A folder of files goes the whole way of files that a
person adds: they are received, their jobs are written down and carried out, and other processes read them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.build import Application, open_application
from core.errors import InvalidRequest
from core.settings import Settings
from core.types import ChangeKind, DocumentChange
from evals.datasets import Dataset
from evals.processes import PeakMemory
from evals.retrieval import NAMESPACE, Report, apart, ingest
from evals.stages import EMBEDDING, OTHER, READING, STAGES, Watched, watched
from ingest.sources.files import collect

SYSTEM = "lorekeeper"


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a system did with the documents. None: it does not do this, or does not tell."""

    dataset: str
    system: str
    files: int
    documents: int
    """Those in which it found text, files inside others included."""
    pages: int | None
    refused: Mapping[str, int]
    """How many files, by the reason."""
    skipped: int
    """Files whose format it does not look at, and those that hold no text."""
    chunks: int | None
    seconds: float
    tokens: int | None
    stages: Mapping[str, float]
    peak_rss_mb: float | None
    reader_peak_mb: float | None = None
    """Of the process that reads files, if that is another one."""
    versions: Mapping[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The keys are those of `lorekeeper eval ingest --json`."""
        documents = self.documents if self.chunks is not None else None
        return {
            "dataset": self.dataset,
            "system": self.system,
            "files": self.files,
            "documents": self.documents,
            "pages": self.pages,
            "refused": sum(self.refused.values()),
            "skipped": self.skipped,
            "chunks": self.chunks,
            "seconds": round(self.seconds, 2),
            "documents_per_second": _rate(documents, self.seconds),
            "pages_per_second": _rate(self.pages, self.seconds) if self.chunks is not None else None,
            "chunks_per_second": _rate(self.chunks, self.seconds),
            "tokens_per_second": _rate(self.tokens, self.seconds, None),
            "read_per_second": _rate(self.documents, self.stages.get(READING, 0.0)),
            "stages": {stage: round(seconds, 2) for stage, seconds in self.stages.items()},
            "embedding_share": _share(self.stages.get(EMBEDDING), self.seconds),
            "peak_rss_mb": self.peak_rss_mb,
            "reader_peak_mb": self.reader_peak_mb,
            "reasons": dict(self.refused),
            "versions": dict(self.versions),
        }


async def evaluate_ingest(dataset: Dataset, settings: Settings, report: Report) -> dict[str, Any]:
    """Index the texts of a data set once."""
    async with opened(settings) as (application, watch):
        with PeakMemory() as memory:
            seconds, chunks = await ingest(application, dataset, report)
    count = len(dataset.documents)
    return Indexed(
        dataset=dataset.name,
        system=SYSTEM,
        files=count,
        documents=count,
        pages=None,
        refused={},
        skipped=0,
        chunks=chunks,
        seconds=seconds,
        tokens=watch.tokens(),
        stages=stages_of(watch, seconds),
        peak_rss_mb=memory.megabytes,
    ).row()


async def evaluate_files(folder: Path, settings: Settings, report: Report) -> dict[str, Any]:
    """Add a folder as a person would. Raises `InvalidRequest` for one that cannot be read or holds no files."""
    files = len(files_in(folder))
    async with opened(settings) as (application, watch):
        with PeakMemory() as memory:
            start = time.perf_counter()
            changes = await add(application, folder, report)
            seconds = time.perf_counter() - start
    return indexed(folder, files, changes, seconds, watch, memory.megabytes).row()


def indexed(
    folder: Path, files: int, changes: Sequence[DocumentChange], seconds: float, watch: Watched, peak_mb: float
) -> Indexed:
    """What became of the files of a folder."""
    added = (change.document for change in changes if change.kind is ChangeKind.ADDED)
    # An archive holds no text of its own.
    read = [document for document in added if document is not None and document.chunks]
    return Indexed(
        dataset=folder.resolve().name,
        system=SYSTEM,
        files=files,
        documents=len(read),
        pages=sum(document.pages or 0 for document in read),
        refused=Counter(change.message or "" for change in changes if change.kind is ChangeKind.FAILED),
        skipped=sum(change.kind is ChangeKind.SKIPPED for change in changes),
        chunks=sum(document.chunks for document in read),
        seconds=seconds,
        tokens=watch.tokens(),
        stages=stages_of(watch, seconds),
        peak_rss_mb=peak_mb,
        reader_peak_mb=watch.reader.peak(),
    )


def stages_of(watch: Watched, seconds: float) -> dict[str, float]:
    """Seconds by stage, and those of nothing that is watched."""
    stages = watch.stages
    return {**{stage: stages.seconds[stage] for stage in STAGES}, OTHER: max(0.0, seconds - stages.busy)}


def files_in(folder: Path) -> list[Path]:
    """Every file that is not hidden, whatever reads it. Raises `InvalidRequest` when there is none."""
    collected = collect([folder])
    skipped = [path for name in collected.skipped if (path := folder.absolute() / name).is_file()]
    if not collected.files and not skipped:
        raise InvalidRequest(
            f"{folder} holds no file. Name a folder with documents, or one with corpus.jsonl and questions.jsonl."
        )
    return sorted([*(file.path for file in collected.files), *skipped])


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[tuple[Application, Watched], None]:
    """An application with an index of its own, whose parts are watched from now on, and which carries out jobs."""
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder, watched() as watch:
        own = apart(settings, Path(folder))
        at_work = own.model_copy(update={"jobs": own.jobs.model_copy(update={"run": True})})
        application = await asyncio.to_thread(open_application, at_work, "lorekeeper eval")
        try:
            watch.stages.reset()
            yield application, watch
        finally:
            application.close()


async def add(application: Application, folder: Path, report: Report) -> list[DocumentChange]:
    def progress(change: DocumentChange, done: int, total: int) -> None:
        report("indexing", done, total)

    return await application.documents.add_paths([folder], NAMESPACE, progress)


def _rate(count: int | None, seconds: float, digits: int | None = 2) -> float | None:
    if count is None or not seconds:
        return None
    return round(count / seconds, digits)


def _share(part: float | None, seconds: float) -> float | None:
    return None if part is None or not seconds else round(part / seconds, 3)
