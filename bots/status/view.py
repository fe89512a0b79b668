"""The status on a terminal, and as JSON. What others named is shown without control characters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bots.status.numbers import Questions
from bots.status.reading import AWAY, Process, Status
from core.console import plain
from core.health import State
from core.types import Job, JobState
from core.wire import job_to_json

LONGEST_NAME = 40
COLOURS = {State.OK.value: "green", State.DEGRADED.value: "yellow", State.FAILED.value: "red", AWAY: "red"}


def view(status: Status) -> RenderableType:
    """All of it, from the processes down to single files."""
    parts: list[RenderableType] = [_processes(status.processes), Text(), _sentences(status)]
    if status.running:
        parts += [Text(), _jobs("Files on their way", status.running)]
    if status.failed:
        parts += [Text(), _jobs("Files that failed", status.failed)]
    return Group(*parts)


def as_json(status: Status) -> dict[str, Any]:
    """The same for programs."""
    numbers, questions = status.numbers, status.questions
    return {
        "processes": [
            {
                "url": each.url,
                "state": each.state,
                "checks": [
                    {"name": check.name, "state": check.state.value, "detail": check.detail, "remedy": check.remedy}
                    for check in each.checks
                ],
                "remark": each.remark,
            }
            for each in status.processes
        ],
        "questions": {
            "seconds": round(questions.seconds),
            "per_minute": round(questions.per_minute, 2),
            "outcomes": dict(questions.by_outcome),
            "p50_seconds": questions.half,
            "p95_seconds": questions.most,
        },
        "documents": numbers.largest("lorekeeper_documents", status="ready"),
        "queue": numbers.largest("lorekeeper_queue"),
        "failed": numbers.largest("lorekeeper_jobs", state="failed"),
        "oldest_job_seconds": numbers.largest("lorekeeper_oldest_job_seconds"),
        "channels": {name: max(up) == 1 for name, up in numbers.by("channel", "lorekeeper_channel_up").items()},
        "model": None if (up := numbers.largest("lorekeeper_model_up")) is None else up == 1,
        "disk_free_bytes": numbers.smallest("lorekeeper_disk_free_bytes"),
        "running": [job_to_json(job) for job in status.running],
        "failed_jobs": [job_to_json(job) for job in status.failed],
    }


def _processes(processes: Iterable[Process]) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "state", "what is wrong"):
        table.add_column(heading, overflow="fold")
    for each in processes:
        wrong = [
            f"{check.name}: {check.detail or check.state.value}" for check in each.checks if check.state is not State.OK
        ]
        said = "; ".join([*wrong, *([each.remark] if each.remark else [])])
        table.add_row(Text(plain(each.url)), Text(plain(each.state), COLOURS.get(each.state, "")), Text(_line(said)))
    return table


def _sentences(status: Status) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, said in _rows(status):
        table.add_row(name, Text(_line(said)))
    return table


def _rows(status: Status) -> Iterable[tuple[str, str]]:
    numbers = status.numbers
    yield "questions", _questions(status.questions)
    ready = numbers.largest("lorekeeper_documents", status="ready")
    yield "documents", "unknown" if ready is None else f"{ready:.0f} searchable"
    waiting, failed = numbers.largest("lorekeeper_queue"), numbers.largest("lorekeeper_jobs", state="failed")
    oldest = numbers.largest("lorekeeper_oldest_job_seconds") or 0.0
    if waiting is not None:
        since = f", the oldest since {_time(oldest)}" if waiting else ""
        yield "files", f"{waiting:.0f} on their way{since}; {failed or 0:.0f} failed"
    channels = numbers.by("channel", "lorekeeper_channel_up")
    if channels:
        yield "channels", ", ".join(f"{name} {'up' if max(up) else 'away'}" for name, up in sorted(channels.items()))
    model = numbers.largest("lorekeeper_model_up")
    if model is not None:
        yield "model", "up" if model else "away"
    free = numbers.smallest("lorekeeper_disk_free_bytes")
    if free is not None:
        yield "disk", f"{free / 1e9:.1f} GB free"


def _questions(questions: Questions) -> str:
    number = sum(questions.by_outcome.values())
    if not number:
        return f"none in {_time(questions.seconds)}"
    outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(questions.by_outcome.items()))
    times = f"; half within {_time(questions.half)}, 19 of 20 within {_time(questions.most)}"
    return f"{questions.per_minute:.1f} a minute in {_time(questions.seconds)}: {outcomes}{times}"


def _jobs(title: str, jobs: Iterable[Job]) -> RenderableType:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("file", "state", "how far"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        table.add_row(Text(_line(job.name, LONGEST_NAME)), _state(job), Text(_line(_far(job), 2 * LONGEST_NAME)))
    return table


def _state(job: Job) -> str:
    return job.stage.value if job.state is JobState.RUNNING else job.state.value


def _far(job: Job) -> str:
    if job.error:
        return job.error
    if job.state is JobState.WAITING:
        return f"{job.ahead} before it"
    if not job.chunks:
        return ""
    left = f", about {_time(job.seconds_left)} left" if job.seconds_left else ""
    return f"{100 * job.embedded // job.chunks} %{left}"


def _line(text: str, longest: int = 300) -> str:
    """On one line, and not longer than there is room for."""
    shown = " ".join(plain(text).split())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
