"""Calls of Slack's Web API that keep to its limits: what may wait waits, what may be left out is left out."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from core.errors import InvalidSettings

Json = dict[str, Any]
# https://docs.slack.dev/apis/web-api/rate-limits: calls of one workspace per minute. A little less than allowed, since
# Slack's minutes are not ours. Methods that are not named here are hardly called.
PER_MINUTE: Mapping[str, int] = {
    "chat.startStream": 19,
    "chat.stopStream": 19,
    "chat.appendStream": 95,
    "chat.update": 48,
    "chat.delete": 48,
    "assistant.threads.setStatus": 500,
    "agents.sessions.setStatus": 48,
}
# Counted, but not held back: what is begun must be ended, also what a process that died began. Slack says when to wait.
NEVER_HELD_BACK = frozenset({"chat.stopStream"})
# "One message per second per channel, short bursts tolerated": so many at once, then one a second.
POST_BURST, POST_SECONDS = 3, 1.0
WINDOW_SECONDS = 60.0
CALL_SECONDS = 15.0
PATIENCE_SECONDS = 180.0
FIRST_PATIENCE_SECONDS = 10.0
# Doing them twice does what doing them once does, so they are tried again when nobody knows what became of them.
IDEMPOTENT = frozenset(
    {
        "auth.test",
        "chat.delete",
        "chat.update",
        "agents.sessions.setStatus",
        "assistant.threads.setStatus",
        "views.publish",
    }
)
READS = (".info", ".history", ".replies", ".members", ".list", ".conversations", "getPermalink")
# These take no JSON.
FORMS = (*READS, "oauth.v2.access")
# The installation has ended, or its token: what was asked is answered if it comes back.
LOCKED_OUT = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"})
LOCKED_OUT_SECONDS = 60.0
# What is worth another try: Slack's own troubles.
PASSING = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})
log = structlog.get_logger(__name__)


class Calls:
    """For one workspace's token."""

    def __init__(self, client: AsyncWebClient, token: str) -> None:
        self._client = client
        self._token = token
        self._made: dict[str, deque[float]] = {}
        self._not_before: dict[str, float] = {}
        self._posts: dict[str, float] = {}
        self.locked_out = ""
        """Slack's code while it does not take the token; else empty."""

    async def call(
        self,
        method: str,
        *,
        patience: float = PATIENCE_SECONDS,
        before: Callable[[], Awaitable[None]] | None = None,
        **arguments: Any,
    ) -> Json:
        """Wait for room, then call, and again when Slack is busy. Raises `Refused`, `Unknown`, `Retry`.

        `before` is awaited when there is room, once.
        """
        ends = time.monotonic() + patience
        attempt = 0
        while True:
            wait = self._wait(method, arguments)
            if time.monotonic() + wait > ends:
                raise Retry(f"{method}: no room within {patience:.0f} s", wait)
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            if before is not None:
                await before()
                before = None
            try:
                return await self._once(method, arguments)
            except _Busy as busy:
                attempt += 1
                self._not_before[_lane(method, arguments)] = time.monotonic() + busy.seconds(attempt)
            except Unknown:
                attempt += 1
                if method not in IDEMPOTENT and not method.endswith(READS):
                    raise
                self._not_before[_lane(method, arguments)] = time.monotonic() + _Busy(None).seconds(attempt)

    async def offer(self, method: str, **arguments: Any) -> Json | None:
        """Call only when there is room; None when there is none. Raises `Refused`, `Unknown`."""
        if self._wait(method, arguments) > 0:
            return None
        try:
            return await self._once(method, arguments)
        except _Busy as busy:
            self._not_before[_lane(method, arguments)] = time.monotonic() + busy.seconds(1)
            return None

    def left(self, method: str) -> int:
        """How many calls would go out at once."""
        if self._wait(method, {}) > 0:
            return 0
        return PER_MINUTE[method] - len(self._made.get(method, ()))

    async def _once(self, method: str, arguments: Json) -> Json:
        self._count(method, arguments)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                given = {name: value for name, value in arguments.items() if value is not None}
                is_form = method.endswith(FORMS)
                response = await self._client.api_call(
                    method,
                    headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
                    data=given if is_form else None,
                    json=None if is_form else given,
                )
        except SlackApiError as error:
            explained = _explained(method, error)
            if isinstance(explained, LockedOut):
                self.locked_out = explained.error
            raise explained from None
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise Unknown(f"{method}: {type(error).__name__}") from error
        self.locked_out = ""
        data: Json = response.data if isinstance(response.data, dict) else {}
        return data

    def _wait(self, method: str, arguments: Json) -> float:
        """Seconds until there is room."""
        now = time.monotonic()
        wait = self._not_before.get(_lane(method, arguments), 0.0) - now
        made, allowed = self._made.get(method), PER_MINUTE.get(method)
        if made and allowed:
            while made and made[0] <= now - WINDOW_SECONDS:
                made.popleft()
            if len(made) >= allowed and method not in NEVER_HELD_BACK:
                wait = max(wait, made[0] + WINDOW_SECONDS - now)
        if method == "chat.postMessage":
            # The moment from which on the whole burst is free again, less what the burst allows.
            free = self._posts.get(str(arguments.get("channel")), 0.0)
            wait = max(wait, free - (POST_BURST - 1) * POST_SECONDS - now)
        return wait

    def _count(self, method: str, arguments: Json) -> None:
        now = time.monotonic()
        if method in PER_MINUTE:
            self._made.setdefault(method, deque()).append(now)
        if method == "chat.postMessage":
            channel = str(arguments.get("channel"))
            self._posts[channel] = max(self._posts.get(channel, 0.0), now) + POST_SECONDS


