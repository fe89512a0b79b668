"""The time that the fake Slack goes by: the machine's, or one that a test moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""


class SystemClock:
    def now(self) -> float:
        return time.time()


@dataclass
class ManualClock:
    """Stands still until a test moves it. Signatures and HTTP time limits keep to the machine's time."""

    seconds: float = 1_790_000_000.0

    def now(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
