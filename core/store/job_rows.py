"""Jobs as rows, and as what travels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.types import NOBODY, Job, JobStage, JobState, Origin
from core.wire import change_from_json

URGENT, BULK = 0, 1
"""Priorities: a person's single file, and files of folders."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A received file, whose bytes are stored under `sha256`."""

    id: str
    document_id: str
    namespace: str
    source: str
    name: str
    sha256: str
    size_bytes: int
    readers: frozenset[str] = frozenset()
    url: str | None = None
    title: str = ""
    may_be_empty: bool = False
    of_version: int | None = None
    priority: int = BULK
    origin: Origin = NOBODY


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job in the hands of a worker."""

    job: NewJob
    worker: str
    attempts: int
    """How often it was begun, this time included."""
    number: int
    """Tells this claim from every other one of the same job."""
    was_tried: bool = False
    """Whether it failed before, or ended with its worker more than once: it may be to blame for that."""

    @property
    def key(self) -> tuple[str, int]:
        """Of this claim alone."""
        return self.job.id, self.number


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is."""

    stage: JobStage
    pages: int | None = None
    chunks: int | None = None
    embedded: int = 0
    seconds_left: int | None = None


def row_of(job: NewJob, now: datetime) -> dict[str, Any]:
    """Of a job that nobody has begun."""
    return {
        "id": job.id,
        "document_id": job.document_id,
        "namespace": job.namespace,
        "source": job.source,
        "name": job.name,
        "title": job.title,
        "sha256": job.sha256,
        "size_bytes": job.size_bytes,
        "readers": tuple(sorted(job.readers)),
        "url": job.url,
        "may_be_empty": job.may_be_empty,
        "of_version": job.of_version,
        "priority": job.priority,
        "channel": job.origin.channel,
        "person": job.origin.person,
        "state": JobState.WAITING.value,
        "stage": JobStage.WAITING.value,
        "changes": [],
        "created_at": now,
        "due_at": now,
    }


def new_job_of(row: Any) -> NewJob:
    """What `row_of` wrote."""
    return NewJob(
        id=row["id"],
        document_id=row["document_id"],
        namespace=row["namespace"],
        source=row["source"],
        name=row["name"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        readers=frozenset(row["readers"]),
        url=row["url"],
        title=row["title"],
        may_be_empty=row["may_be_empty"],
        of_version=row["of_version"],
        priority=row["priority"],
        origin=Origin(row["channel"], row["person"]),
    )


def job_of(row: Any, ahead: int) -> Job:
    """As people see it; `ahead`: how many have their turn before it."""
    return Job(
        id=row["id"],
        document_id=row["document_id"],
        namespace=row["namespace"],
        name=row["name"],
        source=row["source"],
        state=JobState(row["state"]),
        stage=JobStage(row["stage"]),
        size_bytes=row["size_bytes"],
        pages=row["pages"],
        chunks=row["chunks"],
        embedded=row["embedded"],
        seconds_left=row["seconds_left"],
        ahead=ahead,
        attempts=row["attempts"],
        error=row["error"],
        code=row["code"],
        origin=Origin(row["channel"], row["person"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        due_at=row["due_at"],
        changes=tuple(change_from_json(each) for each in row["changes"]),
    )
