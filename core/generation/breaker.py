"""A circuit breaker: after some failures in a row nobody waits for a dead endpoint, until it is tried again. Pure."""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """Closed → open after `failures` in a row → half-open after `cool_down` seconds, when one call may try again."""

    def __init__(self, clock: Callable[[], float], failures: int = 3, cool_down: float = 15.0) -> None:
        self._clock = clock
        self._limit = failures
        self._cool_down = cool_down
        self._failed = 0
        self._opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are being kept away; asking changes nothing."""
        return self._opened_at is not None and self._clock() - self._opened_at < self._cool_down

    def allows(self) -> bool:
        """Whether a call may be made now. After the cool-down only the first caller is let through."""
        if self.is_open:
            return False
        if self._opened_at is not None:
            self._opened_at = self._clock()
        return True

    def succeeded(self) -> None:
        self._failed = 0
        self._opened_at = None

    def failed(self) -> None:
        self._failed += 1
        if self._failed >= self._limit:
            self._opened_at = self._clock()
