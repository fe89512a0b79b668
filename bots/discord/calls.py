"""Calls of Discord's REST API that keep to its limits: what may wait waits, what may be left out is left out."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord
from discord.http import HTTPClient, Route

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.discord.pace import Pace

Json = dict[str, Any]
# The library has no time limit of its own. Discord's own waits, of a channel that is full, are part of it.
CALL_SECONDS = 90.0
LOCKED_OUT_SECONDS = 60.0
_UNAUTHORIZED, _TOO_MANY, _BROKEN = 401, 429, 500

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_INTERACTION, UNKNOWN_WEBHOOK = 10003, 10008, 10062, 10015
ALREADY_ACKNOWLEDGED, THREAD_EXISTS, INVALID_WEBHOOK_TOKEN = 40060, 160004, 50027
MISSING_ACCESS, MISSING_PERMISSIONS = 50001, 50013
# The bot may not write in that place, and may elsewhere.
NOT_THERE: frozenset[str] = frozenset(
    map(
        str,
        (
            UNKNOWN_CHANNEL,
            MISSING_ACCESS,
            MISSING_PERMISSIONS,
            50008,  # not a channel of text
            50083,  # the thread is archived
            160005,  # the thread is locked
            240000,  # a rule of the server does not take the words
            200000,
            200001,
        ),
    )
)
GONE: frozenset[str] = frozenset(
    map(str, (UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, INVALID_WEBHOOK_TOKEN, 50005, 50083))
)


class Calls:
    """For one token. `open_changes` and `changes`: `bots.chat.live.Room`."""

    def __init__(self, http: HTTPClient, pace: Pace | None = None) -> None:
        self._http = http
        self._pace = pace or Pace()
        self.open_changes = 0

    async def call(self, method: str, path: str, *, json: Any = None, params: Json | None = None, **parts: Any) -> Any:
        """Discord's answer as JSON. `path` has the names of `parts` in braces.

        Raises `bots.chat.board.Refused` with Discord's code, `Unknown`, `bots.chat.desk.Retry`.
        """
        if "{webhook_token}" not in path:
            # https://docs.discord.com/developers/interactions/receiving-and-responding#endpoints: those do not count.
            await self._pace.room()
        given: Json = {} if json is None else {"json": json}
        if params:
            given["params"] = params
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._http.request(Route(method, path, **parts), **given)
        except discord.RateLimited as error:
            raise Retry(f"{method} {path}: too often", error.retry_after) from error
        except discord.HTTPException as error:
            raise _explained(f"{method} {path}", error) from None
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise Unknown(f"{method} {path}: {type(error).__name__}") from error

    @property
    def changes(self) -> bool:
        """Whether there is room now for what may be left out."""
        return self._pace.has_spare


def _explained(call: str, error: discord.HTTPException) -> Exception:
    if error.status == _TOO_MANY:
        # The library has waited several times; or it is no limit but a ban of this address.
        return Retry(f"{call}: status {error.status}", 5.0)
    if error.status == _UNAUTHORIZED and error.code != INVALID_WEBHOOK_TOKEN:
        return Retry(f"{call}: the token is not taken", LOCKED_OUT_SECONDS)
    if error.status >= _BROKEN:
        # It may have done it all the same.
        return Unknown(f"{call}: status {error.status}")
    return Refused(call, str(error.code or error.status))


def is_code(refused: Refused, *codes: int) -> bool:
    return refused.error in map(str, codes)
