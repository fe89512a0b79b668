"""`lorekeeper eval load`: the whole path under load, with a language model that is scripted.

Three processes on this machine: the gateway, as `lorekeeper run --only gateway` serves it, over the indexed corpus; the
scripted model (`evals.scripted`); and the people who ask (`evals.arrivals`), at a fixed rate, each on a connection of its
own, whether or not earlier questions are answered. What a question took beyond the time that the model needed for that
very question is the overhead: retrieval, prompt, streaming, grounding, HTTP, and waiting for a core. On request a folder
of small documents is added to the same index meanwhile, by a command of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx

from core.build import open_application
from core.guard import clean_question
from core.settings import Settings
from core.types import DEFAULT_NAMESPACE, Outcome
from evals import scripted
from evals.arrivals import BEGIN, END, Asked, Plan
from evals.datasets import Dataset
from evals.metrics import percentile
from evals.processes import COMMAND, ON_ITS_OWN, resident_mb, running_gateway
from evals.retrieval import Report, apart, ingest
from evals.scripted import Written
from evals.small_documents import write

RATE, SECONDS, WARM_UP_SECONDS = 50.0, 30.0, 5.0
NO_LIMIT = "1000000"
# The gateway's own limits are not what is measured, so all questions are let in.
LET_IN = {
    "LOREKEEPER_SERVER__HOST": "127.0.0.1",
    "LOREKEEPER_SERVER__PUBLIC_URL": "",
    "LOREKEEPER_SERVER__MAX_REQUESTS": NO_LIMIT,
    "LOREKEEPER_SERVER__MAX_ANSWERS": NO_LIMIT,
    "LOREKEEPER_SERVER__REQUESTS_PER_MINUTE_PER_KEY": NO_LIMIT,
    "LOREKEEPER_SERVER__REQUESTS_PER_MINUTE_PER_ADDRESS": NO_LIMIT,
}
REPLIED = frozenset(Outcome) - {Outcome.FAILED}
START_SECONDS, STOP_SECONDS = 0.5, 10.0
IMPORTED = "imported"
"""The namespace of the documents that are added meanwhile."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A question that was replied to, and the seconds of it that were the model's; None when it was not asked."""

    asked: Asked
    written: float | None

    @property
    def overhead_ms(self) -> float:
        return (self.asked.end - self.asked.begin - (self.written or 0.0)) * 1000


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen while the questions came in. CPU in seconds, from the end of the warm-up to the last arrival."""

    asked: tuple[Asked, ...]
    written: tuple[Written, ...]
    cpu: Mapping[str, float]
    rss_mb: float
    imported: int | None = None
    """Documents that became ready meanwhile; None when none were added."""


async def evaluate_load(
    dataset: Dataset,
    settings: Settings,
    report: Report,
    *,
    rate: float = RATE,
    seconds: float = SECONDS,
    stream: bool = False,
    warm_up: float = WARM_UP_SECONDS,
    generation_seconds: float = scripted.SECONDS,
    importing: int = 0,
) -> dict[str, Any]:
    """Index the corpus and ask its questions, `rate` a second for `seconds`; `stream` asks for events instead of JSON.

    `importing`: how many small documents are added meanwhile.
    """
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            await ingest(application, dataset, report, DEFAULT_NAMESPACE)
        finally:
            application.close()
        asked = questions(dataset, round(rate * warm_up) + round(rate * seconds))
        run = await asyncio.to_thread(
            _run,
            folder,
            asked,
            rate,
            round(rate * warm_up),
            generation_seconds,
            report,
            stream=stream,
            importing=importing,
        )
    return {"dataset": dataset.name, **row(run, rate, seconds, len(set(asked)))}


def questions(dataset: Dataset, count: int) -> list[str]:
    """As many of the data set's, in an order that is always the same; all different as long as there are enough."""
    distinct = list(dict.fromkeys(clean_question(question.text) for question in dataset.questions))
    random.Random(1).shuffle(distinct)  # noqa: S311 - the same sample every time
    return [distinct[number % len(distinct)] for number in range(count)]


def correlate(asked: Iterable[Asked], written: Iterable[Written]) -> list[Timed]:
    """Each question with the seconds the model needed for it: the text is the same, and it was written meanwhile."""
    by_question: dict[str, list[Written]] = defaultdict(list)
    for each in written:
        by_question[each.question].append(each)
    timed = []
    for one in sorted(asked, key=lambda each: each.begin):
        own = by_question[one.question]
        found = next((each for each in own if one.begin <= each.begin <= one.end), None)
        if found is not None:
            own.remove(found)
        timed.append(Timed(one, None if found is None else found.end - found.begin))
    return timed


