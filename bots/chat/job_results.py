"""What people are told of files on their way into the index, as values that every platform can show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bots.chat.grammar import Failed
from bots.chat.progress import in_work
from bots.chat.records import SHORT_ID, came_from, count, moment
from bots.chat.results import PREFIX, Action, Result, Row, paging
from core.types import Job

NO_JOB = f"There is no such job any more. `{PREFIX} failed` shows the files that could not be added."
NOBODY_WORKS = "Nobody works on them at the moment: whoever runs me has to start a `lorekeeper run` whose setting jobs.run is true."


def working(job: Job) -> Row:
    """One that waits or runs."""
    state = in_work(job.name, job).words
    last = (f"the last try failed: {job.error}",) if job.error else ()
    return Row(job.name, (state, *last, _where(job), f"gives it up: {PREFIX} cancel {job.id[:SHORT_ID]}"))


def overview(working: int, failed: int, shown: int, *, is_idle: bool = False) -> str:
    """How many there are, for the status; empty when there are none."""
    said = []
    if working:
        more = f", of which the first {shown} are below" if shown < working else ""
        said.append(f"{count(working, 'file')} {'waits or is' if working == 1 else 'wait or are'} in work{more}.")
    if is_idle:
        said.append(NOBODY_WORKS)
    if failed:
        said.append(f"{count(failed, 'file')} could not be added: `{PREFIX} failed` says why.")
    return " ".join(said)


def failures(jobs: Sequence[Job], total: int, offset: int, page: int) -> Result:
    """A page of those that failed."""
    if not jobs:
        return Result("No file failed of late.")
    last = offset + len(jobs)
    rows = tuple(_failure(each) for each in jobs)
    text = f"Files {offset + 1} to {last} of {total} that could not be added, the latest first:"
    return Result(text, rows, tuple(paging(Failed(page), page, is_last=last >= total)))


def tried_again(job: Job) -> Result:
    text = f"It is tried again. `{PREFIX} status` shows how far it is:"
    return Result(text, (Row(job.name, (_where(job),)),))


def cancelled(job: Job) -> Result:
    text = f"Given up. What answered before goes on answering; `{PREFIX} retry {job.id[:SHORT_ID]}` takes it up again:"
    return Result(text, (Row(job.name, (_where(job),)),))


def _failure(job: Job) -> Row:
    why = job.error or "The file cannot be read."
    details = (why, _where(job), f"tries it again: {PREFIX} retry {job.id[:SHORT_ID]}")
    return Row(job.name, details, Action("again", "Try again", f"retry {job.id}"))


def _where(job: Job) -> str:
    when = moment(job.finished_at or job.created_at)
    origin = came_from(job.origin, with_person=True)
    return " · ".join([f"namespace {job.namespace}", f"job {job.id[:SHORT_ID]}", when, *origin])
