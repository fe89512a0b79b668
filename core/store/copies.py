"""Stored bytes, which several documents, versions and jobs may share: they go when nothing refers to them any more.

Who is about to refer to them and who is about to delete them do so one after the other, over all processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.store.schema import document_history as history
from core.store.schema import documents, jobs
from core.types import JobState

_uses = (
    (documents.c.sha256, sa.true()),
    (history.c.sha256, history.c.is_kept),
    # A job that failed or was cancelled can be tried again.
    (jobs.c.sha256, jobs.c.state != JobState.DONE.value),
)
_KEEP = sa.text("SELECT pg_advisory_xact_lock_shared(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def keep(connection: Connection, digests: Collection[str]) -> None:
    """Nobody deletes these copies before the transaction ends, in which this comes first.

    SQLite's write lock does it already.
    """
    if connection.dialect.name == "postgresql" and digests:
        # Who holds other locks and waits for these could hold up somebody who has them.
        connection.execute(_KEEP, {"keys": sorted(set(map(_key, digests)))})


def is_free(connection: Connection, sha256: str) -> bool:
    """Whether nothing refers to the copy, nor does before the transaction ends, in which this comes first."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_key(sha256))))
    uses = (sa.exists().where(column == sha256, where) for column, where in _uses)
    return not connection.scalar(sa.select(sa.or_(*uses)))


def used(connection: Connection) -> set[str]:
    """The sha256 of all copies that something refers to."""
    found: set[str] = set()
    for column, where in _uses:
        found |= set(connection.scalars(sa.select(column).where(where)))
    return found


def _key(sha256: str) -> int:
    return int.from_bytes(hashlib.blake2b(sha256.encode(), digest_size=8).digest(), signed=True)
