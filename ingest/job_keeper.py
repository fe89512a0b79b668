"""Files on their way into the index, for people. Implements `core.ports.Jobs`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from core.errors import InvalidRequest
from core.types import Job, JobState
from ingest.engine import Stores

ENDED: Mapping[JobState, str] = {
    JobState.DONE: "is done",
    JobState.FAILED: "has failed",
    JobState.CANCELLED: "was cancelled",
}


class JobKeeper:
    """`work` has the jobs carried out that wait."""

    def __init__(self, stores: Stores, work: Callable[[], None]) -> None:
        self._stores = stores
        self._work = work

    async def page(
        self,
        states: frozenset[JobState] = frozenset(),
        limit: int = 100,
        offset: int = 0,
        *,
        within: frozenset[str] = frozenset(),
    ) -> tuple[list[Job], int]:
        return await asyncio.to_thread(self._stores.jobs.page, states, limit, offset, within)

    async def get(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        return await asyncio.to_thread(self._stores.jobs.get, job_id, within)

    async def about(self, document_id: str, states: frozenset[JobState]) -> Job | None:
        return await asyncio.to_thread(self._stores.jobs.about, document_id, states)

    async def cancel(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        return await asyncio.to_thread(self._cancel, job_id, within)

    async def retry(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        return await asyncio.to_thread(self._retry, job_id, within)

    def _cancel(self, job_id: str, within: frozenset[str]) -> Job:
        job = self._stores.jobs.get(job_id, within)
        if not self._stores.jobs.cancel(job.id):
            ended = self._stores.jobs.get(job.id)
            raise InvalidRequest(f"{ended.name} {ENDED.get(ended.state, 'has ended')} already.")
        self._stores.documents.settle(job.document_id)
        return self._stores.jobs.get(job.id)

    def _retry(self, job_id: str, within: frozenset[str]) -> Job:
        job = self._stores.jobs.get(job_id, within)
        if job.state not in {JobState.FAILED, JobState.CANCELLED}:
            raise InvalidRequest(
                f"{job.name} is {job.state.value}; only what failed or was cancelled can be tried again."
            )
        if not self._stores.jobs.retry(job.id):
            if self._stores.jobs.is_replaced(job.id):
                raise InvalidRequest(
                    f"{job.name} came again since, and only what came last counts, so this is not tried again. "
                    "To have another content answer, add that file."
                )
            raise InvalidRequest(f"{job.name} is being tried again already.")
        self._work()
        return self._stores.jobs.get(job.id)
