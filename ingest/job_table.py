"""Jobs as a table that can be read on a narrow terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from core.console import plain
from core.types import Job
from ingest.command_line import SHORT_ID, local_time, table_of, who
from ingest.command_progress import details_of, stage_of


def table_for(jobs: Sequence[Job]) -> Table:
    """A row for each; what there is to say of a file stands below its name."""
    table = table_of("id", "state", "since", "file")
    is_in_one, is_of_one = len(_namespaces(jobs)) == 1, len(_people(jobs)) == 1
    for job in jobs:
        about = " · ".join(filter(None, ["" if is_in_one else job.namespace, "" if is_of_one else who(job.origin)]))
        table.add_row(
            job.id[:SHORT_ID],
            job.state.value if job.state.is_end else stage_of(job),
            local_time(job.finished_at or job.started_at or job.created_at),
            Text("\n").join(_lines(job, about)),
        )
    return table


def said_of_all(jobs: Sequence[Job]) -> str:
    """Namespace and person where they are the same for all, so that no row repeats them; ends with a new line."""
    namespaces, people = _namespaces(jobs), _people(jobs) - {""}
    said = [f"in the namespace {namespaces.pop()}"] if len(namespaces) == 1 else []
    said += [f"by {people.pop()}"] if len(_people(jobs)) == 1 and people else []
    return f"All {', '.join(said)}.\n" if said else ""


def _lines(job: Job, about: str) -> Iterator[Text]:
    yield Text(plain(job.name))
    if not job.state.is_end and (details := details_of(job)):
        yield Text(details, style="dim")
    if about:
        yield Text(about, style="dim")
    if job.error:
        yield Text(plain(job.error), style="red")


def _namespaces(jobs: Sequence[Job]) -> set[str]:
    return {job.namespace for job in jobs}


def _people(jobs: Sequence[Job]) -> set[str]:
    return {who(job.origin) for job in jobs}
