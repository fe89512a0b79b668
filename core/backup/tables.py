"""The record as rows: read in one moment, and written into tables as they were when the backup was made.

The word index is no part of a backup: it is another one in each database, and made anew from the passages. Neither is
the list of vectors that are to be deleted, because only those of the saved passages come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

from core.backup import values
from core.errors import BackupDamaged, InvalidRequest
from core.store.engine import reading, transaction
from core.store.failures import storage_errors
from core.store.lexical import open_lexical, rebuild
from core.store.meta import DATABASE
from core.store.migrations import VERSION_TABLE, lock, stored_revision
from core.store.migrations.run import configuration, migrate
from core.store.schema import meta, metadata, vector_outbox

ROWS_AT_ONCE = 500
WORDS = ("chunk_words_vocabulary", "chunk_words", "word_totals")
NOTHING = "There is nothing to back up yet: nothing was ever stored there."
# The word index has further tables of its own in SQLite, which begin as it does.
_DERIVED = (*WORDS, vector_outbox.name, VERSION_TABLE)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Everything that is read here is of one moment, however long it takes. Raises `StorageFailed`."""
    if engine.dialect.name != "postgresql":
        with reading(engine) as connection:
            yield connection
        return
    with storage_errors(engine.url), engine.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection


def check_revision(revision: str | None) -> str:
    """Raises `InvalidRequest` when there are no tables, or those of a newer version."""
    if revision is None:
        raise InvalidRequest(NOTHING)
    if not is_known(revision):
        raise InvalidRequest("The database was made by a newer version of Lorekeeper. Back it up with that one.")
    return revision


def is_known(revision: str) -> bool:
    """Whether this version can bring tables of that revision up to date."""
    return revision in {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}


def saved_tables(connection: Connection, revision: str) -> dict[str, sa.Table]:
    """Those that a backup holds, by name, as they are there; each after those that it refers to."""
    there = set(sa.inspect(connection).get_table_names())
    found = sa.MetaData()
    found.reflect(connection, only=sorted(tables_at(revision).keys() & there))
    return {table.name: table for table in found.sorted_tables}


def rows_of_table(connection: Connection, table: sa.Table) -> Iterator[list[Any]]:
    """In the order of the primary key, some at a time."""
    query = sa.select(table).order_by(*table.primary_key)
    for row in connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
        yield [values.to_json(value) for value in row]


@cache
def tables_at(revision: str) -> Mapping[str, sa.Table]:
    """The tables that a backup holds at a known revision, by name: made in memory, and looked at."""
    engine = sa.create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            command.upgrade(configuration(connection), revision)
            found = sa.MetaData()
            found.reflect(connection, only=lambda name, _: not name.startswith(_DERIVED))
            return {table.name: table for table in found.sorted_tables}
    finally:
        engine.dispose()


def check_place(engine: Engine, *, may_replace: bool) -> None:
    """Raises `InvalidRequest` when a backup may not be restored there, because of what would be lost."""
    with reading(engine) as connection:
        revision = stored_revision(connection)
        ours = set(metadata.tables) & set(sa.inspect(connection).get_table_names())
        if revision is None and not ours:
            return
        if revision is None or not is_known(revision):
            raise InvalidRequest(
                "The database holds tables of another program, or of a newer version. Use another one."
            )
        every = [table for name, table in saved_tables(connection, revision).items() if name != meta.name]
        is_empty = not any(connection.scalar(sa.select(sa.exists(sa.select(table)))) for table in every)
    if not is_empty and not may_replace:
        raise InvalidRequest(
            "There are documents, conversations or keys already. With --replace, they are lost, and the backup takes their place."
        )


def database_id(engine: Engine) -> str | None:
    """See `core.store.meta`; None for one that has no tables or stored nothing."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table(meta.name):
            return None
        return connection.scalar(sa.select(meta.c.value).where(meta.c.key == DATABASE))


@contextmanager
def replacing(engine: Engine) -> Iterator[Connection]:
    """In it everything is replaced, or nothing. Raises `StorageFailed`, also while another process uses the tables."""
    with transaction(engine, without_limit=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        lock(connection)
        yield connection


def create_tables(connection: Connection, revision: str) -> dict[str, sa.Table]:
    """Empty tables of that revision in the place of all that are there; those that a backup fills, by name."""
    _drop_tables(connection)
    command.upgrade(configuration(connection), revision)
    return saved_tables(connection, revision)


def fill(connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write these rows. Raises `BackupDamaged` for one that contradicts another."""
    try:
        connection.execute(sa.insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        raise BackupDamaged(f"The backup is damaged: the rows of {table.name} cannot be what they were.") from error


def bring_up_to_date(connection: Connection, filled: Iterable[sa.Table]) -> None:
    """From tables that were filled to those of this version, with a word index."""
    _count_on(connection, filled)
    migrate(connection)
    rebuild(connection, open_lexical(connection.engine))


def _drop_tables(connection: Connection) -> None:
    there = set(sa.inspect(connection).get_table_names())
    # The last of them refer to those before.
    ours = [*WORDS, *(table.name for table in reversed(metadata.sorted_tables)), VERSION_TABLE]
    names = [name for name in ours if name in there]
    if connection.dialect.name == "postgresql":
        if names:
            connection.exec_driver_sql(f"DROP TABLE {', '.join(names)}")
        return
    for name in names:
        connection.exec_driver_sql(f"DROP TABLE {name}")


def _count_on(connection: Connection, filled: Iterable[sa.Table]) -> None:
    """Postgres numbers new rows after those that were written with numbers of their own."""
    if connection.dialect.name != "postgresql":
        return
    for table in filled:
        keys = list(table.primary_key)
        if len(keys) == 1 and isinstance(keys[0].type, sa.Integer):
            sequence = sa.func.pg_get_serial_sequence(table.name, keys[0].name)
            last = connection.scalar(sa.select(sa.func.max(keys[0])))
            if last is not None and connection.scalar(sa.select(sequence)) is not None:
                connection.execute(sa.select(sa.func.setval(sequence, last)))
