"""`lorekeeper eval ingest --small`: many small files, and whether any stage takes longer for the last than for the first.

The files go the whole way of files that a person adds. Each kind of call is cut into ten parts of about the same work, and
the parts of a stage's calls are added up. Calls may be made at the same time and wait for one another, so the stages
add up to more than what a document takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest
from core.settings import Settings
from core.types import ChangeKind, DocumentChange
from evals.ingesting import add, opened
from evals.processes import Gauge, PeakMemory
from evals.retrieval import Report
from evals.stages import READING, STAGES, VECTORS, Calls

PARTS = 10
READ, WRITTEN = (READING, "parse"), (VECTORS, "upsert")
WHO = ("the night shift", "a new colleague", "the works council", "every contractor", "the site manager", "an intern")
WHAT = (
    "badge",
    "laptop",
    "locker key",
    "travel request",
    "safety course",
    "parking permit",
    "expense report",
    "medical",
)
DOES = ("collects", "renews", "hands in", "signs for", "asks for", "returns", "reports")
WHERE = ("at the front desk", "in the records office", "at gate four", "with the team lead", "in the portal", "by post")
WHEN = ("days after the start", "days before the end", "working days after the request", "weeks before an audit")
FEWEST, MOST = 3, 5
Numbers = NDArray[np.float64]


async def evaluate_small(count: int, settings: Settings, report: Report) -> list[dict[str, Any]]:
    """A row for each tenth of the documents, and one for all of them."""
    with TemporaryDirectory(prefix="lorekeeper-eval-small-") as name:
        folder = Path(name)
        write(folder, count)
        async with opened(settings) as (application, watch):
            with PeakMemory() as memory:
                start = time.perf_counter()
                changes = await add(application, folder, report)
                seconds = time.perf_counter() - start
    check(changes, count)
    return rows(count, seconds, watch.stages.calls, memory.gauge, watch.reader)


def write(folder: Path, count: int) -> None:
    """So many text files, the same every time, no two of them alike."""
    for number in range(1, count + 1):
        (folder / f"note-{number:06}.txt").write_text(text(number), encoding="utf-8")


def text(number: int) -> str:
    """A few sentences; the number makes them unlike those of every other."""
    chance = random.Random(number)  # noqa: S311 - the same text every time
    sentences = [
        f"{chance.choice(WHO)} {chance.choice(DOES)} the {chance.choice(WHAT)} {chance.choice(WHERE)} "
        f"{chance.randrange(2, 90)} {chance.choice(WHEN)}."
        for _ in range(chance.randint(FEWEST, MOST))
    ]
    return f"Note {number} of the site handbook. {' '.join(each[0].upper() + each[1:] for each in sentences)}\n"


def check(changes: Sequence[DocumentChange], count: int) -> None:
    """Raises `InvalidRequest` when not all of them are documents: then the figures say nothing."""
    other = [change for change in changes if change.kind is not ChangeKind.ADDED]
    if other or len(changes) != count:
        raise InvalidRequest(
            f"{count - len(changes) + len(other)} of the {count} documents were not indexed"
            + (f": {other[0].message}" if other else ".")
        )


def rows(
    count: int, seconds: float, calls: Mapping[tuple[str, str], Calls], memory: Gauge, reader: Gauge
) -> list[dict[str, Any]]:
    """The figures of a run; `seconds` is what it took in all. Memory is that of the time in which a part was written.

    That of the reader is of the time in which a part was read, which is earlier.
    """
    parts = {stage: np.zeros(PARTS) for stage in STAGES}
    for (stage, _), called in calls.items():
        parts[stage] += seconds_of_parts(called)
    written, read = pairwise(times_of_parts(calls[WRITTEN])), pairwise(times_of_parts(calls[READ]))
    own = count / PARTS
    tenths = [
        {
            "part": f"{part + 1}/{PARTS}",
            "dataset": f"small {count}",
            "documents": round(own * (part + 1)),
            "stages_ms": {stage: round(float(parts[stage][part]) / own * 1000, 3) for stage in STAGES},
            "peak_rss_mb": memory.peak(*of_writing),
            "reader_peak_mb": reader.peak(*of_reading),
        }
        for part, (of_writing, of_reading) in enumerate(zip(written, read, strict=True))
    ]
    whole = {
        "part": "all",
        "dataset": f"small {count}",
        "documents": count,
        "stages_ms": {stage: round(float(parts[stage].sum()) / count * 1000, 3) for stage in STAGES},
        "peak_rss_mb": memory.peak(),
        "reader_peak_mb": reader.peak(),
        "seconds": round(seconds, 2),
        "documents_per_second": round(count / seconds, 2) if seconds else None,
    }
    return [*tenths, whole]


def seconds_of_parts(called: Calls) -> Numbers:
    """Of each tenth of the work, by its size; a call that belongs to two of them is divided."""
    return np.diff(_at_parts(called.sizes, np.concatenate([[0.0], np.cumsum(called.seconds)])))


def times_of_parts(called: Calls) -> list[float]:
    """The moments between the tenths of the work; the first and the last are at no certain time."""
    begin = called.ends[0] - called.seconds[0]
    inner = _at_parts(called.sizes, np.concatenate([[begin], called.ends]))[1:-1]
    return [float("-inf"), *map(float, inner), float("inf")]


def _at_parts(sizes: Sequence[float], values: Numbers) -> Numbers:
    """What was reached when each tenth of the work was done; `values` has one more than `sizes`, for the beginning."""
    done = np.concatenate([[0.0], np.cumsum(sizes)])
    return np.interp(np.linspace(0, done[-1], PARTS + 1), done, values)
