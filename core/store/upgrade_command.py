"""`lorekeeper upgrade`: the tables are brought to this version, after a trial that changes nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import DataFolderInUse
from core.log import configure_for_command
from core.settings import Settings, load

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

COMMAND = "lorekeeper upgrade"
# Who has just been stopped may need a moment to be gone.
WAIT_SECONDS = 10.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Upgrade:
    """From which revision of the tables to which; None: there are no tables yet."""

    before: str | None
    after: str
    is_done: bool


def upgrade_command(
    check: Annotated[
        bool,
        typer.Option("--check", help="Only try it: all steps are done and taken back. Exits with 3 if there are any."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Bring the database to this version of Lorekeeper. Make a backup first: there is no way back but a backup."""
    from core.datafolder import prepare
    from core.restoring import refuse_unfinished
    from core.store.engine import open_engine, upgrade

    settings = load()
    configure_for_command(settings.log)
    prepare(settings.data_dir)
    refuse_unfinished(settings.data_dir)
    engine = open_engine(settings.database_url, settings.data_dir)
    try:
        if check:
            found = tried(engine)
        else:
            with _alone(settings, engine):
                found = tried(engine)
                upgrade(engine)
            found = Upgrade(found.before, found.after, is_done=True)
    finally:
        engine.dispose()
    sys.stdout.write(f"{json.dumps(asdict(found)) if as_json else _told(found)}\n")
    if check and found.before != found.after:
        raise typer.Exit(3)


def tried(engine: Engine) -> Upgrade:
    """What an upgrade would do. Every step is carried out and then taken back, so that it is known to succeed.

    Raises `StorageFailed` when it would not, or when the tables are of a newer version.
    """
    from core.store.engine import reading, transaction
    from core.store.migrations import HEAD, stored_revision
    from core.store.migrations.run import migrate

    with reading(engine) as connection:
        before = stored_revision(connection)
    if before != HEAD:
        with transaction(engine, without_limit=True) as connection:
            migrate(connection)
            connection.rollback()
    return Upgrade(before, HEAD, is_done=False)


@contextmanager
def _alone(settings: Settings, engine: Engine) -> Iterator[None]:
    """Processes of an older version must not go on with tables that they do not know.

    Raises `DataFolderInUse` while there is somebody, unless nothing is going to change.
    """
    from core.datafolder import Owner, claim
    from core.store.engine import reading
    from core.store.migrations import HEAD, stored_revision

    with reading(engine) as connection:
        before = stored_revision(connection)
    if before in {None, HEAD}:
        yield
        return
    held = claim(settings.data_dir, COMMAND) if settings.is_embedded else None
    if isinstance(held, Owner):
        raise DataFolderInUse(f"The data folder is in use by `{held.command}` (process {held.pid}). {_STOP}")
    try:
        _wait_for_others(engine)
        yield
    finally:
        if held is not None:
            held.release()


def _wait_for_others(engine: Engine) -> None:
    from core.store.engine import count_others, reading

    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with reading(engine) as connection:
            others = count_others(connection)
        if not others:
            return
        if time.monotonic() >= deadline:
            raise DataFolderInUse(f"The database is in use by Lorekeeper ({others} connections). {_STOP}")
        time.sleep(POLL_SECONDS)


_STOP = "Stop all of its processes, upgrade, and start them again."


def _told(found: Upgrade) -> str:
    if found.before == found.after:
        return f"The database is up to date: revision {found.after}."
    if found.before is None:
        return f"The tables {'are made' if found.is_done else 'can be made'}: revision {found.after}."
    if found.is_done:
        return f"The database was upgraded from revision {found.before} to {found.after}."
    return (
        f"The database can be upgraded from revision {found.before} to {found.after}; nothing was changed.\n"
        "Make a backup (`lorekeeper backup`), then run `lorekeeper upgrade`."
    )
