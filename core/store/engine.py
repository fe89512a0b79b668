"""A database by its URL: SQLite in a file, or Postgres. Transactions in which its refusals are errors for a person."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import InvalidSettings, MissingExtra, StorageFailed
from core.store.failures import place, storage_errors

CONNECT_SECONDS = 10
LOCK_SECONDS = 10
STATEMENT_SECONDS = 60
POOL_SECONDS = 30
# Above SQLAlchemy's 5 and 10, because the threads of a busy event loop wait rarely and briefly.
POOL_SIZE, POOL_OVERFLOW = 5, 25
# A connection that was given back within this time is not asked whether it is still there.
RESTED_SECONDS = 1.0
USED = "used_at"
BEGIN = "sqlite_begin"
POSTGRES_SCHEMES = {"postgres", "postgresql"}


def open_engine(url: str, data_dir: Path | None = None) -> Engine:
    """An engine; nothing is connected yet, except that SQLite's file is made if it is missing.

    A relative SQLite path is taken from `data_dir`. Raises `InvalidSettings` for a URL that is none of ours,
    `MissingExtra` without Postgres' driver, `StorageFailed` when the file cannot be made.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, data_dir)
    return _open_postgres(parsed)


def upgrade(engine: Engine) -> None:
    """Bring the tables to this program's version. Several processes may do so at once. Raises `StorageFailed`.

    Alembic is imported only when there is something to do: it costs a third of a second.
    """
    from core.store.lexical import refresh
    from core.store.migrations import HEAD, stored_revision

    with reading(engine) as connection:
        is_current = stored_revision(connection) == HEAD
    if not is_current:
        from core.store.migrations.run import migrate

        with transaction(engine, without_limit=True) as connection:
            migrate(connection)
    refresh(engine)


@contextmanager
def transaction(engine: Engine, *, without_limit: bool = False) -> Iterator[Connection]:
    """A transaction that may write: all of it happens, or none. Raises `StorageFailed`.

    On SQLite it takes the right to write at once, because a reader that turns writer halfway can fail without waiting.
    `without_limit` lifts Postgres' time limit for statements.
    """
    with _turn(engine), storage_errors(engine.url), engine.connect() as plain:
        connection = plain.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        with connection.begin():
            if without_limit and connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            yield connection


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """One writer of this process after the other: who waits for SQLite itself sleeps in steps that grow to 0.1 s."""
    if engine.dialect.name != "sqlite":
        yield
        return
    lock = _turns.setdefault(engine, threading.Lock())
    # Whoever waited in vain hears of it from SQLite.
    is_mine = lock.acquire(timeout=LOCK_SECONDS)
    try:
        yield
    finally:
        if is_mine:
            lock.release()


_turns: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A look that changes nothing. Raises `StorageFailed`.

    On SQLite it is a transaction, which sees one state of the database. On Postgres each statement sees its own state
    within a transaction, too (READ COMMITTED, its default), so there is none: its begin and end are two round trips of three.
    """
    with storage_errors(engine.url), engine.connect() as plain:
        is_postgres = plain.dialect.name == "postgresql"
        connection = plain.execution_options(isolation_level="AUTOCOMMIT") if is_postgres else plain
        with connection.begin():
            yield connection


def count_others(connection: Connection) -> int:
    """Connections of other processes of ours with a Postgres database; 0 for another one."""
    if connection.dialect.name != "postgresql":
        return 0
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
    )
    return int(connection.execute(sa.text(others)).scalar_one())


def where(url: str) -> str:
    """The database that a URL names, for a person, without its password. Raises `InvalidSettings`."""
    return place(_parse(url))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The text itself may hold a password, so it is not repeated.
        raise InvalidSettings(f"database.url cannot be read as a URL. {_FORMS}") from None
    if parsed.drivername in POSTGRES_SCHEMES:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise InvalidSettings(f"database.url names {parsed.drivername}, which is not supported. {_FORMS}")
    return parsed


_FORMS = "Use sqlite:///path/to/file.db or postgresql+psycopg://user:password@host/name."


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────


def _open_sqlite(url: URL, data_dir: Path | None) -> Engine:
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise InvalidSettings(f"database.url names no file. {_FORMS}")
    if not path.is_absolute() and data_dir is not None:
        path = data_dir / path
    _make_private(path)
    engine = sa.create_engine(
        url.set(database=str(path)),
        connect_args={"timeout": LOCK_SECONDS},
        hide_parameters=True,  # people's words must not get into the log with an error
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_SECONDS,
    )
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(path: Path) -> None:
    """Create the file for this user only; SQLite gives the files beside it the same rights.

    One that exists is left to SQLite: to open and close it here would take away the locks of all connections that this
    process has to it, and the next other process to leave would delete the log that they write to (how to corrupt, 2.2).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
            raise _not_opened(path, "Is a directory" if path.is_dir() else "Permission denied") from error
    except OSError as error:
        raise _not_opened(path, error.strerror or str(error)) from error


def _not_opened(path: Path, cause: str) -> StorageFailed:
    return StorageFailed(
        f"The database {path} cannot be opened: {cause}. Let this user write to the file and its folder."
    )


def _set_up_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # Transactions begin where this program says so, not where the driver guesses.
    connection.isolation_level = None
    # SQLite's own knows A to Z only.
    connection.create_function("lower", 1, _lower, deterministic=True)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -16000")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _switch_to_wal(connection)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Only the first connection ever does it. SQLite refuses at once, without waiting, while another one does the same."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


# ── Postgres ─────────────────────────────────────────────────────────────────────────────────────


def _open_postgres(url: URL) -> Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "lorekeeper",
        # A server that vanished without a word is noticed within a minute.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s",
    }
    try:
        engine = sa.create_engine(
            url,
            # What the URL says itself stands, e.g. an empty `options` for a pooler that refuses them.
            connect_args={name: value for name, value in arguments.items() if name not in url.query},
            hide_parameters=True,
            # Those used last know their statements, and need no look whether they are alive.
            pool_use_lifo=True,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_SECONDS,
        )
    except ModuleNotFoundError as error:
        raise MissingExtra("psycopg", "postgres") from error
    sa.event.listen(engine, "checkin", _note_use)
    sa.event.listen(engine, "checkout", partial(_ping_rested, engine))
    return engine


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info[USED] = time.monotonic()


def _ping_rested(engine: Engine, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """What `pool_pre_ping` does before each transaction, which is a round trip more, only where it may have been lost."""
    if time.monotonic() - record.info.get(USED, math.inf) < RESTED_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except Exception as error:
        if not engine.dialect.is_disconnect(cast("Any", error), connection, None):
            raise
        # Then the pool makes a new one in its place, and in that of each other one that is as old.
        raise sa.exc.InvalidatePoolError from error
