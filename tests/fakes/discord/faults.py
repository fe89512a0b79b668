"""Faults on demand: each is used up by what it spoils."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request: an HTTP status, an error of Discord's, a 429, a delay, or no answer at all."""

    status: int = 0
    """0: the request is answered as usual, after `slow_s`."""
    code: int = 0
    message: str = ""
    retry_after: float | None = None
    is_global: bool = False
    via: bool = True
    """False: the 429 comes from what is in front of Discord, as when it bans an address."""
    hang: bool = False
    close: bool = False
    """The connection is closed without an answer."""
    afterwards: bool = False
    """The request is carried out and only its answer is spoilt, as when a connection breaks on the way back."""
    slow_s: float = 0.0


@dataclass
class Faults:
    """`fail` spoils the next requests of a route; the rest spoil what comes over the gateway."""

    calls: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    duplicates: int = 0
    """So many of the next events come twice."""
    drops: int = 0
    """So many of the next events never come, not even when the session is resumed."""
    delay_s: float = 0.0
    """Events come so late."""
    withhold_acks: bool = False
    """Heartbeats are not answered, and nothing else comes either: the connection is a zombie."""
    invalid_sessions: int = 0
    """So many of the next resumptions are turned down."""

    def fail(
        self,
        route: str,
        times: int = 1,
        *,
        status: int = 0,
        code: int = 0,
        message: str = "",
        retry_after: float | None = None,
        is_global: bool = False,
        via: bool = True,
        hang: bool = False,
        close: bool = False,
        afterwards: bool = False,
        slow_s: float = 0.0,
    ) -> None:
        """The next `times` requests of `route` (`POST /channels/{channel_id}/messages`; `*`: of any) end so.

        Files are fetched by `GET /cdn`. `retry_after` makes it a 429.
        """
        status = 429 if retry_after is not None else status or (400 if code else 0)
        fault = Fault(status, code, message, retry_after, is_global, via, hang, close, afterwards, slow_s)
        self.calls[route].extend([fault] * times)

    def next_for(self, route: str) -> Fault | None:
        for name in (route, "*"):
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

    def take_invalid_session(self) -> bool:
        taken = self.invalid_sessions > 0
        self.invalid_sessions -= taken
        return taken
