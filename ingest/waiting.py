"""Waiting for jobs, which go on whether anybody waits or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from core.errors import EmbeddingFailed, InvalidRequest, LorekeeperError, NotFound, StorageFailed
from core.ports import Progress, Watch
from core.store.jobs import JobStore
from core.types import ChangeKind, DocumentChange, Job, JobState
from ingest.engine import STOPPED
from ingest.receiving import Accepted
from ingest.signal import Signal
from ingest.worker import Worker

# Other processes tell nobody here; and how often, at most, jobs are looked at that get along here: the longer somebody
# waits, the less often.
POLL_SECONDS, REST_SECONDS, LONGEST_REST_SECONDS = 0.5, 0.05, 0.3
# Jobs come to their end about in the order in which they were written.
WINDOW = 500
AGAIN = "It is tried again by itself."
CANCELLED = "It was cancelled."
T = TypeVar("T")


class Teller:
    """Who tells of a job's end, and counts what came of it: one of those who wait for it."""

    __slots__ = ("_is_gone",)

    def __init__(self) -> None:
        self._is_gone = False

    def leave(self) -> None:
        """Before its end: somebody else has to tell of it."""
        self._is_gone = True

    def take_over(self) -> bool:
        """Whether it falls to the caller, because whoever was to tell of it has left."""
        was_gone, self._is_gone = self._is_gone, False
        return was_gone


class Waiting:
    """For the tasks of any event loop."""

    def __init__(self, jobs: JobStore, worker: Worker, changed: Signal) -> None:
        self._jobs = jobs
        self._worker = worker
        self._changed = changed
        self.told_of: dict[str, Teller] = {}
        """By id of the jobs whose ends some `Adding` tells of."""

    async def one(self, job_id: str, watch: Watch | None = None) -> Sequence[DocumentChange]:
        """What became of the files inside it, and last of itself. Raises why it has to be tried again."""
        job, told, rests = None, None, _rests()
        with self._changed.heard() as event:
            while True:
                event.clear()
                try:
                    job = await asyncio.to_thread(self._jobs.get, job_id)
                except NotFound:
                    # It was purged with its document.
                    return [cancelled(job.name if job is not None else "")]
                if watch is not None and _progress(job) != told:
                    told = _progress(job)
                    watch(job)
                if job.state.is_end or (job.state is JobState.WAITING and job.error is not None):
                    return changes_of(job)
                await self._pause(event, next(rests))

    async def all(self, job_ids: Sequence[str]) -> AsyncGenerator[tuple[str, Job | None], None]:
        """The jobs, by id, as they come to their end; None when one was purged with its document."""
        left, rests = dict.fromkeys(job_ids), _rests()
        with self._changed.heard() as event:
            while left:
                event.clear()
                window = list(left)[:WINDOW]
                ended, there = await asyncio.to_thread(self._jobs.told, window)
                for job in ended:
                    del left[job.id]
                    yield job.id, job
                for gone in (job_id for job_id in window if job_id not in there):
                    left.pop(gone, None)
                    yield gone, None
                if left:
                    await self._pause(event, next(rests))

    async def _pause(self, event: asyncio.Event, rest: float) -> None:
        if self._worker.is_closing:
            raise StorageFailed(STOPPED)
        if self._worker.trouble is not None:
            raise StorageFailed(f"{self._worker.trouble.message} {AGAIN}")
        await asyncio.sleep(rest)
        # In Python 3.11, `wait_for` forgets that it was cancelled when the event comes in the same moment.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await event.wait()


class Adding:
    """Files that are received one after the other, while those that came first are worked on already."""

    def __init__(self, waiting: Waiting, total: int, progress: Progress | None) -> None:
        self._waiting = waiting
        self._total = total
        self._report = progress or (lambda change, done, total: None)
        self.changes: list[DocumentChange] = []
        self.empty: set[str] = set()
        """Sources of the files in which there was nothing to read."""
        self._own: dict[str, Teller] = {}
        """By id of the jobs that nobody else told of when they came."""
        self._others: dict[str, Teller] = {}
        """By id of the jobs that somebody else told of."""
        self._told: set[str] = set()
        """Ids of the jobs that came to their end."""

    async def run(self, accepted: Iterator[Accepted | DocumentChange]) -> None:
        """Until all have come to their end. Raises why one has to be tried again."""
        try:
            await self._run(accepted)
        finally:
            for job_id, teller in self._own.items():
                del self._waiting.told_of[job_id]
                if job_id not in self._told:
                    teller.leave()

    async def _run(self, accepted: Iterator[Accepted | DocumentChange]) -> None:
        sources: dict[str, str] = {}
        names: dict[str, str] = {}
        async for each in _in_thread(accepted):
            if isinstance(each, DocumentChange):
                self.note(each)
            else:
                self._agree(each.job_id)
                sources[each.job_id], names[each.job_id] = each.file.source, each.file.name
        async for job_id, job in self._waiting.all(list(sources)):
            changes = [cancelled(names[job_id])] if job is None else changes_of(job)
            if job_id in self._others and not self._others[job_id].take_over():
                changes = [_by_another(change) for change in changes]
            # Those of the files inside it come on top.
            self._total += len(changes) - 1
            for change in changes:
                self.note(change)
            if changes and changes[-1].kind is ChangeKind.SKIPPED:
                self.empty.add(sources[job_id])
            self._told.add(job_id)

    def _agree(self, job_id: str) -> None:
        """Who tells of it: whoever waits for it already, or else this one."""
        if job_id in self._own:
            return
        if (teller := self._waiting.told_of.get(job_id)) is not None:
            self._others[job_id] = teller
        else:
            self._own[job_id] = self._waiting.told_of[job_id] = Teller()

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
        return [cancelled(job.name)]
    if not job.state.is_end:
        kind: type[LorekeeperError] = EmbeddingFailed if job.code == EmbeddingFailed.code else StorageFailed
        raise kind(f"{job.error} {AGAIN}")
    return job.changes


def cancelled(name: str) -> DocumentChange:
    """Of a file that nobody wants any more."""
    return DocumentChange(ChangeKind.FAILED, name, message=CANCELLED, code=InvalidRequest.code)


def _by_another(change: DocumentChange) -> DocumentChange:
    """What somebody else brought in at the same time, and counts, was there already for everybody else."""
    if change.kind in {ChangeKind.ADDED, ChangeKind.REPLACED, ChangeKind.REMOVED}:
        return replace(change, kind=ChangeKind.UNCHANGED, message=None)
    return change


def _rests() -> Iterator[float]:
    rest = REST_SECONDS
    while True:
        yield rest
        rest = min(rest * 1.5, LONGEST_REST_SECONDS)


def _progress(job: Job) -> tuple[object, ...]:
    return job.state, job.stage, job.pages, job.chunks, job.embedded, job.seconds_left, job.ahead
