"""Answers to commands, through the token that Discord gives for a quarter of an hour; after that, in the channel."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.discord.board import ChannelBoard, body_of
from bots.discord.calls import GONE, Calls
from bots.discord.render import Rendered
from core.store.inbox import Entry, Inbox

EPHEMERAL = 64
ORIGINAL = "@original"
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
HOOKED = f"{WEBHOOK}/messages/{{message_id}}"
# https://docs.discord.com/developers/interactions/receiving-and-responding: a token is valid for 15 minutes.
TOKEN_SECONDS = 14.5 * 60
log = structlog.get_logger(__name__)


class InteractionBoard:
    """Implements `bots.chat.board.Board`. A message's name is `i:TOKEN'S HASH:ID`, or what `ChannelBoard` makes it.

    `place` of the incoming message: `app` and `token` of the interaction, `at`, when it came in seconds since 1970,
    `private` where only the person sees the answer, `channel` and `guild`.
    """

    def __init__(
        self,
        calls: Calls,
        inbox: Inbox,
        me: str,
        incoming: Incoming,
        entry: Entry,
        acked: Callable[[], Awaitable[None]],
    ) -> None:
        """`acked` waits until Discord has had its first response, without which there is nothing to change."""
        self._calls = calls
        self._place = incoming.place
        self._author = incoming.message.author
        self._channel = ChannelBoard(calls, inbox, me, incoming, entry)
        self._acked = acked
        token = self._place["token"]
        self._mark = hashlib.blake2b(token.encode(), digest_size=6).hexdigest()
        self._hook: dict[str, Any] = {"webhook_id": self._place["app"], "webhook_token": token}

    @property
    def is_private(self) -> bool:
        return bool(self._place.get("private"))

    async def post(self, message: Rendered, part: int, before: Callable[[], Awaitable[None]]) -> str | None:
        if self._is_over():
            return await self._elsewhere(message, part, before)
        await self._acked()
        await before()
        try:
            return await self._post(message, part)
        except Refused as refused:
            if refused.error not in GONE:
                raise
            return await self._elsewhere(message, part, before)

    async def offer_post(self, message: Rendered) -> str | None:
        if self._is_over():
            return None
        await self._acked()
        return await self._post(message, 0)

    async def change(self, posted: str, message: Rendered) -> bool:
        if not posted.startswith("i:"):
            return await self._channel.change(posted, message)
        _, mark, message_id = posted.split(":", 2)
        if mark != self._mark or self._is_over():
            return False
        try:
            await self._change(message_id, message)
        except Refused as refused:
            if refused.error in GONE:
                return False
            raise
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown
        return True

    async def offer_change(self, posted: str, message: Rendered) -> bool:
        with suppress(Refused, Unknown, Retry):
            if posted.startswith("i:"):
                await self._change(posted.split(":", 2)[2], message)
                return True
            return await self._channel.offer_change(posted, message)
        return False

    async def delete(self, posted: str) -> None:
        if not posted.startswith("i:"):
            await self._channel.delete(posted)
            return
        with suppress(Refused, Unknown):
            await self._calls.call("DELETE", HOOKED, **self._hook, message_id=posted.split(":", 2)[2])

    async def find(self) -> list[str]:
        # The first can be posted again at will. Of those after it, which only very long answers have, nobody can tell.
        return []

    async def _post(self, message: Rendered, part: int) -> str:
        if part == 0:
            # Doing it twice does what doing it once does.
            made = await self._change(ORIGINAL, message)
            return f"i:{self._mark}:{made['id']}"
        flags = EPHEMERAL if self.is_private else 0
        made = await self._calls.call("POST", WEBHOOK, json={**body_of(message), "flags": flags}, **self._hook)
        return f"i:{self._mark}:{made['id']}"

    async def _change(self, message_id: str, message: Rendered) -> Any:
        return await self._calls.call("PATCH", HOOKED, json=body_of(message), **self._hook, message_id=message_id)

    async def _elsewhere(self, message: Rendered, part: int, before: Callable[[], Awaitable[None]]) -> str | None:
        """Where the command was written; what is private goes to the person."""
        if self.is_private and self._place.get("guild"):
            await before()
            try:
                opened = await self._calls.call("POST", "/users/@me/channels", json={"recipient_id": self._author})
                return await self._channel.post_in(str(opened["id"]), message, part)
            except Refused as refused:
                log.warning("a private answer could not be shown", error=refused.error)
                return None
        return await self._channel.post(message, part, before)

    def _is_over(self) -> bool:
        return datetime.now(UTC).timestamp() - float(self._place["at"]) > TOKEN_SECONDS
