"""The tables' history. Each change of `core.store.schema` is one file in `versions/`, and `HEAD` the last one's name."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

HEAD = "0006"
VERSION_TABLE = "alembic_version"
# Any number that no other program uses on the same database.
ADVISORY_LOCK = 0x10_4E_4B_45


def stored_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None when it has no tables of ours."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    stored: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return stored


def lock(connection: Connection) -> None:
    """Wait until no other process changes the tables; held to the transaction's end. SQLite's write lock does it already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
