"""Whether anybody carries out the jobs that wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.ports import Jobs
from core.types import JobState

# Whoever works takes a job within a second or two, or says every few seconds that it waits; clocks of other hosts may
# differ a little.
GRACE = timedelta(seconds=15)
RUNNING = frozenset({JobState.RUNNING})
WAITING = frozenset({JobState.WAITING})
ENDED = frozenset({JobState.DONE, JobState.FAILED})


async def nobody_works(jobs: Jobs) -> bool:
    """Whether files wait, and for a while nobody has done anything about any. Raises `StorageFailed`."""
    before = datetime.now(UTC) - GRACE
    waiting, _ = await jobs.page(WAITING, 1)
    # Workers that cannot come to it say so by making it due anew; what is to be tried again is due later.
    if not waiting or waiting[0].due_at > before:
        return False
    running, _ = await jobs.page(RUNNING, 1)
    ended, _ = await jobs.page(ENDED, 1)
    return not running and not any(job.finished_at is not None and job.finished_at > before for job in ended)
