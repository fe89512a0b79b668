"""`lorekeeper documents …`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from core.build import Application
from core.console import plain
from core.errors import InvalidRequest, NotFound
from core.namespace import check_namespace
from core.types import (
    DEFAULT_NAMESPACE,
    Document,
    DocumentChange,
    DocumentStatus,
    Job,
    JobState,
    Passage,
    SyncedSource,
)
from core.wire import document_to_json, passage_to_json
from ingest import job_commands, version_commands
from ingest.command_line import (
    SHORT_ID,
    JsonOption,
    LimitOption,
    OnlyNamespaceOption,
    call,
    caller,
    file_of,
    goes_on,
    gone,
    is_served,
    summarise,
    table_of,
    write_json,
)
from ingest.command_progress import Display, while_watching
from ingest.sources.files import collect, folder_source
from ingest.sources.kinds import FOLDER, path_of

REINDEXING_STOPPED = "Stopped. What was finished stays; run the same command again for the rest."
REINDEXING_GOES_ON = "The running `lorekeeper run` goes on with it."
UNFINISHED = frozenset({JobState.WAITING, JobState.RUNNING})
AGAIN = "Run the same command again for files that were not received yet."
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Add, list, remove, restore and check documents.")


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", show_default=False)],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The namespace the documents belong to.")
    ] = DEFAULT_NAMESPACE,
    keep_missing: Annotated[
        bool, typer.Option("--keep-missing", help="Keep documents whose file is gone from a given folder.")
    ] = False,
) -> None:
    """Bring files and folders into the index; unchanged files are skipped."""
    check_namespace(namespace)
    absolute = [_absolute(path) for path in paths]

    async def work(application: Application) -> list[DocumentChange]:
        check_apart(absolute, namespace, await application.sources.all())
        await _tell_of_others(application, display)
        display.expect(await asyncio.to_thread(_sizes, absolute))
        adding = application.documents.add_paths(
            absolute, namespace, display.report, prune=not keep_missing, origin=caller()
        )
        return await while_watching(adding, application.jobs, display, _is_below(absolute, namespace))

    with Display() as display:
        changes = call("lorekeeper documents add", work, stopped=lambda application: f"{goes_on(application)}\n{AGAIN}")
    summarise(changes)


@app.command()
def reindex() -> None:
    """Split and embed all documents anew, after a change of model or split settings."""
    with Display() as display:
        changes = call(
            "lorekeeper documents reindex",
            lambda application: application.documents.reindex(display.report),
            for_reindex=True,
            stopped=lambda application: REINDEXING_GOES_ON if is_served(application) else REINDEXING_STOPPED,
        )
    summarise(changes)


@app.command("list")
def list_documents(
    namespace: OnlyNamespaceOption = None,
    status: Annotated[DocumentStatus | None, typer.Option(help="Only those in this state.")] = None,
    limit: LimitOption = 1000,
    as_json: JsonOption = False,
) -> None:
    """All documents with their state."""
    if namespace is not None:
        check_namespace(namespace)
    documents, total = call(
        "lorekeeper documents list", lambda application: application.documents.page(namespace, limit, 0, status)
    )
    if as_json:
        write_json({"documents": [document_to_json(document) for document in documents], "total": total})
        return
    table = table_of("id", "title", "file", "namespace", "status", "pages", "passages")
    for document in documents:
        table.add_row(
            document.id[:SHORT_ID],
            Text(plain(document.title)),
            Text(file_of(document)),
            document.namespace,
            document.status.value,
            str(document.pages or ""),
            str(document.chunks),
        )
    Console().print(table)
    if len(documents) < total:
        sys.stdout.write(f"{len(documents)} of {total}; see more with --limit {total}\n")


@app.command()
def show(
    document_id: Annotated[str, typer.Argument(help="The id, or its beginning.")], as_json: JsonOption = False
) -> None:
    """One document: state, what was lost in reading it, and its passages."""

    async def both(application: Application) -> tuple[Document, list[Passage]]:
        try:
            document = await application.documents.get(document_id)
        except NotFound as error:
            raise await gone(application, document_id, error) from error
        return document, await application.documents.passages(document.id)

    document, passages = call("lorekeeper documents show", both)
    if as_json:
        write_json(document_to_json(document) | {"passages": [passage_to_json(passage) for passage in passages]})
        return
    out = Console(highlight=False, soft_wrap=True)
    for name, value in document_to_json(document).items():
        if value not in (None, "", []):
            out.print(_field(name, value))
    for passage in passages:
        out.print()
        out.print(Text(plain(passage.locator), style="cyan"))
        out.print(Text(plain(passage.text)))


@app.command()
def remove(document_ids: Annotated[list[str], typer.Argument(help="Ids, or their beginnings.")]) -> None:
    """Take documents out of the index; for a while they can be restored."""

    async def work(application: Application) -> None:
        for document_id in document_ids:
            try:
                document = await application.documents.remove(document_id, origin=caller())
            except NotFound as error:
                raise await gone(application, document_id, error) from error
            sys.stdout.write(f"Removed {plain(document.title)}\n")
            sys.stdout.write(await _way_back(application, document))

    call("lorekeeper documents remove", work)


for command in (
    *(job_commands.jobs, job_commands.cancel, job_commands.retry),
    *(version_commands.history, version_commands.restore, version_commands.removed, version_commands.purge),
    version_commands.check,
):
    app.command()(command)


def check_apart(paths: Sequence[Path], namespace: str, sources: Sequence[SyncedSource]) -> None:
    """A file belongs to one source, which decides who may read it and when it goes. Raises `InvalidRequest`."""
    for source in sources:
        if source.kind != FOLDER or source.namespace != namespace:
            continue
        folder = plain(str(path_of(source.address)))
        for path in paths:
            given, shown = _source_of(path), plain(str(path))
            if given.startswith(source.address):
                place = "is" if given == source.address else "lies in"
                raise InvalidRequest(
                    f"{shown} {place} the source {source.id} ({folder}), which is kept in sync by itself. "
                    f"To read it now: lorekeeper sources sync {source.id}"
                )
            if source.address.startswith(given):
                raise InvalidRequest(
                    f"The source {source.id} ({folder}), which is kept in sync by itself, lies in {shown}. "
                    "Add the other files and folders one by one, or remove the source first: "
                    f"lorekeeper sources remove {source.id}"
                )


async def _way_back(application: Application, document: Document) -> str:
    """How to undo its removal. A document that could not be read leaves nothing to come back to."""
    try:
        await application.versions.history(document.id)
    except NotFound:
        return await _job_back(application, document)
    days = application.settings.history.keep_removed_days
    kept = "1 day" if days == 1 else f"{days} days"
    return f"Within {kept}, this brings it back: lorekeeper documents restore {document.id[:SHORT_ID]}\n"


async def _job_back(application: Application, document: Document) -> str:
    """Of one that was removed while it waited or was in work, which gave up its job."""
    if document.status not in {DocumentStatus.QUEUED, DocumentStatus.PROCESSING}:
        return ""
    job = await application.jobs.about(document.id, frozenset({JobState.CANCELLED}))
    if job is None:
        return ""
    return f"It had not been indexed yet. This brings it back: lorekeeper documents retry {job.id[:SHORT_ID]}\n"


async def _tell_of_others(application: Application, display: Display) -> None:
    """That files wait which somebody else gave, and that are worked on in the same time."""
    _, number = await application.jobs.page(UNFINISHED, 1)
    if number:
        files = (
            "1 file that was received before is" if number == 1 else f"{number:,} files that were received before are"
        )
        display.tell(
            f"Note: {files} not indexed yet, and {'has its' if number == 1 else 'have their'} turn as well.", "yellow"
        )


def _absolute(path: Path) -> Path:
    """Without following links, so that a link that is moved to new content stays the same source."""
    absolute = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - resolve() follows links
    if not os.path.lexists(absolute):
        raise InvalidRequest(f"{plain(str(path))} does not exist.")
    return absolute


def _sizes(paths: Sequence[Path]) -> list[int]:
    """In bytes, of the files that will be taken. Raises `InvalidRequest`."""
    sizes = []
    for file in collect(paths).files:
        # One that is gone is told of when it is its turn.
        with contextlib.suppress(OSError):
            sizes.append(file.path.stat().st_size)
    return sizes


def _source_of(path: Path) -> str:
    return folder_source(path) if path.is_dir() else path.as_uri()


def _is_below(paths: Sequence[Path], namespace: str) -> Callable[[Job], bool]:
    """Whether a job is about one of these files, or one in these folders."""
    given = tuple(map(_source_of, paths))
    return lambda job: job.namespace == namespace and job.source.startswith(given)


def _field(name: str, value: Any) -> Text:
    """On a line, or for a list a line for each."""
    values = [f"\n  {plain(str(each))}" for each in value] if isinstance(value, list) else [" " + plain(str(value))]
    return Text.assemble((f"{name}:", "bold"), *values)
