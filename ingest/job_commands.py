"""`lorekeeper documents jobs`, `cancel` and `retry`: files on their way into the index."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from core.build import Application
from core.console import plain
from core.errors import EmbeddingFailed, InvalidRequest, NotFound, StorageFailed
from core.idle import nobody_works
from core.namespace import check_namespace
from core.types import ChangeKind, DocumentChange, Job, JobState
from core.wire import job_to_json
from ingest.command_line import (
    JsonOption,
    LimitOption,
    OnlyNamespaceOption,
    call,
    goes_on,
    summarise,
    within,
    write_json,
)
from ingest.command_progress import NOBODY_WORKS, Display, while_watching
from ingest.job_table import said_of_all, table_for
from ingest.waiting import changes_of

POLL_SECONDS = 0.5
PAGE = 500
FAILED = frozenset({JobState.FAILED})
NOT_RUNNING = (
    "Nobody works on the files that wait, because no `lorekeeper run` is running. They are safe: start it, or add a "
    "document with `lorekeeper documents add`, and they are finished.\n"
)


def jobs(
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    namespace: OnlyNamespaceOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """Files that are in work, that wait in their order, and that came to an end, the latest first."""
    if namespace is not None:
        check_namespace(namespace)
    states = FAILED if failed else frozenset[JobState]()

    async def work(application: Application) -> tuple[list[Job], int, str]:
        found, total = await application.jobs.page(states, limit, within=within(namespace))
        return found, total, await _why_they_wait(application, found)

    found, total, why_they_wait = call("lorekeeper documents jobs", work)
    if as_json:
        write_json({"jobs": [job_to_json(job) for job in found], "total": total})
        return
    Console().print(table_for(found))
    sys.stdout.write(said_of_all(found))
    sys.stdout.write(why_they_wait)
    if len(found) < total:
        sys.stdout.write(f"{len(found)} of {total}; see more with --limit {total}\n")


def cancel(job_ids: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids, or their beginnings.")]) -> None:
    """Give up files that wait or are in work; what answered before goes on answering."""

    async def work(application: Application) -> None:
        for job_id in job_ids:
            job = await application.jobs.cancel(job_id)
            sys.stdout.write(f"Cancelled {plain(job.name)}\n")

    call("lorekeeper documents cancel", work)


def retry(
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="JOB...", help="Ids, or their beginnings.", show_default=False)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that failed and were not replaced or removed since.")
    ] = False,
) -> None:
    """Try again what failed or was cancelled, and show how it ends."""
    if job_ids and everything:
        raise InvalidRequest("Give either the ids of jobs or --all, not both.")
    if not job_ids and not everything:
        raise InvalidRequest("Give the ids of jobs, which `lorekeeper documents jobs --failed` shows, or --all.")

    async def work(application: Application) -> list[DocumentChange]:
        wanted = job_ids or [job.id for job in await _still_failed(application)]
        ids = [(await application.jobs.retry(job_id)).id for job_id in wanted]
        ending = _ends(application, ids, display)
        return await while_watching(ending, application.jobs, display, lambda job: job.id in ids)

    with Display() as display:
        changes = call("lorekeeper documents retry", work, stopped=goes_on)
    summarise(changes)


async def _why_they_wait(application: Application, found: Sequence[Job]) -> str:
    """That nobody works on them, and what to do about it; empty where somebody does."""
    if all(job.state.is_end for job in found):
        return ""
    if application.claim is not None and application.settings.jobs.run:
        return NOT_RUNNING
    is_certain = application.claim is not None
    return f"{NOBODY_WORKS}\n" if is_certain or await nobody_works(application.jobs) else ""


async def _still_failed(application: Application) -> list[Job]:
    """The last failed job of each document, unless that was replaced or removed since."""
    last: dict[str, Job] = {}
    total = 1
    offset = 0
    while offset < total:
        found, total = await application.jobs.page(FAILED, PAGE, offset)
        for job in found:
            last.setdefault(job.document_id, job)
        offset += PAGE
    return [job for job in last.values() if await _has_error(application, job.document_id)]


async def _has_error(application: Application, document_id: str) -> bool:
    try:
        return (await application.documents.get(document_id)).error is not None
    except NotFound:
        return False


async def _ends(application: Application, job_ids: Sequence[str], display: Display) -> list[DocumentChange]:
    """What became of the jobs, in their order."""
    changes: list[DocumentChange] = []
    for number, job_id in enumerate(job_ids, start=1):
        ended = outcome(await _end(application, job_id))
        for change in ended:
            display.report(change, number, len(job_ids))
        changes += ended
    return changes


async def _end(application: Application, job_id: str) -> Job:
    """The job when it has ended, or has to wait for its next attempt."""
    while True:
        job = await application.jobs.get(job_id)
        if job.state.is_end or (job.state is JobState.WAITING and job.error):
            return job
        await asyncio.sleep(POLL_SECONDS)


def outcome(job: Job) -> Sequence[DocumentChange]:
    """What became of its file and those inside it; of one that has to be tried again, why. Pure."""
    try:
        return changes_of(job)
    except (StorageFailed, EmbeddingFailed) as error:
        return [DocumentChange(ChangeKind.FAILED, job.name, message=error.message, code=error.code)]
