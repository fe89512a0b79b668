"""What a system gets to do and gives back, and doing it: the only code that is the same in every environment.

A peer's environment has its own library and not Lorekeeper's packages, so this file needs the standard library only, and
is run there by path: `python protocol.py WITH_PEER.py JOB RESULT`. The file named first imports the library and has

- `SYSTEMS`: by name, a class that is made with the folder of the model and an empty folder to keep things in,
- `ENCODER`: the class whose method `encode` runs the embedding model; None where there is none,
- `PACKAGES`: the packages whose versions belong to the result.

There are two kinds of jobs: a corpus and questions for a `System`, and files of any kind for a `FileSystem`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, Protocol, TypeVar

NO_TEXT = "no text"
MOST_OF_A_REASON = 120
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """`dataset` is a folder with `corpus.jsonl` and `questions.jsonl`, all of whose questions are to be asked."""

    system: str
    dataset: str
    model: str
    """The folder with the weights of the embedding model, for sentence-transformers."""
    depth: int
    """How many chunks to ask for."""
    workspace: str
    """An empty folder."""

    @classmethod
    def read(cls, path: Path) -> Job:
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class Ranking:
    """One question's documents, best first, a document where its best chunk is."""

    question: str
    documents: list[str]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """`embedding_seconds` is the part of `ingest_seconds` during which the embedding model ran."""

    ingest_seconds: float
    embedding_seconds: float
    chunks: int
    rankings: list[Ranking]
    rss_mb: float
    versions: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Result:
        """Raises `OSError`, `ValueError`, `TypeError` or `KeyError` for what is no result."""
        values = json.loads(path.read_text())
        return cls(**{**values, "rankings": [Ranking(**row) for row in values["rankings"]]})

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class Document:
    id: str
    title: str
    text: str


class System(Protocol):
    """What a file WITH_PEER.py has under each name in `SYSTEMS`. The model is loaded when it is made."""

    def ingest(self, documents: Sequence[Document]) -> int:
        """Index the documents; returns the number of chunks."""
        ...

    def search(self, question: str, depth: int) -> list[str]:
        """The documents' ids of the chunks that were found, best first; an id may come several times."""
        ...


@dataclass(frozen=True, slots=True)
class FileJob:
    """`files` are paths, all of which are to be read and indexed."""

    system: str
    files: list[str]
    model: str
    """As in `Job`."""
    workspace: str
    """An empty folder."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True)
class FileResult:
    """`chunks` is None where nothing is indexed. `stages`: seconds by the names of `evals.stages`."""

    read: int
    pages: int | None
    refused: dict[str, int]
    """How many files, by the reason."""
    chunks: int | None
    seconds: float
    stages: dict[str, float]
    peak_rss_mb: float
    versions: dict[str, str]

    @classmethod
    def read_from(cls, path: Path) -> FileResult:
        """Raises `OSError`, `ValueError` or `TypeError` for what is no result."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


class FileSystem(Protocol):
    """What a file WITH_PEER.py has for files. One that only converts has neither `split` nor `store`."""

    def read(self, path: str) -> Sequence[Any]:
        """The file's parts, none of them without text. Raises whatever its library does for what it cannot read."""
        ...

    def pages(self, path: str, parts: Sequence[Any]) -> int:
        """How many pages the file has, as far as the library tells."""
        ...

    def split(self, parts: Sequence[Any]) -> Sequence[Any]:
        """Chunks."""
        ...

    def store(self, chunks: Sequence[Any]) -> None:
        """Embed and index them."""
        ...


class Stopwatch:
    """The time during which at least one of the timed calls was under way, in any thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running = 0
        self._begun = 0.0
        self._lock = threading.Lock()

    def timed(self, call: Callable[P, T]) -> Callable[P, T]:
        @wraps(call)
        def timed(*arguments: P.args, **options: P.kwargs) -> T:
            self._count(1)
            try:
                return call(*arguments, **options)
            finally:
                self._count(-1)

        return timed

    def _count(self, change: int) -> None:
        with self._lock:
            now = time.perf_counter()
            if self._running == 0:
                self._begun = now
            self._running += change
            if self._running == 0:
                self.seconds += now - self._begun


def perform(job: Job, system: System, watch: Stopwatch, packages: Sequence[str]) -> Result:
    """Index the corpus, then ask every question, one at a time."""
    corpus = [Document(row["doc_id"], row["title"], row["text"]) for row in _rows(job, "corpus")]
    start = time.perf_counter()
    chunks = system.ingest(corpus)
    ingest_seconds, embedding_seconds = time.perf_counter() - start, watch.seconds
    rankings = [_ask(system, row, job.depth) for row in _rows(job, "questions")]
    return Result(ingest_seconds, embedding_seconds, chunks, rankings, resident_mb(), versions(packages))


def perform_files(job: FileJob, system: FileSystem, watch: Stopwatch, packages: Sequence[str]) -> FileResult:
    """Read every file, then index all of them, as the library's documentation does."""
    refused: Counter[str] = Counter()
    parts: list[Any] = []
    read = pages = 0
    start = time.perf_counter()
    for path in job.files:
        try:
            found = system.read(path)
        except Exception as error:  # noqa: BLE001 - that it cannot read a file is a result
            refused[_reason(error)] += 1
            continue
        if not found:
            refused[NO_TEXT] += 1
            continue
        read += 1
        pages += system.pages(path, found)
        parts += found
    times = [start, time.perf_counter()]
    stages = {"reading": times[1] - start}
    chunks = None
    if hasattr(system, "split"):
        pieces = system.split(parts)
        times.append(time.perf_counter())
        system.store(pieces)
        times.append(time.perf_counter())
        embedding = watch.seconds
        stages |= {
            "splitting": times[2] - times[1],
            "embedding": embedding,
            "vectors": times[3] - times[2] - embedding,
        }
        chunks = len(pieces)
    seconds = times[-1] - start
    return FileResult(read, pages or None, dict(refused), chunks, seconds, stages, peak_rss_mb(), versions(packages))


def _reason(error: Exception) -> str:
    """On one line, without the path of the file that it may name."""
    said = " ".join(str(error).split())
    return type(error).__name__ if "/" in said or not said else f"{type(error).__name__}: {said[:MOST_OF_A_REASON]}"


def _ask(system: System, row: dict[str, Any], depth: int) -> Ranking:
    start = time.perf_counter()
    found = system.search(row["question"], depth)
    milliseconds = (time.perf_counter() - start) * 1000
    return Ranking(row["qid"], list(dict.fromkeys(found)), milliseconds)


def _rows(job: Job, name: str) -> list[dict[str, Any]]:
    with (Path(job.dataset) / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def versions(packages: Sequence[str]) -> dict[str, str]:
    return {package: version(package) for package in packages}


def resident_mb() -> float:
    """Memory that this process holds now, in MB; where the system does not tell, the most that it held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        # In bytes on macOS, the only system here without /proc.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def peak_rss_mb() -> float:
    """The most memory that this process held, in MB.

    On Linux not by getrusage, which begins with what the process held that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except (OSError, ValueError, IndexError):
        # In bytes on macOS, the only system here without /proc.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(peer: str, job_file: str, result_file: str) -> None:
    fields = json.loads(Path(job_file).read_text())
    module = _load(Path(peer))
    watch = Stopwatch()
    if module.ENCODER is not None:
        module.ENCODER.encode = watch.timed(module.ENCODER.encode)
    system = module.SYSTEMS[fields["system"]](fields["model"], fields["workspace"])
    if "files" in fields:
        perform_files(FileJob(**fields), system, watch, module.PACKAGES).write(Path(result_file))
    else:
        perform(Job(**fields), system, watch, module.PACKAGES).write(Path(result_file))


if __name__ == "__main__":
    main(*sys.argv[1:])
