"""How many files are on their way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.job_counts import count_jobs
from core.store.job_turns import now_of
from core.store.schema import jobs
from core.types import JobStage, JobState


def write(engine: Engine, name: str, state: JobState, *, stage: JobStage = JobStage.WAITING, minutes: int = 0) -> None:
    with engine.begin() as connection:
        at = now_of(connection) - timedelta(minutes=minutes)
        row: dict[str, Any] = {
            "id": f"{name}-{state}-{stage}",
            "document_id": name,
            "namespace": "default",
            "source": name,
            "name": name,
            "title": "",
            "sha256": "",
            "size_bytes": 1,
            "readers": (),
            "may_be_empty": False,
            "priority": 0,
            "channel": "",
            "person": "",
            "state": state.value,
            "stage": stage.value,
            "changes": [],
            "created_at": at,
            "due_at": at,
        }
        connection.execute(sa.insert(jobs).values(row))


def test_nothing_is_on_its_way(engine: Engine) -> None:
    counts = count_jobs(engine)
    assert (dict(counts.by_state), counts.oldest_seconds) == ({}, 0.0)


def test_those_that_wait_are_in_work_or_failed_and_how_old_the_oldest_is(engine: Engine) -> None:
    write(engine, "a", JobState.WAITING, minutes=2)
    write(engine, "b", JobState.RUNNING, stage=JobStage.EMBEDDING, minutes=5)
    write(engine, "c", JobState.FAILED, stage=JobStage.ENDED, minutes=60)
    write(engine, "d", JobState.DONE, stage=JobStage.ENDED, minutes=90)
    write(engine, "e", JobState.CANCELLED, stage=JobStage.ENDED, minutes=90)
    counts = count_jobs(engine)
    assert counts.by_state == {
        (JobState.WAITING, JobStage.WAITING): 1,
        (JobState.RUNNING, JobStage.EMBEDDING): 1,
        (JobState.FAILED, JobStage.ENDED): 1,
    }
    assert 300 <= counts.oldest_seconds < 360


def test_what_failed_and_came_again_is_no_failure_any_more(engine: Engine) -> None:
    write(engine, "a", JobState.FAILED, stage=JobStage.ENDED)
    write(engine, "a", JobState.WAITING)
    assert dict(count_jobs(engine).by_state) == {(JobState.WAITING, JobStage.WAITING): 1}
