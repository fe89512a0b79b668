"""Faults on demand: each is used up by what it spoils."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one call: an HTTP status, an error of Slack's, a 429, or no answer at all."""

    status: int = 200
    error: str = ""
    retry_after: int | None = None
    hang: bool = False
    close: bool = False
    """The connection is closed without an answer."""
    afterwards: bool = False
    """The call is carried out and only its answer is spoilt, as when a connection breaks on the way back."""


@dataclass
class Faults:
    """`fail` spoils the next calls of a method; the rest spoil deliveries to the application."""

    calls: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    duplicates: int = 0
    """So many of the next deliveries come twice."""
    drops: int = 0
    """So many of the next deliveries over a socket break off in the middle of the frame's sending."""
    swapped: bool = False
    """Events of one action (app_mention and message) come in the other order."""

    def fail(
        self,
        method: str,
        times: int = 1,
        *,
        status: int = 200,
        error: str = "",
        retry_after: int | None = None,
        hang: bool = False,
        close: bool = False,
        afterwards: bool = False,
    ) -> None:
        """The next `times` calls of `method` (`*`: of any) answer so. `retry_after` makes it a 429."""
        self.calls[method].extend([Fault(status, error, retry_after, hang, close, afterwards)] * times)

    def next_for(self, method: str) -> Fault | None:
        for name in (method, "*"):
            if self.calls.get(name):
                return self.calls[name].popleft()
        return None

    def take_duplicate(self) -> bool:
        taken = self.duplicates > 0
        self.duplicates -= taken
        return taken

    def take_drop(self) -> bool:
        taken = self.drops > 0
        self.drops -= taken
        return taken
