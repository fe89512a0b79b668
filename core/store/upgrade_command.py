"""`lorekeeper upgrade`: the tables are brought to this version, after a trial that changes nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from core.log import configure_for_command
from core.settings import load

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


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
    from core.store.engine import open_engine, upgrade

    settings = load()
    configure_for_command(settings.log)
    prepare(settings.data_dir)
    engine = open_engine(settings.database_url, settings.data_dir)
    try:
        found = tried(engine)
        if not check:
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
