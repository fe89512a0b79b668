"""`lorekeeper sources …`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from core.build import open_application
from core.console import plain
from core.errors import InvalidRequest, LorekeeperError
from core.log import configure_for_command
from core.namespace import check_namespace
from core.ports import Progress as Report
from core.ports import Sources
from core.settings import load
from core.types import DEFAULT_NAMESPACE, ChangeKind, DocumentChange, NewSource, SyncedSource
from core.wire import source_to_json
from ingest.command_line import caller
from ingest.sources.kinds import parse_address

WAIT_SECONDS = 30.0
STOPPED = "Stopped. What was finished stays; `lorekeeper sources sync` goes on with the rest."
SHORTEST_SECONDS = 60
_UNITS = {"m": 60, "h": 3600, "d": 86400}
_INTERVAL = re.compile(r"(\d{1,5})\s*([mhd])")
T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Keep folders, buckets and web files in sync.")
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]


@app.command()
def add(
    address: Annotated[
        str, typer.Argument(help="A folder, s3://…, gs://…, az://…, https://… or langchain:package.module.Loader")
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The namespace its documents belong to.")
    ] = DEFAULT_NAMESPACE,
    every: Annotated[
        str,
        typer.Option(help="Synchronise it so often while `lorekeeper run` runs: 15m, 1h, 1d. Empty: when asked to."),
    ] = "",
    reader: Annotated[
        list[str] | None,
        typer.Option(help="Who may read its documents (repeatable). None: everybody who may ask there."),
    ] = None,
    argument: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for a LangChain loader (repeatable); env:NAME for secrets.")
    ] = None,
) -> None:
    """Add a source and synchronise it; adding it again changes how often, and who may read it."""
    check_namespace(namespace)
    arguments = dict(map(_argument, argument or ()))
    # As it is seen from here, wherever the process that will read it runs.
    wanted = NewSource(
        parse_address(address, arguments).text if _is_path(address) else address,
        namespace,
        seconds_of(every),
        frozenset(reader or ()),
        arguments,
        caller().person,
    )

    async def register_and_sync(port: Sources, report: Report) -> tuple[SyncedSource, list[DocumentChange]]:
        known = {each.id for each in await port.all()}
        source = await port.register(wanted)
        try:
            changes = await port.sync(source.id, report)
        except LorekeeperError:
            # One that never listed anything was rather mistyped.
            if source.id not in known and not (await port.get(source.id)).entries:
                await port.remove(source.id)
            raise
        return await port.get(source.id), changes

    source, changes = _with_progress("lorekeeper sources add", register_and_sync)
    sys.stdout.write(f"Source {source.id}: {plain(source.address)}\n")
    _summarise(source, changes)


@app.command()
def sync(
    source_id: Annotated[str | None, typer.Argument(help="The id, or its beginning. None: all of them.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Read files that have not changed, too.")] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Remove all documents of a source in which there is no file any more.")
    ] = False,
) -> None:
    """Bring what is new and changed into the index now, and remove what is gone."""

    async def ids(port: Sources) -> list[str]:
        return [(await port.get(source_id)).id] if source_id is not None else [each.id for each in await port.all()]

    failures = 0
    for each in _call("lorekeeper sources sync", ids):
        failures += _sync_one(each, again=again, allow_empty=allow_empty, alone=source_id is not None)
    if failures:
        raise typer.Exit(1)


@app.command("list")
def list_sources(as_json: JsonOption = False) -> None:
    """All sources with their state."""
    sources = _call("lorekeeper sources list", lambda port: port.all())
    if as_json:
        _write_json({"sources": [source_to_json(source) for source in sources]})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "address", "namespace", "every", "files", "in sync since", "state"):
        table.add_column(column, overflow="fold")
    for source in sources:
        table.add_row(
            source.id,
            Text(plain(source.address)),
            source.namespace,
            interval_of(source.interval_seconds),
            str(source.entries),
            _time(source.last_finished_at),
            "failed" if source.last_error else "ok" if source.last_finished_at else "new",
        )
    Console().print(table)


@app.command()
def show(
    source_id: Annotated[str, typer.Argument(help="The id, or its beginning.")], as_json: JsonOption = False
) -> None:
    """One source: its state, why it failed, and the files that cannot be read."""
    source = _call("lorekeeper sources show", lambda port: port.get(source_id))
    if as_json:
        _write_json(source_to_json(source))
        return
    out = Console(highlight=False, soft_wrap=True)
    for name, value in source_to_json(source).items():
        if value not in (None, "", [], {}, 0) and name != "unread":
            out.print(Text.assemble((f"{name}: ", "bold"), plain(str(value))))
    for name, reason in source.unread.items():
        out.print(Text(f"Not indexed: {plain(name)}: {plain(reason)}", style="red"))


@app.command()
def remove(
    source_id: Annotated[str, typer.Argument(help="The id, or its beginning.")],
    keep_documents: Annotated[
        bool, typer.Option("--keep-documents", help="Leave its documents in the index; nobody updates them any more.")
    ] = False,
) -> None:
    """Forget a source, and remove its documents; the files themselves are not touched."""
    source = _call("lorekeeper sources remove", lambda port: port.remove(source_id, keep_documents=keep_documents))
    told = "its documents stay" if keep_documents else "its documents are removed"
    sys.stdout.write(f"Removed {plain(source.address)}; {told}.\n")


def seconds_of(interval: str) -> int:
    """`15m`, `1h`, `1d`; 0 for an empty text. Raises `InvalidRequest`."""
    if not interval.strip():
        return 0
    match = _INTERVAL.fullmatch(interval.strip().lower())
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if seconds < SHORTEST_SECONDS:
        raise InvalidRequest("--every takes minutes, hours or days, such as 15m, 1h or 1d, and at least 1m.")
    return seconds


def interval_of(seconds: int) -> str:
    """The other way round; empty for 0."""
    unit = next((unit for unit in "dhm" if seconds and seconds % _UNITS[unit] == 0), "")
    return f"{seconds // _UNITS[unit]}{unit}" if unit else ""


def _is_path(address: str) -> bool:
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", address)


def _argument(given: str) -> tuple[str, object]:
    name, separator, value = given.partition("=")
    if not separator or not name.isidentifier():
        raise InvalidRequest("--argument takes NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _sync_one(source_id: str, *, again: bool, allow_empty: bool, alone: bool) -> int:
    """1 for a failure. When it is alone, an error is the command's."""

    async def work(port: Sources, report: Report) -> tuple[SyncedSource, list[DocumentChange]]:
        changes = await port.sync(source_id, report, again=again, allow_empty=allow_empty)
        return await port.get(source_id), changes

    try:
        source, changes = _with_progress("lorekeeper sources sync", work)
    except LorekeeperError as error:
        if alone:
            raise
        sys.stderr.write(f"Not synchronised: {source_id}: {plain(error.message)}\n")
        return 1
    if not alone:
        sys.stdout.write(f"{source.id} {plain(source.address)}\n")
    try:
        _summarise(source, changes)
    except typer.Exit:
        return 1
    return 0


def _call(command: str, work: Callable[[Sources], Coroutine[Any, Any, T]]) -> T:
    settings = load()
    configure_for_command(settings.log)
    application = open_application(settings, command, wait_seconds=WAIT_SECONDS)
    try:
        return asyncio.run(work(application.sources))
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{STOPPED}\n")
        raise
    finally:
        application.close()


def _with_progress(command: str, work: Callable[[Sources, Report], Coroutine[Any, Any, T]]) -> T:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Listing", total=None)

        def report(change: DocumentChange, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description="Synchronising")
            if change.kind is ChangeKind.FAILED:
                told = f"Not indexed: {plain(change.name)}: {plain(change.message or '')}"
                console.print(Text(told, style="red"), soft_wrap=True)

        return _call(command, lambda port: work(port, report))


def _summarise(source: SyncedSource, changes: list[DocumentChange]) -> None:
    counts: Mapping[str, int] = source.counts
    parts = [f"{counts[kind.value]} {kind.value}" for kind in ChangeKind if counts.get(kind.value)]
    sys.stdout.write(f"Files: {', '.join(parts) or 'none'}.\n")
    if any(change.kind is ChangeKind.FAILED for change in changes):
        raise typer.Exit(1)


def _time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""


def _write_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
