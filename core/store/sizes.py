"""How many chunks a namespace has, for statistics, and what was counted lately."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Mapping
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.remembered import Remembered
from core.store.schema import documents

# Below this many it is counted each time; above, what came in within the last seconds changes nothing.
LARGE = 5_000
SECONDS = 10.0
REMEMBERED = 8192
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class RecentCounts(Generic[K, T]):
    """Large counts, which may be some seconds old, because to count them takes as long as a search."""

    def __init__(self) -> None:
        self._large = Remembered[K, tuple[float, T]](REMEMBERED)

    def known(self, keys: Collection[K]) -> dict[K, T]:
        """Those of the keys that were counted lately."""
        latest = time.monotonic() - SECONDS
        return {key: value for key, (counted_at, value) in self._large.of(keys).items() if counted_at > latest}

    def note(self, counts: Mapping[K, T]) -> None:
        now = time.monotonic()
        self._large.put({key: (now, value) for key, value in counts.items()})


class Sizes:
    """How many chunks there are in one namespace, or in all."""

    def __init__(self) -> None:
        self._counted = RecentCounts[str | None, int]()

    def of(self, connection: Connection, namespace: str | None) -> int:
        known = self._counted.known([namespace])
        if namespace in known:
            return known[namespace]
        size = count_chunks(connection, namespace)
        if is_large(size):
            self._counted.note({namespace: size})
        return size


def is_large(chunks: int) -> bool:
    """Whether what was counted of so many may be remembered for some seconds."""
    return chunks > LARGE


def count_chunks(connection: Connection, namespace: str | None) -> int:
    """How many passages answer, in one namespace or in all."""
    if namespace is None:
        return int(connection.execute(_ALL).scalar_one())
    return int(connection.execute(_IN_ONE, {"namespace": namespace}).scalar_one())


def chunks_in(namespace: sa.ColumnElement[str]) -> sa.Select[Any]:
    """The statement that counts them in one namespace."""
    return _ALL.where(documents.c.namespace == namespace)


_ALL = sa.select(sa.func.coalesce(sa.func.sum(documents.c.chunks), 0))
_IN_ONE = chunks_in(sa.bindparam("namespace"))
