"""Carries out what admins say about files on their way into the index. No platform here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bots.chat import job_results as results
from bots.chat.grammar import CancelJob, Failed, OfJobs, RetryJob
from bots.chat.results import Result, Row
from core.errors import NotFound
from core.idle import nobody_works
from core.ports import Jobs
from core.types import Document, DocumentStatus, Job, JobState

PAGE = 10
"""Files in one list."""
MOST_AT_WORK = 10
FAILED = frozenset({JobState.FAILED})
ENDED_BADLY = frozenset({JobState.FAILED, JobState.CANCELLED})
CANCELLED = frozenset({JobState.CANCELLED})
IN_WORK = frozenset({DocumentStatus.QUEUED, DocumentStatus.PROCESSING})
UNFINISHED = frozenset({JobState.WAITING, JobState.RUNNING})


@dataclass(frozen=True, slots=True)
class JobCommands:
    """For admins, who see all namespaces. Its methods raise `StorageFailed` and `InvalidRequest`."""

    jobs: Jobs

    async def run(self, command: OfJobs) -> Result:
        """Carry it out, or say why not. Who may is the caller's to know."""
        try:
            match command:
                case Failed(page):
                    return await self._failed(page)
                case RetryJob(job):
                    return results.tried_again(await self.jobs.retry(job.lower()))
                case CancelJob(job):
                    return results.cancelled(await self.jobs.cancel(job.lower()))
        except NotFound:
            return Result(results.NO_JOB)

    async def given_up(self, document: Document) -> Job | None:
        """The job that ended when a document was removed before it was indexed."""
        if document.status not in IN_WORK:
            return None
        return await self.jobs.about(document.id, CANCELLED)

    async def at_work(self) -> tuple[str, tuple[Row, ...]]:
        """For the status: a sentence or two, and the files that wait or are in work, in the order of their turn."""
        jobs, total = await self.jobs.page(UNFINISHED, MOST_AT_WORK)
        _, failed = await self.jobs.page(FAILED, 1)
        is_idle = await nobody_works(self.jobs)
        return results.overview(total, failed, len(jobs), is_idle=is_idle), tuple(map(results.working, jobs))

    async def matching(self, states: frozenset[JobState], text: str, limit: int) -> Sequence[Job]:
        """Jobs in these states whose file's name or id has these words."""
        jobs, _ = await self.jobs.page(states, limit)
        wanted = text.strip().casefold()
        return [each for each in jobs if wanted in each.name.casefold() or each.id.startswith(wanted)]

    async def _failed(self, page: int) -> Result:
        jobs, total = await self.jobs.page(FAILED, PAGE, (page - 1) * PAGE)
        if not jobs and total:
            page = (total - 1) // PAGE + 1
            jobs, total = await self.jobs.page(FAILED, PAGE, (page - 1) * PAGE)
        return results.failures(jobs, total, (page - 1) * PAGE, page)
