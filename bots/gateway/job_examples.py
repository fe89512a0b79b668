"""What the OpenAPI specification shows of jobs: made by the same function as real replies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bots.gateway.examples import Responses
from core.types import Job, JobStage, JobState, Origin
from core.wire import job_to_json

JOB = Job(
    id="7c1d5d5a0f0a4be1a0f7d2f7c3f9f1b6",
    document_id="b0aab137d2df007a4c715672f970e9a8",
    namespace="default",
    name="visitor-guide.pdf",
    source="upload:visitor-guide.pdf",
    state=JobState.RUNNING,
    stage=JobStage.EMBEDDING,
    size_bytes=482133,
    pages=24,
    chunks=61,
    embedded=32,
    seconds_left=4,
    attempts=1,
    origin=Origin("api", "intranet"),
    created_at=datetime(2026, 3, 2, 9, 29, 51, tzinfo=UTC),
    started_at=datetime(2026, 3, 2, 9, 29, 52, tzinfo=UTC),
    due_at=datetime(2026, 3, 2, 9, 30, 7, tzinfo=UTC),
)
_ENDED = datetime(2026, 3, 2, 9, 29, 57, tzinfo=UTC)
_WAITING = replace(JOB, state=JobState.WAITING, stage=JobStage.WAITING, embedded=0, seconds_left=None, attempts=0)


def _json(description: str, example: Any) -> Responses:
    return {200: {"description": description, "content": {"application/json": {"example": example}}}}


LISTED = _json("A page of them.", {"jobs": [job_to_json(JOB)], "total": 1})
SHOWN = _json("The job.", job_to_json(JOB))
CANCELLED = _json(
    "It was given up.",
    job_to_json(replace(JOB, state=JobState.CANCELLED, seconds_left=None, finished_at=_ENDED)),
)
RETRIED = _json("It waits for its turn.", job_to_json(_WAITING))
