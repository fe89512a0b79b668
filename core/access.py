"""Who may do what at the HTTP door. Values that travel; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Permission(StrEnum):
    """What a caller of the gateway may do."""

    ASK = "ask"
    """Ask, search, follow up, give feedback."""
    READ = "read"
    """List documents and read their passages."""
    WRITE = "write"
    """Upload and remove documents."""
    METRICS = "metrics"
    """Read the metrics."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as an operator sees it. The secret itself is shown once and kept nowhere."""

    id: str
    name: str
    permissions: frozenset[Permission]
    created_at: datetime
    namespaces: frozenset[str] = frozenset()
    """Empty means all."""
    origins: frozenset[str] = frozenset()
    """The web pages (`https://example.org`) that may use it. Empty: none but the gateway's own, and programs."""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and what they may do."""

    permissions: frozenset[Permission] = frozenset(Permission)
    namespaces: frozenset[str] = frozenset()
    """Empty means all."""
    key: str = ""
    """The key's id; empty for this machine's own users while there are no keys, and for the owner's command line."""
    is_owner: bool = False
    is_public: bool = False
    """The key stands in a web page, for everybody who opens it."""

    def may_use(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces
