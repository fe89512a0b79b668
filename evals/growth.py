"""`lorekeeper eval growth`: how indexing, asking and memory grow with the index.

The data sets' own texts are cut into documents of about 70 words, each of which is one chunk; one index grows from size to
size, and at each of them a fresh process opens it and asks, because the one that embedded keeps some of the memory that
this took. When the texts are used up they are cut once more, elsewhere, so that no two documents are the same, but later
ones share words with earlier ones.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory
from typing import Any

from core.build import open_application
from core.log import configure
from core.responder import Responder
from core.settings import Settings, load
from core.types import Question, Scope
from evals.datasets import CorpusDocument, Dataset
from evals.metrics import percentile
from evals.processes import ON_ITS_OWN, resident_mb
from evals.retrieval import NAMESPACE, Report, apart, ingest

SYSTEM = "lorekeeper"
SIZES = (1_000, 10_000, 100_000)
QUESTIONS = 200
WARM_UP = 20
# Words of a document, and of what is too short to be one and stays with the one before.
WORDS, FEWEST = 70, 35
# Where in a text the cutting begins, the first time, the second time, and so on.
OFFSETS = (0, 35, 17, 52)
# Documents indexed at once, so that the index does not outgrow its size by much where one has several chunks.
PART = 1000
MEASURING_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the fresh process measured: milliseconds of each question, and MB that it holds at the end."""

    query_ms: Sequence[float]
    answer_ms: Sequence[float]
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Grown:
    """What lies in an index: chunks, the documents that they are of, and seconds of indexing since the size before."""

    chunks: int = 0
    documents: int = 0
    seconds: float = 0.0


async def evaluate_growth(
    datasets: Sequence[Dataset],
    settings: Settings,
    report: Report,
    sizes: Sequence[int] = SIZES,
    count: int = QUESTIONS,
    keep: Path | None = None,
) -> list[dict[str, Any]]:
    """One row for each size, in chunks; ends early, and says so in `note`, when the texts give no more.

    `keep`: a folder in which the index of each size stays, so that the next evaluation only asks.
    """
    asked = _questions(datasets, count)
    rows: list[dict[str, Any]] = []
    grown = Grown()
    before: Path | None = None
    with TemporaryDirectory(prefix="lorekeeper-eval-") as temporary:
        for size in sorted(sizes):
            folder = (keep or Path(temporary)) / str(size)
            last, grown = grown.chunks, await _grown(datasets, settings, folder, before, grown, size, report)
            if grown.chunks == last:
                break
            report(f"asking {grown.chunks} chunks", 0, 1)
            measured = await asyncio.to_thread(_measure, str(folder), asked)
            report(f"asking {grown.chunks} chunks", 1, 1)
            rows.append(_row(grown, measured, folder_mb(folder), missing(grown.chunks, size)))
            if keep is None and before is not None:
                shutil.rmtree(before)
            before = folder
    return with_exponent(rows)


def cut(datasets: Sequence[Dataset]) -> Iterator[CorpusDocument]:
    """Documents of about `WORDS` words from all the texts, in an order that is always the same; no two are the same."""
    texts = [(dataset.name, document) for dataset in datasets for document in dataset.documents]
    random.Random(1).shuffle(texts)  # noqa: S311 - the same order every time
    seen: set[int] = set()
    for offset in OFFSETS:
        for name, document in texts:
            for number, text in enumerate(windows(document.text.split(), offset)):
                if hash(text) not in seen:
                    seen.add(hash(text))
                    yield CorpusDocument(f"{name}/{document.id}/{offset}/{number}", document.title, text)


def windows(words: Sequence[str], offset: int) -> list[str]:
    """The words from `offset` on in texts of `WORDS`; a short rest belongs to the last one, or is one if it is all."""
    starts = list(range(offset, len(words), WORDS))
    if len(starts) > 1 and len(words) - starts[-1] < FEWEST:
        starts.pop()
    if not starts or (offset and len(words) - offset < FEWEST):
        return []
    ends = [*starts[1:], len(words)]
    return [" ".join(words[start:end]) for start, end in zip(starts, ends, strict=True)]


def exponent(sizes: Sequence[float], milliseconds: Sequence[float]) -> float | None:
    """The slope of log time over log size: 0 where the size does not matter, 1 where time grows as it does."""
    if len(set(sizes)) < 2 or min(milliseconds) <= 0:  # noqa: PLR2004
        return None
    fitted = linear_regression(list(map(math.log, sizes)), list(map(math.log, milliseconds)))
    return round(fitted.slope, 3)


