"""Rate limits as https://docs.slack.dev/apis/web-api/rate-limits gives them: per method, workspace and minute."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from tests.fakes.slack.clock import Clock
from tests.fakes.slack.methods import MethodSpec
from tests.fakes.slack.refusals import Throttled

WINDOW_S = 60.0
# "Generally one message per second per channel, short bursts tolerated": as many at once, and one per second after.
POST_BURST = 5


@dataclass
class RateLimits:
    """A test tightens a method by `per_minute["chat.update"] = 2`, or switches all off by `enabled = False`."""

    clock: Clock
    enabled: bool = True
    per_minute: dict[str, int] = field(default_factory=dict)
    retry_after: int | None = None
    """Sent instead of the real number of seconds; the SDK sleeps for it, so 0 keeps a test fast."""
    post_burst: int = POST_BURST
    _calls: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _posts: dict[str, tuple[float, float]] = field(default_factory=dict)

    def check(self, spec: MethodSpec, team: str, channel: str | None) -> None:
        """Count the call.

        :raises Throttled: with the seconds until there is room again.
        """
        if not self.enabled:
            return
        now = self.clock.now()
        self._per_method(spec, team, now)
        if spec.name == "chat.postMessage" and channel and spec.name not in self.per_minute:
            self._per_channel(channel, now)

    def reset(self) -> None:
        self._calls.clear()
        self._posts.clear()

    def _per_method(self, spec: MethodSpec, team: str, now: float) -> None:
        calls = self._calls.setdefault((spec.name, team), deque())
        while calls and calls[0] <= now - WINDOW_S:
            calls.popleft()
        allowed = self.per_minute.get(spec.name, spec.per_minute)
        if len(calls) >= allowed:
            room = calls[0] + WINDOW_S - now if calls else WINDOW_S
            raise self._throttled(room)
        calls.append(now)

    def _per_channel(self, channel: str, now: float) -> None:
        tokens, last = self._posts.get(channel, (float(self.post_burst), now))
        tokens = min(float(self.post_burst), tokens + (now - last))
        if tokens < 1:
            self._posts[channel] = (tokens, now)
            raise self._throttled(1 - tokens)
        self._posts[channel] = (tokens - 1, now)

    def _throttled(self, seconds: float) -> Throttled:
        return Throttled(self.retry_after if self.retry_after is not None else max(1, math.ceil(seconds)))
