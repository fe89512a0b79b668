"""What Slack refuses, and the record that a test looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the application sent and that Slack would refuse, or ignore without a word."""

    method: str
    error: str
    detail: str = ""
    refused: bool = True
    """False: the call went through, as it would at Slack, although something in it is wrong."""


class Refused(Exception):
    """Becomes `{"ok": false, "error": ...}`. Not a `violation` where a careful application meets it as well."""

    def __init__(
        self, error: str, detail: str = "", *, extra: Mapping[str, Any] | None = None, violation: bool = True
    ) -> None:
        super().__init__(error, detail)
        self.error = error
        self.detail = detail
        self.extra = dict(extra or {})
        self.violation = violation

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error": self.error, **self.extra}
        if self.detail:
            body["response_metadata"] = {"messages": [f"[ERROR] {self.detail}"]}
        return body


class Throttled(Exception):
    """HTTP 429."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the Web API, as it came in, and how it ended."""

    method: str
    arguments: Mapping[str, Any]
    at: float
    team: str = ""
    status: int = 200
    error: str = ""
    arrived: float = field(default=0.0)
    """`time.monotonic()` when the answer was ready; for tests that compare two moments of real time."""