def with_exponent(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the exponent over all of them in the last one."""
    slope = exponent([row["chunks"] for row in rows], [row["query_ms_p50"] for row in rows]) if rows else None
    return [row | {"growth_exponent": slope if row is rows[-1] else None} for row in rows]


def missing(chunks: int, size: int) -> str:
    """What to say when there are fewer chunks than asked for."""
    return "" if chunks >= size else f"the data sets give {chunks} different chunks, not {size}"


def folder_mb(folder: Path) -> float:
    """The length of all files in it."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


async def _grown(
    datasets: Sequence[Dataset],
    settings: Settings,
    folder: Path,
    before: Path | None,
    so_far: Grown,
    size: int,
    report: Report,
) -> Grown:
    """The index of this size in `folder`, made out of the one `before` unless it is there."""
    done = folder / "grown.json"
    if done.exists():
        return Grown(**json.loads(done.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    if before is not None:
        shutil.copytree(before, folder)
        (folder / done.name).unlink()
    documents = islice(cut(datasets), so_far.documents, None)
    application = await asyncio.to_thread(open_application, apart(settings, folder), "lorekeeper eval")
    grown = replace(so_far, seconds=0.0)
    try:
        while grown.chunks < size and (part := tuple(islice(documents, min(PART, size - grown.chunks)))):
            took, chunks = await ingest(application, Dataset("growth", part, ()), _unheard)
            grown = Grown(grown.chunks + chunks, grown.documents + len(part), grown.seconds + took)
            report(f"indexing to {size} chunks", min(grown.chunks, size), size)
    finally:
        application.close()
    done.write_text(json.dumps(asdict(grown)))
    return grown


def _unheard(stage: str, done: int, total: int) -> None:
    pass


def _questions(datasets: Sequence[Dataset], count: int) -> dict[str, list[str]]:
    """Different ones for each purpose as far as they reach, because what was asked once is remembered."""
    asked = list(dict.fromkeys(question.text for dataset in datasets for question in dataset.questions))
    random.Random(1).shuffle(asked)  # noqa: S311 - the same sample every time
    count = min(count, len(asked))
    everything = [asked[number % len(asked)] for number in range(WARM_UP + 2 * count)] if asked else []
    return {
        "query": everything[:count],
        "answer": everything[count : 2 * count],
        "warm_up": everything[2 * count :],
    }


def _measure(folder: str, asked: dict[str, list[str]]) -> Asked:
    environment = os.environ | ON_ITS_OWN | {"LOREKEEPER_DATA_DIR": folder, "LOREKEEPER_GENERATION__MODE": "extractive"}
    done = subprocess.run(
        [sys.executable, "-m", "evals.growth"],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=MEASURING_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"the process that asks failed: {done.stderr.strip()[-500:]}")
    return Asked(**json.loads(done.stdout))


def _row(grown: Grown, measured: Asked, disk_mb: float, note: str) -> dict[str, Any]:
    return {
        "system": SYSTEM,
        "chunks": grown.chunks,
        "index_seconds": round(grown.seconds, 2),
        "query_ms_p50": round(percentile(measured.query_ms, 0.5), 2),
        "query_ms_p95": round(percentile(measured.query_ms, 0.95), 2),
        "answer_ms_p50": round(percentile(measured.answer_ms, 0.5), 2),
        "answer_ms_p95": round(percentile(measured.answer_ms, 0.95), 2),
        "rss_mb": measured.rss_mb,
        "disk_mb": disk_mb,
        "note": note,
    }


# ── the fresh process ────────────────────────────────────────────────────────────────────────────


async def _ask(responder: Responder, asked: dict[str, list[str]]) -> dict[str, Any]:
    """One question at a time, through the retriever and through all of it."""

    async def retrieve(number: int, question: str) -> None:
        await responder.retriever.retrieve(question, Scope(NAMESPACE))

    async def answer(number: int, question: str) -> None:
        await responder.ask(Question(f"growth-{number}", question, Scope(NAMESPACE)))

    async def times(ask: Any, questions: Sequence[str]) -> list[float]:
        milliseconds = []
        for number, question in enumerate(questions):
            start = time.perf_counter()
            await ask(number, question)
            milliseconds.append(round((time.perf_counter() - start) * 1000, 3))
        return milliseconds

    await times(answer, asked["warm_up"])
    query_ms = await times(retrieve, asked["query"])
    return {"query_ms": query_ms, "answer_ms": await times(answer, asked["answer"]), "rss_mb": resident_mb()}


def _main() -> None:
    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    application = open_application(settings, "lorekeeper eval")
    try:
        assert isinstance(application.asker, Responder)
        measured = asyncio.run(_ask(application.asker, json.load(sys.stdin)))
    finally:
        application.close()
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    _main()
