"""`lorekeeper backup …` and `lorekeeper restore`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from core import restoring
from core.backup import listing
from core.backup.destination import Destination, open_destination
from core.backup.make import Made, Report, make
from core.backup.manifest import Manifest
from core.backup.restore import COMMAND, Restored
from core.backup.restore import restore as put_back
from core.backup.verify import verify as verify_backup
from core.build import open_application, open_embedder, split_identity
from core.console import plain
from core.errors import BackupDamaged, IndexMismatch, InvalidRequest, LorekeeperError
from core.identity import IndexIdentity
from core.log import configure_for_command
from core.settings import Settings, load
from core.store.engine import open_engine, where
from core.store.meta import IndexMeta

CREATE = "create"
HELP = "Back up everything while it runs: lorekeeper backup DEST, a folder or a bucket."
BackupArgument = Annotated[
    str, typer.Argument(metavar="DEST[/NAME]", help="Where backups lie, and which one. Without a name: the latest.")
]
DestinationArgument = Annotated[
    str, typer.Argument(metavar="DEST", help="A folder, or s3://…, gs://…, az://… for a bucket.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]


class _BackupGroup(TyperGroup):
    """`lorekeeper backup DEST` is `lorekeeper backup create DEST`; a folder called `list` is `./list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [CREATE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_BackupGroup, no_args_is_help=True, add_completion=False, help=HELP)


@app.command(CREATE)
def create(
    destination: DestinationArgument,
    keep: Annotated[int, typer.Option(min=0, help="Remove all but so many of the latest backups. 0: keep all.")] = 0,
    no_vectors: Annotated[
        bool, typer.Option("--no-vectors", help="Leave the vectors out: restoring then embeds everything again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a backup of documents, conversations, keys and settings made in chat. The word `create` may be left out."""
    settings = _settings()
    place = open_destination(destination)
    with _progress() as report:
        made = make(settings, place, report, keep=keep, with_vectors=not no_vectors)
    if as_json:
        _write_json({**_described(made.name, made.manifest), **_cost(made)})
        return
    _tell_made(place, made, no_vectors=no_vectors)


@app.command("list")
def list_backups(destination: DestinationArgument, as_json: JsonOption = False) -> None:
    """The backups there, the oldest first."""
    place = open_destination(listing.split_address(destination)[0])
    rows = [(each.name, _manifest_or_none(place, each.name)) for each in listing.complete_backups(place)]
    if as_json:
        _write_json(
            {"backups": [_described(name, manifest) if manifest else {"name": name} for name, manifest in rows]}
        )
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "made", "documents", "passages", "answers", "size", "files"):
        table.add_column(column, no_wrap=True)
    for name, manifest in rows:
        if manifest is None:
            table.add_row(name, Text("cannot be read", style="red"))
            continue
        counts = [str(manifest.rows(each)) for each in ("documents", "chunks", "exchanges")]
        made_at = manifest.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(name, made_at, *counts, _size(manifest.size), _size(manifest.file_bytes))
    Console().print(table)


@app.command()
def verify(backup: BackupArgument, as_json: JsonOption = False) -> None:
    """Read a whole backup, and say whether it can be restored. Exits with 1 when it is damaged."""
    place, name = _find(backup)
    manifest = listing.manifest_of(place, name)
    with _progress() as report:
        verify_backup(place, name, manifest, report, with_copies=True)
    if as_json:
        _write_json({**_described(name, manifest), "is_whole": True})
        return
    sys.stdout.write(f"The backup {name} is whole: {_contents(manifest)}.\n")


def restore(
    backup: BackupArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what is there, and put the backup in its place.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup, into whichever database and index the settings name. Lorekeeper has to be stopped."""
    settings = _settings()
    place, name = _find(backup)
    manifest = listing.manifest_of(place, name)
    if not yes:
        _confirm(settings, name, manifest, replace=replace)
    with _progress() as report:
        restored = put_back(settings, place, name, report, may_replace=replace)
    notes = [*_notes(restored), *_made_whole(settings, restored)]
    if as_json:
        _write_json({**_described(name, manifest), "notes": notes})
        return
    for note in notes:
        sys.stderr.write(f"Note: {plain(note)}\n")
    sys.stdout.write(f"Restored {name}: {_contents(manifest)}. Start Lorekeeper again.\n")


def _settings() -> Settings:
    settings = load()
    configure_for_command(settings.log)
    return settings


def _find(backup: str) -> tuple[Destination, str]:
    address, name = listing.split_address(backup)
    place = open_destination(address)
    return place, listing.find(place, name)


def _manifest_or_none(place: Destination, name: str) -> Manifest | None:
    try:
        return listing.manifest_of(place, name)
    except BackupDamaged:
        return None


def _confirm(settings: Settings, name: str, manifest: Manifest, *, replace: bool) -> None:
    if not sys.stdin.isatty():
        raise InvalidRequest("Restoring asks first. Without a terminal, say --yes.")
    what = "replaces everything that is there" if replace else "fills an empty installation"
    sys.stderr.write(f"The backup {name} of {manifest.created_at:%Y-%m-%d %H:%M} UTC ({_contents(manifest)}) {what}.\n")
    sys.stderr.write(f"Data folder: {settings.data_dir}\n")
    sys.stderr.write(f"Database: {plain(where(settings.database_url))}\n")
    sys.stderr.write(f"Index: {plain(_server(settings.chroma.url)) or 'in the data folder'}\n")
    typer.confirm("Restore it?", abort=True, err=True)


def _server(url: str) -> str:
    """Without a password that may be in its URL."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _notes(restored: Restored) -> Iterator[str]:
    """What is not as it was."""
    if restored.manifest.missing_files:
        yield (
            f"{restored.manifest.missing_files} stored copies were gone when the backup was made: what was made of them "
            "answers, but cannot be indexed anew or brought back."
        )
    if restored.lost_files:
        yield (
            f"{restored.lost_files} stored copies are gone from the backup or damaged in it, and were left out: what was "
            "made of them answers, but cannot be indexed anew or brought back."
        )
    if not restored.is_moved:
        yield "Chat messages that waited for an answer count as answered, because they may have been since."


def _made_whole(settings: Settings, restored: Restored) -> Iterator[str]:
    """Embeds what has no vectors, as far as the settings name the model that the index was made with."""
    try:
        _check_identity(settings)
        if restored.missing_vectors:
            _embed_missing(settings, restored.name)
            yield f"{restored.missing_vectors} passages had no vectors in the backup and were embedded again."
    except IndexMismatch as error:
        yield error.message
    except LorekeeperError as error:
        if restored.missing_vectors:
            yield f"Passages without vectors were not embedded: {error.message} Then run: lorekeeper documents check --repair"
        else:
            yield error.message


def _check_identity(settings: Settings) -> None:
    engine = open_engine(settings.database_url, settings.data_dir)
    embedder = open_embedder(settings)
    try:
        IndexIdentity(IndexMeta(engine), embedder.identity, split_identity(settings)).check(is_empty=False)
    finally:
        embedder.close()
        engine.dispose()


def _embed_missing(settings: Settings, name: str) -> None:
    sys.stderr.write("Embedding passages that have no vectors …\n")
    with restoring.noted(settings.data_dir, name, None):
        application = open_application(settings, COMMAND, for_repair=True)
        try:
            asyncio.run(application.documents.check(repair=True))
        finally:
            application.close()


@contextmanager
def _progress() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield report


def _tell_made(place: Destination, made: Made, *, no_vectors: bool) -> None:
    manifest = made.manifest
    if made.is_unreached:
        sys.stderr.write("Note: another command uses the index, so the vectors are left out: restoring embeds again.\n")
    elif manifest.missing_vectors and not no_vectors:
        sys.stderr.write(f"Note: {manifest.missing_vectors} passages had no vector; restoring embeds them again.\n")
    if manifest.missing_files:
        sys.stderr.write(f"Note: {manifest.missing_files} stored copies are gone or damaged, and are left out.\n")
    for name in made.removed:
        sys.stdout.write(f"Removed {name}.\n")
    new = f"{made.new_files} new files ({_size(made.new_bytes)})"
    sys.stdout.write(f"Backup {made.name} at {plain(place.address)}: {_contents(manifest)}.\n")
    sys.stdout.write(f"Written: {_size(manifest.size)} and {new}, in {made.seconds:.1f} s.\n")


def _contents(manifest: Manifest) -> str:
    return (
        f"{manifest.rows('documents')} documents, {manifest.rows('chunks')} passages, "
        f"{manifest.rows('exchanges')} questions with answers, {manifest.files.count} files"
    )


def _described(name: str, manifest: Manifest) -> dict[str, Any]:
    return {
        "name": name,
        "created_at": manifest.created_at.isoformat(),
        "program": manifest.program,
        "revision": manifest.revision,
        "embedding": manifest.embedding,
        "rows": {table: rows.count for table, rows in manifest.tables.items()},
        "vectors": manifest.vectors.count,
        "missing_vectors": manifest.missing_vectors,
        "files": manifest.files.count,
        "missing_files": manifest.missing_files,
        "bytes": manifest.size,
        "file_bytes": manifest.file_bytes,
    }


def _cost(made: Made) -> dict[str, Any]:
    return {
        "new_files": made.new_files,
        "new_bytes": made.new_bytes,
        "removed": list(made.removed),
        "seconds": round(made.seconds, 3),
    }


def _size(number: int) -> str:
    return f"{number / 2**20:,.1f} MB"


def _write_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
