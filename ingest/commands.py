"""`lorekeeper documents …`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from core.build import open_application
from core.console import plain
from core.errors import InvalidRequest
from core.log import configure_for_command
from core.namespace import check_namespace
from core.ports import Documents
from core.settings import load
from core.types import DEFAULT_NAMESPACE, ChangeKind, Document, DocumentChange, Passage
from core.wire import document_to_json, passage_to_json

STOPPED = "Stopped. What was finished stays; run the same command again for the rest."
GOES_ON = (
    "The running `lorekeeper run` goes on with what it was given; `lorekeeper documents list` shows how far it is."
)
WAIT_SECONDS = 30.0
T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Add, list, show, remove and re-index documents.")
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="The namespace the documents belong to.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", show_default=False)],
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    keep_missing: Annotated[
        bool, typer.Option("--keep-missing", help="Keep documents whose file is gone from a given folder.")
    ] = False,
) -> None:
    """Bring files and folders into the index; unchanged files are skipped."""
    check_namespace(namespace)
    absolute = [_absolute(path) for path in paths]
    changes = _with_progress(
        "lorekeeper documents add",
        lambda documents, report: documents.add_paths(absolute, namespace, report, prune=not keep_missing),
    )
    _summarise(changes)


@app.command()
def reindex() -> None:
    """Split and embed all documents anew, after a change of model or split settings."""
    changes = _with_progress(
        "lorekeeper documents reindex", lambda documents, report: documents.reindex(report), for_reindex=True
    )
    _summarise(changes)


@app.command("list")
def list_documents(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 1000,
    as_json: JsonOption = False,
) -> None:
    """All documents with their state."""
    if namespace is not None:
        check_namespace(namespace)
    documents, total = _call("lorekeeper documents list", lambda port: port.page(namespace, limit, 0))
    if as_json:
        _write_json({"documents": [document_to_json(document) for document in documents], "total": total})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "title", "namespace", "status", "pages", "passages"):
        table.add_column(column, overflow="fold", justify="right" if column in {"pages", "passages"} else "left")
    for document in documents:
        table.add_row(
            document.id[:12],
            Text(plain(document.title)),
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

    async def both(port: Documents) -> tuple[Document, list[Passage]]:
        document = await port.get(document_id)
        return document, await port.passages(document.id)

    document, passages = _call("lorekeeper documents show", both)
    if as_json:
        _write_json(document_to_json(document) | {"passages": [passage_to_json(passage) for passage in passages]})
        return
    out = Console(highlight=False, soft_wrap=True)
    for name, value in document_to_json(document).items():
        if value not in (None, "", []):
            out.print(Text.assemble((f"{name}: ", "bold"), plain(str(value))))
    for passage in passages:
        out.print()
        out.print(Text(plain(passage.locator), style="cyan"))
        out.print(Text(plain(passage.text)))


@app.command()
def remove(document_ids: Annotated[list[str], typer.Argument(help="Ids, or their beginnings.")]) -> None:
    """Remove documents from both indexes and delete their stored copies."""
    for document_id in document_ids:
        document = _call("lorekeeper documents remove", partial(_remove, document_id))
        sys.stdout.write(f"Removed {plain(document.title)}\n")


def _absolute(path: Path) -> Path:
    """Without following links, so that a link that is moved to new content stays the same source."""
    absolute = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - resolve() follows links
    if not os.path.lexists(absolute):
        raise InvalidRequest(f"{plain(str(path))} does not exist.")
    return absolute


async def _remove(document_id: str, port: Documents) -> Document:
    return await port.remove(document_id)


def _call(command: str, work: Callable[[Documents], Coroutine[Any, Any, T]], *, for_reindex: bool = False) -> T:
    settings = load()
    configure_for_command(settings.log)
    application = open_application(settings, command, wait_seconds=WAIT_SECONDS, for_reindex=for_reindex)
    try:
        return asyncio.run(work(application.documents))
    except KeyboardInterrupt:
        goes_on = application.claim is None and settings.is_embedded
        sys.stderr.write(f"\n{GOES_ON if goes_on else STOPPED}\n")
        raise
    finally:
        application.close()


def _with_progress(
    command: str,
    work: Callable[[Documents, Callable[[DocumentChange, int, int], None]], Coroutine[Any, Any, list[DocumentChange]]],
    *,
    for_reindex: bool = False,
) -> list[DocumentChange]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Reading", total=None)

        def report(change: DocumentChange, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="Indexing")
            if change.kind is ChangeKind.FAILED:
                console.print(Text(f"Not indexed: {plain(change.name)}: {change.message}", style="red"), soft_wrap=True)
            elif change.message:
                console.print(Text(f"Note: {plain(change.name)}: {change.message}", style="yellow"), soft_wrap=True)

        return _call(command, lambda documents: work(documents, report), for_reindex=for_reindex)


def _summarise(changes: Sequence[DocumentChange]) -> None:
    counts = Counter(change.kind for change in changes)
    parts = [f"{counts[kind]} {kind.value}" for kind in ChangeKind if counts[kind]]
    passages = sum(change.document.chunks for change in changes if change.document and change.kind in _INDEXED)
    for line in _unsaid(changes):
        sys.stderr.write(f"Note: {line}\n")
    sys.stdout.write(f"Documents: {', '.join(parts) or 'none'}. Passages indexed: {passages}.\n")
    if counts[ChangeKind.FAILED]:
        raise typer.Exit(1)


def _unsaid(changes: Sequence[DocumentChange]) -> Iterator[str]:
    """What was removed, by name, and which formats were passed over."""
    for change in changes:
        if change.kind is ChangeKind.REMOVED:
            yield f"{plain(change.name)} was removed, because its file is gone or holds no text any more."
    passed = Counter(
        PurePath(change.name).suffix.lower() or "no ending"
        for change in changes
        if change.kind is ChangeKind.SKIPPED and not change.message
    )
    if passed:
        kinds = ", ".join(f"{count} with {plain(suffix)}" for suffix, count in passed.most_common(5))
        yield f"files were skipped whose format cannot be read: {kinds}."


_INDEXED = {ChangeKind.ADDED, ChangeKind.REPLACED}


def _write_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
