"""The thread in which somebody asked, where the bot posts; failing that, the direct message with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.slack.blocks import Rendered, sentence
from bots.slack.calls import Calls
from core.store.inbox import Entry, Inbox

Json = dict[str, Any]
EVENT_TYPE = "lorekeeper_answer"
# The bot may not write in that place, and may elsewhere.
NOT_THERE = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
    }
)
_LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
log = structlog.get_logger(__name__)


class SlackBoard:
    """Implements `bots.chat.board.Board`. A message's name is its channel and its time in it: `C1:1700000000.000100`."""

    def __init__(self, calls: Calls, bot_id: str, inbox: Inbox, incoming: Incoming, entry: Entry) -> None:
        self._calls = calls
        self._bot_id = bot_id
        self._inbox = inbox
        self._entry = entry
        self._incoming = incoming
        # A person's id stands for the direct message with them, whose own id Slack says when something is posted.
        self.channel = incoming.message.conversation
        self.root = incoming.place.get("root")
        self._is_aside = False

    async def post(self, message: Rendered, part: int, before: Callable[[], Awaitable[None]]) -> str | None:
        try:
            posted = await self._calls.call("chat.postMessage", before=before, **self._new(message, part))
        except Refused as refused:
            return await self._refused(refused, message, part)
        return name_of(str(posted.get("channel") or self.channel), str(posted["ts"]))

    async def offer_post(self, message: Rendered) -> str | None:
        posted = await self._calls.offer("chat.postMessage", **self._new(message, 0))
        return None if posted is None else name_of(self.channel, str(posted["ts"]))

    async def change(self, posted: str, message: Rendered) -> bool:
        return await self._change(posted, message, may_stop=True)

    async def offer_change(self, posted: str, message: Rendered) -> bool:
        with suppress(Refused, Unknown, Retry):
            return await self._calls.offer("chat.update", **_changed(posted, message)) is not None
        return False

    async def delete(self, posted: str) -> None:
        channel, ts = place_of(posted)
        try:
            await self._calls.call("chat.delete", channel=channel, ts=ts)
        except Refused:
            pass
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown

    async def find(self) -> list[str]:
        try:
            channel, found = await self._messages()
        except Refused as refused:
            log.warning("a conversation cannot be read again", entry=self._entry.key, error=refused.error)
            return []
        replies = await asyncio.to_thread(self._inbox.replies, self._entry.thread)
        taken = {name for reply in replies for name in reply.get("names", ())}
        return sorted(
            name
            for each in found
            if (name := name_of(channel, str(each.get("ts")))) not in taken and self._is_mine(each)
        )

    def _new(self, message: Rendered, part: int) -> Json:
        return {
            "channel": self._incoming.message.author if self._is_aside else self.channel,
            "thread_ts": None if self._is_aside else self.root,
            "text": message.text,
            "blocks": list(message.blocks) or None,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": self._entry.key, "part": part}},
        }

    async def _refused(self, refused: Refused, message: Rendered, part: int) -> str | None:
        log.warning("Slack takes no message there", entry=self._entry.key, error=refused.error)
        if refused.error in NOT_THERE and not self._is_aside:
            self._is_aside = True
            await self.post(sentence(wording.CANNOT_WRITE_THERE), -1, _nothing)
            return await self.post(message, part, _nothing)
        if refused.error not in NOT_THERE and len(message.blocks) > 1:
            # Whatever it is that Slack does not take: the words alone, rather than nothing.
            return await self.post(Rendered(message.text, ()), part, _nothing)
        if refused.error not in NOT_THERE:
            # Tried as often as what fails here, and then given up with an apology.
            raise refused
        return None

    async def _change(self, posted: str, message: Rendered, *, may_stop: bool) -> bool:
        try:
            await self._calls.call("chat.update", **_changed(posted, message))
        except Refused as refused:
            if refused.error == "streaming_state_conflict" and may_stop:
                # A stream that an earlier try left behind.
                with suppress(Refused, Unknown):
                    channel, ts = place_of(posted)
                    await self._calls.call("chat.stopStream", channel=channel, ts=ts, session_status="active")
                return await self._change(posted, message, may_stop=False)
            if refused.error in _LOST:
                return False
            if len(message.blocks) > 1:
                # As when it is posted: the words alone, rather than nothing.
                return await self._change(posted, Rendered(message.text, ()), may_stop=False)
            # It would be refused again and again: tried as often as what fails here, and then given up.
            raise
        return True

    # After a crash

    async def _messages(self) -> tuple[str, list[Json]]:
        """The channel where an earlier try posted, and what is there since."""
        begin = f"{self._entry.received_at.timestamp() - 60:.6f}"
        if self.root is not None:
            found = await self._calls.call(
                "conversations.replies",
                channel=self.channel,
                ts=self.root,
                oldest=self._incoming.place.get("ts", begin),
                limit=50,
                include_all_metadata=True,
            )
            return self.channel, list(found.get("messages", ()))
        channel = await self._direct_channel()
        if not channel:
            return "", []
        found = await self._calls.call(
            "conversations.history", channel=channel, oldest=begin, limit=50, include_all_metadata=True
        )
        return channel, list(found.get("messages", ()))

    async def _direct_channel(self) -> str:
        """Of the person; empty when there is none."""
        cursor = None
        while True:
            page = await self._calls.call("users.conversations", types="im", limit=200, cursor=cursor)
            for each in page.get("channels", ()):
                if each.get("user") == self._incoming.message.author:
                    return str(each["id"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return ""

    def _is_mine(self, message: Json) -> bool:
        if not message.get("bot_id") or message.get("bot_id") != self._bot_id:
            return False
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == EVENT_TYPE:
            return bool((metadata.get("event_payload") or {}).get("key") == self._entry.key)
        # Streams carry none; nothing else does without, in a thread that was asked in.
        return self.root is not None


def name_of(channel: str, ts: str) -> str:
    return f"{channel}:{ts}"


def place_of(name: str) -> tuple[str, str]:
    """Channel and time."""
    channel, _, ts = name.partition(":")
    return channel, ts


def _changed(posted: str, message: Rendered) -> Json:
    channel, ts = place_of(posted)
    return {"channel": channel, "ts": ts, "text": message.text, "blocks": list(message.blocks)}


async def _nothing() -> None:
    pass
