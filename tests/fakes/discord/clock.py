"""The time that the fake Discord goes by: the machine's, shifted by what a test asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Clock:
    """Goes on by itself, so that rate limits end; `advance` makes it jump."""

    shift: float = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.shift

    def advance(self, seconds: float) -> None:
        self.shift += seconds
