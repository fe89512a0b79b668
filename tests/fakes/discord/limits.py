"""Rate limits: of each route and channel, of all together, and the headers that tell of them.

After https://docs.discord.com/developers/topics/rate-limits. Discord gives no figures but for the 50 of all; the rest are
what its headers say in practice.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.discord.clock import Clock
from tests.fakes.discord.refusals import Throttled

GLOBAL_PER_SECOND = 50
# Route to requests and seconds, counted for each channel, guild or webhook token.
LIMITS: Mapping[str, tuple[int, float]] = {
    "POST /channels/{channel_id}/messages": (5, 5.0),
    "PATCH /channels/{channel_id}/messages/{message_id}": (5, 5.0),
    "DELETE /channels/{channel_id}/messages/{message_id}": (5, 1.0),
    "GET /channels/{channel_id}/messages": (5, 5.0),
    "POST /channels/{channel_id}/typing": (5, 5.0),
    # The window after https://github.com/discord/discord-api-docs/issues/7816; how many, Discord does not say.
    "POST /channels/{channel_id}/threads": (50, 300.0),
    "POST /channels/{channel_id}/messages/{message_id}/threads": (50, 300.0),
    "PATCH /channels/{channel_id}": (5, 15.0),
    "PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me": (1, 0.25),
    "POST /webhooks/{webhook_id}/{webhook_token}": (5, 2.0),
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}": (5, 2.0),
    "POST /users/@me/channels": (10, 10.0),
}
OTHERS = (30, 30.0)
# Names and topics, apart from the bucket's own: https://docs.discord.com/developers/topics/rate-limits.
RENAMES = (2, 600.0)
# These are outside of all limits.
UNLIMITED = "/interactions/"
# The same bucket under two names.
_SAME = {
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original": (
        "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
    )
}
_MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")


@dataclass(slots=True)
class Window:
    ends: float
    used: int = 0
    refused: int = 0
    """Calls that were told to wait."""


@dataclass
class RateLimits:
    """A test tightens a route by `limits["POST ..."] = (1, 0.2)`, or switches all off by `enabled = False`."""

    clock: Clock
    enabled: bool = True
    limits: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(LIMITS))
    per_second: int = GLOBAL_PER_SECOND
    speed: float = 1.0
    """Windows are over so many times sooner, which keeps a test fast."""
    hammered: list[str] = field(default_factory=list)
    """Routes that were called again and again before the time that a 429 gave was over."""
    tolerated: int = 10
    """So many calls more may meet a 429: they were on their way, or other processes do not know of it yet."""
    _windows: dict[tuple[str, str], Window] = field(default_factory=dict)
    _all: Window = field(default_factory=lambda: Window(0.0))

    def check(self, route: str, path: Mapping[str, str], *, with_token: bool) -> dict[str, str]:
        """Count the request.

        :param with_token: it carries the bot's token, so it counts among all of the bot's.
        :returns: the headers of its answer.
        :raises Throttled: with the seconds until there is room again.
        """
        if not self.enabled or UNLIMITED in route:
            return {}
        now = self.clock.now()
        if with_token:
            self._check_global(now)
        return self._count(_SAME.get(route, route), path, self.limits.get(_SAME.get(route, route), OTHERS), now)

    def check_rename(self, channel: str) -> None:
        """:raises Throttled: without a word about it in the headers."""
        if self.enabled:
            self._count("rename", {"channel_id": channel}, RENAMES, self.clock.now())

    def reset(self) -> None:
        self._windows.clear()
        self._all = Window(0.0)

    def _check_global(self, now: float) -> None:
        if self._all.ends <= now:
            self._all = Window(now + 1)
        if self._all.used >= self.per_second:
            raise Throttled(self._all.ends - now, "global", {"X-RateLimit-Global": "true"})
        self._all.used += 1

    def _count(self, route: str, path: Mapping[str, str], limit: tuple[int, float], now: float) -> dict[str, str]:
        most, seconds = limit
        key = (route, "+".join(path.get(name, "") for name in _MAJOR))
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            window = self._windows[key] = Window(now + seconds / self.speed)
        if window.used >= most:
            if window.refused > self.tolerated:
                self.hammered.append(route)
            window.refused += 1
            raise Throttled(window.ends - now, "user", _headers(route, most, 0, window.ends, now))
        window.used += 1
        return _headers(route, most, most - window.used, window.ends, now)


def _headers(route: str, most: int, left: int, ends: float, now: float) -> dict[str, str]:
    if route == "rename":
        return {}
    return {
        "X-RateLimit-Limit": str(most),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": f"{ends:.3f}",
        "X-RateLimit-Reset-After": f"{max(ends - now, 0.001):.3f}",
        "X-RateLimit-Bucket": hashlib.sha256(route.encode()).hexdigest()[:32],
    }


def retry_header(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))
