"""What the processes say of themselves, over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from bots.status.numbers import Numbers, Questions, numbers_of, questions_between
from core.health import Check, State
from core.types import Job, JobState
from core.wire import job_from_json

SECONDS = 10.0
# What was asked is shown of the last minutes, once it was looked at for so long.
LEAST_SECONDS, WINDOW_SECONDS = 60.0, 300.0
MOST_JOBS = 8
AWAY = "away"
STARTED = "process_start_time_seconds"


@dataclass(frozen=True, slots=True)
class Process:
    """One address. `state` is that of `/readyz`, or that nobody answers there."""

    url: str
    state: str
    checks: tuple[Check, ...] = ()
    metrics: str = ""
    running: tuple[Job, ...] = ()
    failed: tuple[Job, ...] = ()
    remark: str = ""
    """For a person: what it did not tell, and why."""


@dataclass(frozen=True, slots=True)
class Status:
    """All that is shown."""

    processes: tuple[Process, ...]
    numbers: Numbers
    questions: Questions
    running: tuple[Job, ...] = ()
    failed: tuple[Job, ...] = ()


@dataclass(slots=True)
class Reader:
    """Asks again and again, and knows what was said a while ago."""

    urls: Sequence[str]
    key: str = ""
    clock: Callable[[], float] = time.time
    _before: list[tuple[float, Numbers]] = field(default_factory=list)

    async def read(self) -> Status:
        """Never fails: who does not answer is away."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        async with httpx.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False) as client:
            processes = tuple(await asyncio.gather(*(_process(client, url.rstrip("/")) for url in self.urls)))
        numbers = numbers_of(each.metrics for each in processes)
        return Status(
            processes,
            numbers,
            self._questions(numbers),
            next((each.running for each in processes if each.running), ()),
            next((each.failed for each in processes if each.failed), ()),
        )

    def _questions(self, numbers: Numbers) -> Questions:
        """Of the last minutes, or, before it knows them, since the oldest process was started."""
        now = self.clock()
        self._before = [each for each in self._before if now - each[0] <= WINDOW_SECONDS]
        self._before.append((now, numbers))
        since, first = self._before[0]
        if now - since < LEAST_SECONDS:
            started = numbers.smallest(STARTED)
            return questions_between(Numbers(), numbers, now - started if started is not None else 0.0)
        return questions_between(first, numbers, now - since)


async def _process(client: httpx.AsyncClient, url: str) -> Process:
    try:
        ready = await client.get(f"{url}/readyz")
        said = ready.json()
        metrics = await client.get(f"{url}/metrics")
        running = await _jobs(client, url, JobState.RUNNING, JobState.WAITING)
        failed = await _jobs(client, url, JobState.FAILED)
        text = metrics.text if metrics.is_success else ""
        numbers_of([text])
        checks = tuple(_check(each) for each in said["checks"])
        return Process(url, str(said["status"]), checks, text, running, failed, _remark(metrics))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError) as error:
        return Process(url, AWAY, remark=f"no answer ({type(error).__name__})")


def _check(value: dict[str, Any]) -> Check:
    return Check(str(value["name"]), State(value["state"]), str(value.get("detail", "")), str(value.get("remedy", "")))


async def _jobs(client: httpx.AsyncClient, url: str, *states: JobState) -> tuple[Job, ...]:
    """Those to show; none where they are not told, as at a probe."""
    chosen: dict[str, list[str] | int] = {"state": [state.value for state in states], "limit": MOST_JOBS}
    reply = await client.get(f"{url}/v1/jobs", params=chosen)
    return tuple(job_from_json(each) for each in reply.json()["jobs"]) if reply.is_success else ()


def _remark(metrics: httpx.Response) -> str:
    if metrics.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return "it asks for a key with the scopes metrics and read: give it with --key-file"
    return "" if metrics.is_success else f"no metrics (HTTP {metrics.status_code})"
