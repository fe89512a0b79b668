"""How many calls this process makes of Discord's REST API: 50 a second are allowed to the bot, however many processes it has."""

from __future__ import annotations

import asyncio
import time
from collections import deque

# https://docs.discord.com/developers/topics/rate-limits: 50 a second for the whole bot. Limits of single channels are
# kept by the library; of this one it learns when all calls are refused at once. A little less, as calls come in a clump.
PER_SECOND = 45.0
# A call for what may be left out goes out only while so many of those are left.
SPARE = 20
# Other processes make calls, too. As TCP shares a line: after a refusal less at once, then slowly more again.
LESS, MORE_PER_SECOND, LEAST = 0.7, 0.5, 5.0


class Pace:
    """For one process. Who asks first goes first."""

    def __init__(self) -> None:
        self._made: deque[float] = deque()
        self._turn = asyncio.Lock()
        self._most, self._since = PER_SECOND, time.monotonic()
        self._pause_until = 0.0

    @property
    def has_spare(self) -> bool:
        """Whether there is room now for what may be left out."""
        now = time.monotonic()
        self._forget(now)
        is_free = not self._turn.locked() and now >= self._pause_until
        return is_free and len(self._made) < self._limit(now) - SPARE

    async def room(self) -> None:
        """Wait until another call may be made, and count it."""
        async with self._turn:
            while True:
                now = time.monotonic()
                seconds = self._wait(now)
                if seconds <= 0:
                    self._made.append(now)
                    return
                await asyncio.sleep(seconds)

    def refused(self, seconds: float) -> None:
        """Discord refused a call because all of the bot's together were too many; the library repeats it after that time."""
        now = time.monotonic()
        if now >= self._pause_until:
            # Those that are refused together count once.
            self._most, self._since = max(self._limit(now) * LESS, LEAST), now
        self._pause_until = max(self._pause_until, now + seconds)
        self._made.append(now + seconds)

    def _limit(self, now: float) -> float:
        return min(PER_SECOND, self._most + (now - self._since) * MORE_PER_SECOND)

    def _wait(self, now: float) -> float:
        self._forget(now)
        if now < self._pause_until:
            return self._pause_until - now
        over = len(self._made) - int(self._limit(now))
        return self._made[over] + 1.0 - now if over >= 0 else 0.0

    def _forget(self, now: float) -> None:
        while self._made and self._made[0] <= now - 1.0:
            self._made.popleft()
