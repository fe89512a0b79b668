"""How far jobs are, for who waits for them: rarely enough that it costs nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from core.errors import StorageFailed
from core.store.job_rows import URGENT, Progress
from core.store.jobs import JobStore
from core.types import JobStage
from ingest.received import Prepared, Work
from ingest.signal import Signal

# Between two notes about one job.
SECONDS = 1.0
# How much the latest batch counts in the speed of embedding.
WEIGHT = 0.3
LARGE_BYTES = 2**20


class Telling:
    """For one engine: its own thread and the one that embeds."""

    def __init__(self, jobs: JobStore, changed: Signal) -> None:
        self._jobs = jobs
        self._changed = changed
        self._told: dict[str, float] = {}
        """By id of the jobs in the batch that is embedded: when somebody was told of them last."""
        self._speed = 0.0
        """In chunks per second."""
        self._last: tuple[float, int] | None = None
        """When the batch in work got further, and how far."""
        self._told_of_small = float("-inf")
        """When somebody was told last of a small file in a folder."""

    def stage(self, work: Work | None, stage: JobStage) -> None:
        """It begins; of small files in folders, which pass quickly, one is told of now and then."""
        if work is None:
            return
        if work.claimed.job.priority != URGENT and work.claimed.job.size_bytes <= LARGE_BYTES:
            now = time.monotonic()
            if now - self._told_of_small < SECONDS:
                return
            self._told_of_small = now
        work.is_told = True
        self._note(work, Progress(stage))

    def embedding(self, batch: Sequence[Prepared], done: int, total: int) -> None:
        """So many of a batch's chunks are embedded."""
        now = time.monotonic()
        self._measure(now, done)
        if not done:
            # Of the batch before it nothing more is told.
            self._told.clear()
        before = 0
        for prepared in batch:
            chunks, work = len(prepared.chunks), prepared.file.work
            own = max(0, min(chunks, done - before))
            before += chunks
            if work is None or prepared.file.is_inside:
                continue
            job = work.claimed.job.id
            # Of those that are said to be read, and of others only where it takes long.
            since = self._told.setdefault(job, now)
            if now - since >= SECONDS or (work.is_told and not done):
                left = round((total - done) / self._speed) if self._speed else None
                self._told[job] = now
                self._note(work, Progress(JobStage.EMBEDDING, prepared.document.pages, chunks, own, left))

    def _measure(self, now: float, done: int) -> None:
        if self._last is not None and done > self._last[1]:
            speed = (done - self._last[1]) / max(now - self._last[0], 1e-3)
            self._speed = speed if not self._speed else (1 - WEIGHT) * self._speed + WEIGHT * speed
        self._last = (now, done)

    def _note(self, work: Work, progress: Progress) -> None:
        with contextlib.suppress(StorageFailed):  # the work itself finds out whether the database is away
            self._jobs.note(work.claimed, progress)
            self._changed.notify()
