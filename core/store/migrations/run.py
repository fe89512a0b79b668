"""Alembic, without a command line and an ini file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from core.errors import StorageFailed
from core.store.migrations import HEAD, lock, stored_revision


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's settings; its scripts work on `connection`, inside the transaction that is open there."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(connection: Connection) -> None:
    """Bring the tables to `HEAD` in the open transaction. A second process waits here, and then finds it done."""
    lock(connection)
    stored = stored_revision(connection)
    if stored == HEAD:
        return
    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if stored is not None and stored not in known:
        raise StorageFailed(
            "The database was made by a newer version of Lorekeeper. Update Lorekeeper, or use another database."
        )
    command.upgrade(config, "head")