def row(run: Run, rate: float, seconds: float, distinct: int) -> dict[str, Any]:
    """The figures. `answered` are all that the gateway replied to with an outcome, also that there is no evidence."""
    measured = [each for each in correlate(run.asked, run.written) if not each.asked.is_warm_up]
    replied = [each for each in measured if each.asked.outcome in REPLIED]
    generated = [each for each in replied if each.written is not None]
    overheads = [each.overhead_ms for each in generated]
    count = max(1, len(measured))
    return {
        "questions_per_second": rate,
        "seconds": seconds,
        "offered": len(measured),
        "distinct_questions": distinct,
        "answered": len(replied),
        "failed": len(measured) - len(replied),
        "outcomes": dict(sorted(Counter(each.asked.outcome for each in measured).items())),
        "generated": len(generated),
        "generator_ms": round(percentile([(each.written or 0.0) * 1000 for each in generated], 0.5), 1),
        **{f"overhead_ms_p{share}": round(percentile(overheads, share / 100), 1) for share in (50, 95, 99)},
        **{
            f"{name}cpu_ms_per_question": round(seconds * 1000 / count, 2)
            for name, seconds in ((f"{name}_" if name != GATEWAY else "", cpu) for name, cpu in run.cpu.items())
        },
        "rss_mb": run.rss_mb,
        **({} if run.imported is None else {"imported": run.imported}),
    }


GATEWAY, MODEL, ASKERS = "gateway", "model", "askers"


def _run(
    folder: str,
    asked: Sequence[str],
    rate: float,
    warm_up: int,
    generation: float,
    report: Report,
    *,
    stream: bool,
    importing: int,
) -> Run:
    with _scripted(generation) as (model_url, model):
        environment = (
            os.environ
            | ON_ITS_OWN
            | LET_IN
            | {
                "LOREKEEPER_DATA_DIR": folder,
                "LOREKEEPER_GENERATION__MODE": "chat",
                "LOREKEEPER_GENERATION__BASE_URL": f"{model_url}/v1",
                "LOREKEEPER_GENERATION__MODEL": scripted.MODEL,
            }
        )
        with running_gateway(environment) as (url, gateway, _):
            parts = urlsplit(url)
            plan = Plan(parts.hostname or "", parts.port or 0, asked, rate, warm_up, stream)
            with _import(importing, environment) as imported, _arrivals(plan) as askers:
                rows, cpu = _follow(askers, {GATEWAY: gateway.pid, MODEL: model.pid, ASKERS: askers.pid}, plan, report)
                ready = imported()
            written = httpx.get(f"{model_url}{scripted.WRITTEN}", timeout=30).raise_for_status().json()
            noted = tuple(Written(**each) for each in written)
            return Run(tuple(rows), noted, cpu, resident_mb(gateway.pid), ready)


def _follow(
    askers: subprocess.Popen[str], pids: Mapping[str, int], plan: Plan, report: Report
) -> tuple[list[Asked], dict[str, float]]:
    """What became of the questions, as the lines come in, and the processes' CPU seconds between the two marks."""
    rows: list[Asked] = []
    marks: dict[str, dict[str, float]] = {}
    assert askers.stdout is not None
    for line in askers.stdout:
        read = json.loads(line)
        if mark := read.get("mark"):
            marks[mark] = {name: cpu_seconds(pid) for name, pid in pids.items()}
        else:
            rows.append(Asked(**read))
            report("asking", len(rows), len(plan.questions))
    if len(rows) != len(plan.questions) or not {BEGIN, END} <= marks.keys():
        raise RuntimeError(f"only {len(rows)} of {len(plan.questions)} questions came to an end")
    return rows, {name: marks[END][name] - marks[BEGIN][name] for name in pids}


@contextmanager
def _scripted(seconds: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with _process("evals.scripted", "--seconds", str(seconds)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the scripted model did not start")
        yield url, process


@contextmanager
def _arrivals(plan: Plan) -> Iterator[subprocess.Popen[str]]:
    with _process("evals.arrivals") as process:
        assert process.stdin is not None
        json.dump(asdict(plan), process.stdin)
        process.stdin.close()
        yield process


@contextmanager
def _import(count: int, environment: Mapping[str, str]) -> Iterator[Callable[[], int | None]]:
    """Adds so many documents until the end of the block; the value tells how many of them are ready."""
    if not count:
        yield lambda: None
        return

    def ready() -> int:
        command = [
            *COMMAND,
            "documents",
            "list",
            "--namespace",
            IMPORTED,
            "--status",
            "ready",
            "--limit",
            "1",
            "--json",
        ]
        listed = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603
        return int(json.loads(listed.stdout)["total"])

    with TemporaryDirectory(prefix="lorekeeper-eval-small-") as folder:
        write(Path(folder), count)
        command = [*COMMAND, "documents", "add", folder, "--namespace", IMPORTED]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603
            try:
                while not ready():
                    # A few are all ready by the time that the command ended.
                    if process.poll() is not None and not ready():
                        raise RuntimeError("the documents could not be added")
                    time.sleep(START_SECONDS)
                yield ready
            finally:
                process.terminate()


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def cpu_seconds(pid: int) -> float:
    """CPU time that the process has used in all its threads, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # The 14th and 15th of proc(5), of which two came before the bracket.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
