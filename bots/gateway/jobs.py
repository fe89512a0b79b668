"""`/v1/jobs`: received files on their way into the index: how far they are, giving them up, trying again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from bots.gateway import examples, job_examples
from bots.gateway.access import among, needs, not_public
from bots.gateway.ask import Namespace
from bots.gateway.parts import application_of
from core.access import Permission
from core.types import JobState
from core.wire import job_to_json

JobId = Annotated[str, Field(min_length=6, max_length=64, examples=["7c1d5d5a0f0a4be1a0f7d2f7c3f9f1b6"])]
# They name who brought a document.
readers = [Depends(needs(Permission.READ)), Depends(not_public)]
writers = [Depends(needs(Permission.WRITE))]
router = APIRouter(prefix="/v1/jobs", responses=examples.PROBLEMS)


@router.get("", summary="List jobs", dependencies=readers, responses=job_examples.LISTED, response_model=None)
async def list_jobs(
    request: Request,
    state: Annotated[list[JobState], Query(default_factory=list, description="May be given more than once.")],
    namespace: Annotated[list[Namespace], Query(default_factory=list, description="May be given more than once.")],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """Those that run or wait in the order of their turn, then those that ended, the latest first."""
    jobs, total = await application_of(request).jobs.page(
        frozenset(state), limit, offset, within=among(request, namespace)
    )
    return {"jobs": [job_to_json(job) for job in jobs], "total": total}


@router.get(
    "/{job_id}", summary="How far a job is", dependencies=readers, responses=job_examples.SHOWN, response_model=None
)
async def get_job(request: Request, job_id: JobId) -> dict[str, Any]:
    """With what became of the file, and of the files inside it, once it has ended."""
    return job_to_json(await application_of(request).jobs.get(job_id, among(request)))


@router.post(
    "/{job_id}/cancel",
    summary="Give a job up",
    dependencies=writers,
    responses=job_examples.CANCELLED,
    response_model=None,
)
async def cancel_job(request: Request, job_id: JobId) -> dict[str, Any]:
    """What answered before goes on answering."""
    return job_to_json(await application_of(request).jobs.cancel(job_id, among(request)))


@router.post(
    "/{job_id}/retry",
    summary="Try a job again",
    dependencies=writers,
    responses=job_examples.RETRIED,
    response_model=None,
)
async def retry_job(request: Request, job_id: JobId) -> dict[str, Any]:
    """One that failed or was cancelled; it waits for its turn again."""
    return job_to_json(await application_of(request).jobs.retry(job_id, among(request)))
