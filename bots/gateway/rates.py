"""How often one caller may come: token buckets, held in memory, for a bounded number of callers."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

MOST_CALLERS = 10_000
# A minute's allowance may be used at once.
BURST_MINUTES = 1.0


class Rates:
    """The same allowance for each name; who has not come for longest is forgotten first."""

    def __init__(self, per_minute: float, clock: Callable[[], float], most: int = MOST_CALLERS) -> None:
        self._per_second = per_minute / 60
        self._burst = per_minute * BURST_MINUTES
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str, weight: float = 1.0) -> int:
        """Whole seconds until a request of this weight is within the allowance; 0 when it is now."""
        missing = min(weight, self._burst) - self._level(name)
        return max(0, math.ceil(missing / self._per_second))

    def take(self, name: str, weight: float = 1.0) -> None:
        """Count a request."""
        self._levels[name] = (self._level(name) - weight, self._clock())
        self._levels.move_to_end(name)
        while len(self._levels) > self._most:
            self._levels.popitem(last=False)

    def _level(self, name: str) -> float:
        level, since = self._levels.get(name, (self._burst, self._clock()))
        return min(self._burst, level + (self._clock() - since) * self._per_second)