async def asked(calls: Calls, method: str, variable: str) -> Json:
    """Ask with a token that may be wrong. Raises `InvalidSettings` with a sentence that names its variable."""
    try:
        return await calls.call(method, patience=FIRST_PATIENCE_SECONDS)
    except (LockedOut, Refused) as error:
        raise InvalidSettings(f"Slack does not take {variable} ({error.error}). Run `lorekeeper doctor`.") from None
    except (Unknown, Retry) as error:
        raise InvalidSettings(f"Slack does not answer ({error}). It is tried again.") from None


class LockedOut(Retry):
    """The token is not taken. `error` is Slack's code."""

    def __init__(self, method: str, error: str) -> None:
        super().__init__(f"{method}: {error}", LOCKED_OUT_SECONDS)
        self.error = error


class _Busy(Exception):
    """Slack asks for patience."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__()
        self._retry_after = retry_after

    def seconds(self, attempt: int) -> float:
        if self._retry_after is not None:
            # Several processes and answers wait for the same moment.
            return self._retry_after + random.uniform(0, 0.25)  # noqa: S311
        return min(30.0, 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


def _explained(method: str, error: SlackApiError) -> Exception:
    response = error.response
    # A proxy in between answers in HTML.
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    # Where the body is no JSON, the library hands over the connection's own response.
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    if status == 429 or code in {"ratelimited", "rate_limited"}:  # noqa: PLR2004
        return _Busy(_seconds(getattr(response, "headers", {})))
    if status >= 500 or code in PASSING:  # noqa: PLR2004
        # Slack says that it failed, and may have done it all the same.
        return Unknown(f"{method}: status {status} {code}")
    if code in LOCKED_OUT:
        return LockedOut(method, code)
    return Refused(method, code or f"status {status}")


def _seconds(headers: Mapping[str, Any]) -> float:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            first = value[0] if isinstance(value, list) else value
            try:
                return max(0.0, float(first))
            except (TypeError, ValueError):
                break
    return 1.0


def _lane(method: str, arguments: Json) -> str:
    """What shares a limit: messages are counted by channel, all else by method."""
    return f"{method} {arguments.get('channel')}" if method == "chat.postMessage" else method
