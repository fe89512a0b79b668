"""What databases say when they refuse, in words for a person. The one place where their errors become `StorageFailed`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc
from sqlalchemy.engine import URL

from core.errors import StorageFailed

# By the first letters of SQLite's error name (sqlite.org/rescode.html).
SQLITE = {
    "SQLITE_FULL": "The disk that holds {where} is full. Free some space and try again; what was stored is safe.",
    "SQLITE_BUSY": "The database {where} is locked by another program. Close that program, or try again in a moment.",
    "SQLITE_LOCKED": "The database {where} is locked by another program. Close that program, or try again in a moment.",
    "SQLITE_READONLY": "The database {where} is read-only. Let this user write to the file and its folder.",
    "SQLITE_CANTOPEN": "The database {where} cannot be opened. Check that its folder exists and this user may write there.",
    "SQLITE_IOERR": "Reading or writing {where} failed. Check the disk for free space and for defects.",
    "SQLITE_CORRUPT": "The database {where} is damaged. Restore it from a backup, or move it away and add the documents anew.",
    "SQLITE_NOTADB": "{where} is not a database of Lorekeeper. Move it away, or choose another data folder.",
    "SQLITE_PERM": "The database {where} cannot be opened. Check that its folder exists and this user may write there.",
    "SQLITE_TOOBIG": "The document holds a text that is too long for the database {where}.",
}
# By SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html), the longest prefix first.
POSTGRES = {
    "28": "The database at {where} refuses the user name or the password. Correct database.url.",
    "3D": "There is no such database at {where}. Create it, or correct database.url.",
    "42501": "The database user at {where} lacks a permission. Grant it the right to create and change tables.",
    "25006": "The database at {where} is read-only. Point database.url at the primary server.",
    "53100": "The disk of the database at {where} is full. Free some space and try again; what was stored is safe.",
    "53300": "The database at {where} has no connection left. Raise max_connections, or run fewer processes.",
    "53": "The database at {where} has run out of memory or disk. Give it more and try again.",
    "55P03": "The database at {where} is locked by another program. Try again in a moment.",
    "40": "The database at {where} was changed by another program at the same time. Try again.",
    "57014": "The database at {where} took too long. Try again; if it stays slow, look at its load.",
    "58": "The disk of the database at {where} failed. Look at the log of the database.",
    "XX001": "The database at {where} is damaged. Restore it from a backup.",
    "XX002": "The database at {where} is damaged. Restore it from a backup.",
}
POSTGRES_UNREACHABLE = "Cannot connect to the database at {where}. Check that it runs and that database.url is right."
POOL_EMPTY = "The database {where} is busy: no connection became free in time. Try again in a moment."
UNKNOWN = "The database {where} failed. The log has the cause."
# SQLSTATE classes and codes that mean the connection is gone or never came about.
UNREACHABLE = ("08", "57P")


@contextmanager
def storage_errors(url: URL) -> Iterator[None]:
    """Within it, what the database or its disk refuses is raised as `StorageFailed`; mistakes of ours pass through."""
    try:
        yield
    except exc.TimeoutError as error:
        raise StorageFailed(POOL_EMPTY.format(where=place(url))) from error
    except exc.DBAPIError as error:
        message = explain(error.orig, url)
        if message is None:
            raise
        raise StorageFailed(message) from error
    except sqlite3.Error as error:  # from the settings made on a new connection
        raise StorageFailed(explain(error, url) or UNKNOWN.format(where=place(url))) from error


def explain(error: BaseException | None, url: URL) -> str | None:
    """A sentence for a person; None where the error is a mistake in this program."""
    template = _explain_sqlite(error) if isinstance(error, sqlite3.Error) else _explain_postgres(error)
    return None if template is None else template.format(where=place(url))


def place(url: URL) -> str:
    """The database's file, or its host, port and name; never the password."""
    if url.get_backend_name() == "sqlite":
        return url.database or "in memory"
    port = f":{url.port}" if url.port else ""
    return f"{url.host or url.query.get('host', 'localhost')}{port}/{url.database or ''}"


def _explain_sqlite(error: sqlite3.Error) -> str | None:
    name = getattr(error, "sqlite_errorname", "") or ""
    known = next((text for prefix, text in SQLITE.items() if name.startswith(prefix)), None)
    if known is None and isinstance(error, sqlite3.OperationalError) and name != "SQLITE_ERROR":
        return UNKNOWN
    return known


def _explain_postgres(error: BaseException | None) -> str | None:
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(UNREACHABLE):
        return POSTGRES_UNREACHABLE
    known = next((POSTGRES[state[:length]] for length in (5, 2) if state[:length] in POSTGRES), None)
    if known is not None:
        return known
    return _explain_unnumbered(str(error)) if not state and _is_operational(error) else None


def _explain_unnumbered(text: str) -> str:
    """A connection that was refused carries no SQLSTATE, only the server's words."""
    if "authentication failed" in text or "no pg_hba.conf entry" in text or "no password supplied" in text:
        return POSTGRES["28"]
    if "does not exist" in text and "database" in text:
        return POSTGRES["3D"]
    if "too many clients" in text or "remaining connection slots" in text:
        return POSTGRES["53300"]
    return POSTGRES_UNREACHABLE


def _is_operational(error: BaseException | None) -> bool:
    return any(kind.__name__ in {"OperationalError", "InterfaceError"} for kind in type(error).__mro__)
