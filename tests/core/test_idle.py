"""Whether anybody carries out the jobs that wait is told from what was done lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from core.idle import nobody_works
from core.types import Job, JobState

LATELY = datetime.now(UTC) + timedelta(days=1)
LONG_AGO = LATELY - timedelta(days=2)
WAITING = Job("j1", "d1", "default", "a.md", "upload:a.md", JobState.WAITING, created_at=LONG_AGO, due_at=LONG_AGO)
RUNNING = replace(WAITING, state=JobState.RUNNING)
DONE = replace(WAITING, state=JobState.DONE, finished_at=LATELY)


@dataclass
class SomeJobs:
    there: Sequence[Job]

    async def page(
        self,
        states: frozenset[JobState] = frozenset(),
        limit: int = 100,
        offset: int = 0,
        *,
        within: frozenset[str] = frozenset(),
    ) -> tuple[list[Job], int]:
        found = [job for job in self.there if job.state in states]
        return found[:limit], len(found)

    async def get(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        raise NotImplementedError

    async def about(self, document_id: str, states: frozenset[JobState]) -> Job | None:
        raise NotImplementedError

    cancel = retry = get


@pytest.mark.parametrize(
    ("there", "is_so"),
    [
        ([], False),
        ([WAITING], True),
        ([WAITING, replace(DONE, finished_at=LONG_AGO)], True),
        ([WAITING, RUNNING], False),
        ([WAITING, DONE], False),
        ([DONE], False),
        ([replace(WAITING, due_at=LATELY)], False),
        ([replace(WAITING, error="The embedding server is away.", due_at=LATELY)], False),
        ([replace(WAITING, error="The embedding server is away.")], True),
    ],
)
async def test_nobody_works_when_something_waits_and_nothing_was_done_lately(
    there: Sequence[Job], *, is_so: bool
) -> None:
    assert await nobody_works(SomeJobs(there)) is is_so
