"""What the commands of `lorekeeper documents` share: options, the way to the application, and what is printed how."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

import typer
from rich.console import JustifyMethod
from rich.table import Table

from core.build import Application, open_application
from core.console import plain
from core.errors import InvalidRequest, NotFound
from core.log import configure_for_command
from core.settings import load
from core.types import ChangeKind, Document, DocumentChange, HistoryEvent, Origin
from ingest.documents import INSIDE, file_name

WAIT_SECONDS = 30.0
SHORT_ID = 12
NUMBERS = frozenset({"pages", "passages", "size", "version", "number"})
# Whose cells stay on one line.
SHORT = frozenset({"id", "since", "at", "removed", "kept until"})
T = TypeVar("T")
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]
LimitOption = Annotated[int, typer.Option(min=1, help="How many of them.")]
OnlyNamespaceOption = Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace.")]


def call(
    command: str,
    work: Callable[[Application], Coroutine[Any, Any, T]],
    *,
    for_reindex: bool = False,
    for_repair: bool = False,
    stopped: Callable[[Application], str] | None = None,
) -> T:
    """What the work returns. `stopped`: what to say when somebody ends the command with Ctrl-C."""
    settings = load()
    configure_for_command(settings.log)
    application = open_application(
        settings, command, wait_seconds=WAIT_SECONDS, for_reindex=for_reindex, for_repair=for_repair
    )
    try:
        return asyncio.run(work(application))
    except KeyboardInterrupt:
        if stopped is not None:
            sys.stderr.write(f"\n{stopped(application)}\n")
        raise
    finally:
        application.close()


def is_served(application: Application) -> bool:
    """Whether a running `lorekeeper run` does the work, and not this process."""
    return application.claim is None and application.settings.is_embedded


def goes_on(application: Application) -> str:
    """What becomes of received files when nobody waits for them."""
    if is_served(application):
        by = "the running `lorekeeper run`"
    elif application.settings.is_embedded:
        by = "the next `lorekeeper run`, or by the next command that indexes"
    else:
        by = "any `lorekeeper run` with this database, or by the next command that indexes"
    return f"Stopped. What was received is finished by {by}; `lorekeeper documents jobs` shows how far it is."


async def gone(application: Application, document_id: str, error: NotFound) -> NotFound:
    """The error that there is no such document; of one that was removed, with how it comes back, or goes for good."""
    try:
        last = (await application.versions.history(document_id))[0]
    except (InvalidRequest, NotFound):
        return error
    if last.event is not HistoryEvent.REMOVED:
        return error
    short = last.document_id[:SHORT_ID]
    return NotFound(
        f"{plain(last.title)} was removed on {local_time(last.at)}. `lorekeeper documents restore {short}` brings it "
        f"back, and `lorekeeper documents purge {short}` erases it for good."
    )


def caller() -> Origin:
    """Who runs this command."""
    try:
        return Origin("command line", getpass.getuser())
    except (OSError, KeyError):
        return Origin("command line")


def summarise(changes: Sequence[DocumentChange]) -> None:
    """Count what happened, and name what was not told of before. Ends with status 1 if a file failed."""
    counts = Counter(change.kind for change in changes)
    parts = [f"{counts[kind]} {kind.value}" for kind in ChangeKind if counts[kind]]
    passages = sum(change.document.chunks for change in changes if change.document and change.kind in _INDEXED)
    for line in _unsaid(changes):
        sys.stderr.write(f"Note: {line}\n")
    sys.stdout.write(f"Documents: {', '.join(parts) or 'none'}. Passages indexed: {passages}.\n")
    if counts[ChangeKind.FAILED]:
        raise typer.Exit(1)


def write_json(value: object) -> None:
    """On one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def table_of(*columns: str) -> Table:
    """Without lines; numbers stand on the right."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        justify: JustifyMethod = "right" if column in NUMBERS else "left"
        table.add_column(column, overflow="fold", justify=justify, no_wrap=column in SHORT)
    return table


def within(namespace: str | None) -> frozenset[str]:
    """The namespaces to look in; empty means all."""
    return frozenset() if namespace is None else frozenset({namespace})


def who(origin: Origin) -> str:
    """For a person; empty where nobody said."""
    if origin.person and origin.channel:
        return f"{plain(origin.person)} ({plain(origin.channel)})"
    return plain(origin.person or origin.channel)


def local_time(moment: datetime) -> str:
    """To the minute."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def file_of(document: Document) -> str:
    """What its file is called; of one inside others, with the files that it lies in."""
    outer, *inside = document.source.split(INSIDE)
    if outer.startswith("langchain:"):
        name = unquote(outer.rpartition("#")[2])
    else:
        name = file_name(replace(document, source=outer))
    return plain(" in ".join([*reversed(inside), name]))


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
