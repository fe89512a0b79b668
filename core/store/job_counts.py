"""How many files are on their way into the index, for whoever watches over them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.metrics import JobCounts
from core.store.engine import reading
from core.store.job_turns import now_of
from core.store.jobs import UNFINISHED, has_come_again
from core.store.schema import jobs
from core.types import JobStage, JobState


def count_jobs(engine: Engine) -> JobCounts:
    """Those that wait, are in work, or failed and did not come again since. Blocking; raises `StorageFailed`."""
    failed_for_good = sa.and_(jobs.c.state == JobState.FAILED.value, ~has_come_again())
    is_wanted = sa.or_(jobs.c.state.in_(UNFINISHED), failed_for_good)
    counted = (
        sa.select(jobs.c.state, jobs.c.stage, sa.func.count()).where(is_wanted).group_by(jobs.c.state, jobs.c.stage)
    )
    since = sa.select(sa.func.min(jobs.c.created_at)).where(jobs.c.state.in_(UNFINISHED))
    with reading(engine) as connection:
        rows = connection.execute(counted).all()
        oldest: datetime | None = connection.scalar(since)
        age = (now_of(connection) - oldest).total_seconds() if oldest is not None else 0.0
    return JobCounts({(JobState(state), JobStage(stage)): number for state, stage, number in rows}, max(age, 0.0))
