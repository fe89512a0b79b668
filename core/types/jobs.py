"""Work on documents that outlives the process that was asked for it, and what became of documents over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from core.types.documents import DocumentChange

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who brought a document, and how. Both are empty where nobody said."""

    channel: str = ""
    """`slack`, `discord`, `web`, `api`, `command line` or `source`."""
    person: str = ""
    """An id on the platform, the name of an API key or of the user of this machine."""


NOBODY = Origin()


class JobState(StrEnum):
    """Where a job is. The last three are ends, of which the last two can be tried again."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


class JobStage(StrEnum):
    """What is being done about a job. How it ended, its state says."""

    WAITING = "waiting"
    READING = "reading"
    EMBEDDING = "embedding"
    PUBLISHING = "publishing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Job:
    """One received file on its way into the index."""

    id: str
    document_id: str
    namespace: str
    name: str
    source: str
    state: JobState
    stage: JobStage = JobStage.WAITING
    size_bytes: int = 0
    pages: int | None = None
    """Known once it is read, for formats that have pages."""
    chunks: int | None = None
    """Known once it is read."""
    embedded: int = 0
    """How many of them have a vector."""
    seconds_left: int | None = None
    """A guess, while it is embedded."""
    ahead: int = 0
    """How many jobs that wait have their turn before it."""
    attempts: int = 0
    error: str | None = None
    """Why it failed, or, while it waits, why the last attempt did; for a person."""
    code: str = ""
    """Of that error in `core.errors`."""
    origin: Origin = NOBODY
    created_at: datetime = LONG_AGO
    """When it was received, or was to be tried again by a person."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime = LONG_AGO
    """While it waits, since when or from when on it can be begun. Workers move that on for the next one, as long as
    they cannot come to it."""
    changes: tuple[DocumentChange, ...] = ()
    """At its end: of the files inside it, and last of itself."""


class HistoryEvent(StrEnum):
    """What happened to a document."""

    ADDED = "added"
    REPLACED = "replaced"
    ROLLED_BACK = "rolled back"
    """An earlier version was brought back as a new one."""
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One event in the life of a document; for all but removals, one version of it."""

    document_id: str
    namespace: str
    source: str
    title: str
    event: HistoryEvent
    version: int
    """Counted from 1; of a removal, the version that was removed."""
    at: datetime
    origin: Origin = NOBODY
    of_version: int | None = None
    """Which version was brought back."""
    sha256: str = ""
    size_bytes: int = 0
    media_type: str = ""
    pages: int | None = None
    chunks: int = 0
    is_kept: bool = False
    """Whether its bytes are still there, so that it can be brought back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that record, word index, vector index and stored copies do not agree on."""

    kind: str
    """A short name: `orphaned vectors`, `missing vectors`, `orphaned words`, `missing words`, `wrong count`,
    `missing copy`, `misplaced copies`, `unused copies`, `unfinished copies`, `stray files`, `left in work`."""
    count: int
    documents: tuple[str, ...] = ()
    """Ids of documents it is about, where it is about documents."""
    is_repaired: bool = False
    remedy: str = ""
    """For a person, where nothing can be repaired by itself."""
