"""Waiting for jobs, which go on whether anybody waits or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TypeVar

from core.errors import EmbeddingFailed, InvalidRequest, LorekeeperError, StorageFailed
from core.ports import Progress, Watch
from core.store.jobs import JobStore
from core.types import ChangeKind, DocumentChange, Job, JobState
from ingest.engine import STOPPED
from ingest.receiving import Accepted
from ingest.signal import Signal
from ingest.worker import Worker

# Other processes tell nobody here; and how often, at most, jobs are looked at that get along here.
POLL_SECONDS, REST_SECONDS = 0.5, 0.05
# Jobs come to their end about in the order in which they were written.
WINDOW = 500
AGAIN = "It is tried again by itself."
CANCELLED = "It was cancelled."
T = TypeVar("T")


class Waiting:
    """For the tasks of any event loop."""

    def __init__(self, jobs: JobStore, worker: Worker, changed: Signal) -> None:
        self._jobs = jobs
        self._worker = worker
        self._changed = changed

    async def one(self, job_id: str, watch: Watch | None = None) -> Sequence[DocumentChange]:
        """What became of the files inside it, and last of itself. Raises why it has to be tried again."""
        told = None
        with self._changed.heard() as event:
            while True:
                event.clear()
                job = await asyncio.to_thread(self._jobs.get, job_id)
                if watch is not None and _progress(job) != told:
                    told = _progress(job)
                    watch(job)
                if job.state.is_end or (job.state is JobState.WAITING and job.error is not None):
                    return changes_of(job)
                await self._pause(event)

    async def all(self, job_ids: Sequence[str]) -> AsyncGenerator[Job, None]:
        """The jobs as they come to their end. Raises why one has to be tried again."""
        left = dict.fromkeys(job_ids)
        with self._changed.heard() as event:
            while left:
                event.clear()
                for job in await asyncio.to_thread(self._jobs.told, list(left)[:WINDOW]):
                    del left[job.id]
                    yield job
                if left:
                    await self._pause(event)

    async def _pause(self, event: asyncio.Event) -> None:
        if self._worker.is_closing:
            raise StorageFailed(STOPPED)
        if self._worker.trouble is not None:
            raise StorageFailed(f"{self._worker.trouble.message} {AGAIN}")
        await asyncio.sleep(REST_SECONDS)
        try:
            await asyncio.wait_for(event.wait(), POLL_SECONDS)
        except TimeoutError:
            return


class Adding:
    """Files that are received one after the other, while those that came first are worked on already."""

    def __init__(self, waiting: Waiting, total: int, progress: Progress | None) -> None:
        self._waiting = waiting
        self._total = total
        self._report = progress or (lambda change, done, total: None)
        self.changes: list[DocumentChange] = []
        self.empty: set[str] = set()
        """Sources of the files in which there was nothing to read."""

    async def run(self, accepted: Iterator[Accepted | DocumentChange]) -> None:
        """Until all have come to their end. Raises why one has to be tried again."""
        sources: dict[str, str] = {}
        async for each in _in_thread(accepted):
            if isinstance(each, DocumentChange):
                self.note(each)
            else:
                sources[each.job_id] = each.file.source
        async for job in self._waiting.all(list(sources)):
            changes = changes_of(job)
            # Those of the files inside it come on top.
            self._total += len(changes) - 1
            for change in changes:
                self.note(change)
            if changes and changes[-1].kind is ChangeKind.SKIPPED:
                self.empty.add(sources[job.id])

    def note(self, change: DocumentChange) -> None:
        """It happened."""
        self.changes.append(change)
        self._report(change, len(self.changes), self._total)


async def _in_thread(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """An iterator that blocks."""
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield item  # type: ignore[misc]


def changes_of(job: Job) -> Sequence[DocumentChange]:
    """Of a job that came to its end. Raises why one that waits has to be tried again."""
    if job.state is JobState.CANCELLED:
        return [DocumentChange(ChangeKind.FAILED, job.name, message=CANCELLED, code=InvalidRequest.code)]
    if not job.state.is_end:
        kind: type[LorekeeperError] = EmbeddingFailed if job.code == EmbeddingFailed.code else StorageFailed
        raise kind(f"{job.error} {AGAIN}")
    return job.changes


def _progress(job: Job) -> tuple[object, ...]:
    return job.state, job.stage, job.pages, job.chunks, job.embedded, job.seconds_left, job.ahead
