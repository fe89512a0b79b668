"""How many chunks a namespace has, for statistics."""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.store.schema import documents

# Below this many it is counted each time; above, what came in within the last seconds changes nothing.
LARGE = 5_000
SECONDS = 10.0


class Sizes:
    """Counts of chunks. Large ones may be some seconds old, because to count them takes as long as a search."""

    def __init__(self) -> None:
        self._large: dict[str | None, tuple[float, int]] = {}

    def of(self, connection: Connection, namespace: str | None) -> int:
        """How many chunks there are in one namespace, or in all."""
        counted_at, size = self._large.get(namespace, (0.0, 0))
        now = time.monotonic()
        if size and now - counted_at < SECONDS:
            return size
        size = count_chunks(connection, namespace)
        if size > LARGE:
            self._large[namespace] = (now, size)
        else:
            self._large.pop(namespace, None)
        return size


def count_chunks(connection: Connection, namespace: str | None) -> int:
    """How many passages answer, in one namespace or in all."""
    if namespace is None:
        return int(connection.execute(_ALL).scalar_one())
    return int(connection.execute(_IN_ONE, {"namespace": namespace}).scalar_one())


_ALL = sa.select(sa.func.coalesce(sa.func.sum(documents.c.chunks), 0))
_IN_ONE = _ALL.where(documents.c.namespace == sa.bindparam("namespace"))
