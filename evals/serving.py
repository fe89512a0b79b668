"""`lorekeeper eval serving`: a cold `lorekeeper ask`, and a running server's memory and speed, as whole processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from core.build import open_application
from core.settings import Settings
from core.types import DEFAULT_NAMESPACE
from evals.datasets import Dataset
from evals.metrics import percentile
from evals.processes import COMMAND, ON_ITS_OWN, resident_mb, running_gateway
from evals.retrieval import Report, apart, ingest

COLD_RUNS = 5
WARM_QUESTIONS = 200
ASK_SECONDS = 60.0
# Answered, and no evidence.
ENDS = frozenset({0, 2})


async def evaluate_serving(dataset: Dataset, settings: Settings, report: Report) -> dict[str, Any]:
    """Index the corpus once, then time whole processes on it."""
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            _, chunks = await ingest(application, dataset, report, DEFAULT_NAMESPACE)
        finally:
            application.close()
        environment = os.environ | {"LOREKEEPER_DATA_DIR": folder} | ON_ITS_OWN
        questions = [question.text for question in dataset.questions[:WARM_QUESTIONS]]
        cold = [
            _cold_ask(question, environment, report, run) for run, question in enumerate(questions[:COLD_RUNS], start=1)
        ]
        served = _serve(questions, environment, report)
    return {
        "dataset": dataset.name,
        "chunks": chunks,
        "cold_ask_seconds_p50": round(percentile(cold, 0.5), 2),
        "cold_ask_seconds_max": round(max(cold, default=0.0), 2),
        "heavy_modules_imported": _heavy_modules(environment, questions[0]) if questions else [],
        **served,
    }


def _cold_ask(question: str, environment: Mapping[str, str], report: Report, run: int) -> float:
    start = time.perf_counter()
    command = [*COMMAND, "ask", "--json", "--", question]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=ASK_SECONDS)  # noqa: S603
    seconds = time.perf_counter() - start
    if done.returncode not in ENDS:
        raise RuntimeError(f"`lorekeeper ask` failed: {done.stderr.strip()[-500:]}")
    report("asking cold", run, COLD_RUNS)
    return seconds


def _heavy_modules(environment: Mapping[str, str], question: str) -> list[str]:
    """Which libraries that have no place on the serving path were imported by `ask`."""
    script = (
        "import sys\n"
        "from core.cli import app\n"
        "try:\n    app(['ask', '--json', '--', sys.argv[1]], standalone_mode=False)\n"
        "finally:\n    heavy = {'torch', 'transformers', 'sentence_transformers', 'tensorflow'} & set(sys.modules)\n"
        "    sys.stderr.write('HEAVY=' + ','.join(sorted(heavy)) + chr(10))"
    )
    command = [sys.executable, "-c", script, question]
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=ASK_SECONDS)  # noqa: S603
    line = next(line for line in result.stderr.splitlines() if line.startswith("HEAVY="))
    return [name for name in line.removeprefix("HEAVY=").split(",") if name]


def _serve(questions: Sequence[str], environment: Mapping[str, str], report: Report) -> dict[str, Any]:
    times = []
    with (
        running_gateway(environment) as (url, process, start_seconds),
        httpx.Client(base_url=url, timeout=ASK_SECONDS) as client,
    ):
        resting = resident_mb(process.pid)
        for number, question in enumerate(questions, start=1):
            start = time.perf_counter()
            client.post("/v1/ask", json={"question": question}).raise_for_status()
            times.append((time.perf_counter() - start) * 1000)
            report("asking the server", number, len(questions))
        return {
            "server_start_seconds": round(start_seconds, 2),
            "server_rss_mb_at_rest": resting,
            "server_rss_mb": resident_mb(process.pid),
            "server_ask_ms_p50": round(percentile(times, 0.5), 1),
            "server_ask_ms_p95": round(percentile(times, 0.95), 1),
        }
