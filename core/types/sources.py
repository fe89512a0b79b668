"""Places that are kept in sync: folders, buckets, files on the web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewSource:
    """What an operator asks for. `interval_seconds` 0 means: only when asked to."""

    address: str
    namespace: str
    interval_seconds: int = 0
    readers: frozenset[str] = frozenset()
    """Who may read its documents; empty means everybody who may ask in the namespace."""
    arguments: Mapping[str, object] = field(default_factory=dict)
    """Of a LangChain loader, by name. A text `env:NAME` stands for what that environment variable holds."""
    added_by: str = ""


@dataclass(frozen=True, slots=True)
class SyncedSource:
    """A source as its operator sees it."""

    id: str
    namespace: str
    address: str
    kind: str
    """`folder`, `bucket`, `web` or `langchain`."""
    added_at: datetime
    added_by: str = ""
    interval_seconds: int = 0
    readers: frozenset[str] = frozenset()
    arguments: Mapping[str, object] = field(default_factory=dict)
    last_started_at: datetime | None = None
    last_finished_at: datetime | None = None
    last_error: str | None = None
    """Why the last synchronisation did not reach its end; None when it did."""
    failures: int = 0
    """How many synchronisations failed one after the other."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What the last one did: kind of change → how many files, with `unchanged` for those that were not read."""
    entries: int = 0
    """How many files it has."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be read, by their source, with the reason."""
