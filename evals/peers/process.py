"""One job in a process of its own, so that no system sees what another left in memory."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from core.errors import LorekeeperError
from evals.peers import protocol, with_lorekeeper
from evals.peers.protocol import FileJob, FileResult, Job, Result
from evals.peers.setup import python_of

ROOT = Path(__file__).parents[2]
# Enough for tens of thousands of documents on two cores.
JOB_SECONDS = 3600.0
# Nothing is fetched and nothing reported, whatever the libraries do by default.
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "ORT_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": ""}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOREKEEPER_EMBEDDING__THREADS")
T = TypeVar("T")


class SystemFailed(LorekeeperError):
    """A system under comparison ended with an error, without a result, or not in time."""

    code = "system_failed"


@dataclass(frozen=True, slots=True)
class Subject:
    """A system under comparison: a file `with_….py`, and the environment that it needs. None: Lorekeeper's own."""

    file: Path
    environment: str | None = None

    def command(self, job: Path, result: Path) -> list[str]:
        """Raises `InvalidRequest` when the environment was not made."""
        if self.environment is None:
            return [sys.executable, "-m", with_lorekeeper.__name__, str(job), str(result)]
        # -I: neither this folder nor PYTHONPATH, so that a peer can import nothing of ours.
        return [str(python_of(self.environment)), "-I", str(protocol.__file__), str(self.file), str(job), str(result)]


async def perform(subject: Subject, job: Job, folder: Path, seconds: float = JOB_SECONDS) -> Result:
    """Run the job; `folder` is for its files. Raises `SystemFailed`, `InvalidRequest`."""
    return await _perform(subject, job, Result.read, folder, seconds)


async def perform_files(subject: Subject, job: FileJob, folder: Path, seconds: float = JOB_SECONDS) -> FileResult:
    """The same for a job with files."""
    return await _perform(subject, job, FileResult.read_from, folder, seconds)


async def _perform(subject: Subject, job: Job | FileJob, read: Callable[[Path], T], folder: Path, seconds: float) -> T:
    job_file, result_file, output = folder / "job.json", folder / "result.json", folder / "output.txt"
    job.write(job_file)
    code = await _run(subject.command(job_file, result_file), environment(cores()), output, seconds)
    if code is None:
        raise SystemFailed(f"{job.system} did not finish within {seconds:g} seconds and was ended.")
    if code != 0:
        raise SystemFailed(f"{job.system} failed with exit code {code}: {_last_line(output)}")
    try:
        return read(result_file)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SystemFailed(f"{job.system} ended without a result that can be read: {_last_line(output)}") from error


def environment(threads: int) -> dict[str, str]:
    """The same for every system: its threads, no network, no GPU."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    counts = dict.fromkeys(THREADS, str(threads))
    return {**os.environ, **QUIET, **CPU_ONLY, **counts, "PYTHONPATH": os.pathsep.join(paths)}


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _run(command: list[str], variables: dict[str, str], output: Path, seconds: float) -> int | None:
    """The exit code, or None when it was ended because the time was up."""
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _last_line(output: Path) -> str:
    lines = output.read_text(errors="replace").strip().splitlines()
    return lines[-1][-500:] if lines else "it said nothing."
