"""The jobs of an application that another process owns."""

from __future__ import annotations

from bots.gateway.owner import SHORT_SECONDS, OwnerClient
from core.errors import NotFound
from core.types import Job, JobState
from core.wire import job_from_json

JOBS = "/v1/jobs"
ALL = 10**9


class JobsClient(OwnerClient):
    """Implements `core.ports.Jobs`."""

    async def page(
        self,
        states: frozenset[JobState] = frozenset(),
        limit: int = 100,
        offset: int = 0,
        *,
        within: frozenset[str] = frozenset(),
    ) -> tuple[list[Job], int]:
        chosen = {"state": sorted(state.value for state in states), "namespace": sorted(within)}
        values, total = await self._page(JOBS, "jobs", limit, offset, chosen)
        return [job_from_json(value) for value in values], total

    async def get(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        job = job_from_json(await self._json("GET", _path(job_id), SHORT_SECONDS))
        if within and job.namespace not in within:
            raise _not_found(job_id)
        return job

    async def about(self, document_id: str, states: frozenset[JobState]) -> Job | None:
        jobs, _ = await self.page(states, ALL)
        about = (job for job in jobs if job.document_id == document_id)
        return max(about, key=lambda job: job.created_at, default=None)

    async def cancel(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        return await self._change(job_id, "cancel", within)

    async def retry(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        return await self._change(job_id, "retry", within)

    async def _change(self, job_id: str, what: str, within: frozenset[str]) -> Job:
        if within:
            job_id = (await self.get(job_id, within)).id
        return job_from_json(await self._json("POST", f"{_path(job_id)}/{what}", SHORT_SECONDS))


def _path(job_id: str) -> str:
    if not job_id.isalnum():
        raise _not_found(job_id)
    return f"{JOBS}/{job_id}"


def _not_found(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id}. `lorekeeper documents jobs` shows them all.")
