"""Where answers are posted in Discord: a thread made from the question, its channel, or the direct message."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.discord.calls import GONE, NOT_THERE, THREAD_EXISTS, Calls, is_code
from bots.discord.events import DEFAULT, REPLY
from bots.discord.render import Rendered, sentence
from core.store.inbox import Entry, Inbox

Json = dict[str, Any]
NO_PINGS: Json = {"parse": [], "replied_user": False}
MESSAGES = "/channels/{channel_id}/messages"
TYPING = "/channels/{channel_id}/typing"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"
# Of threads that the bot makes, in minutes without a word until Discord hides them: a day.
ARCHIVED_AFTER = 1440
CONTENT = 2000
LONGEST_TITLE = 90
MOST_LOOKED_AT = 100
log = structlog.get_logger(__name__)


class ChannelBoard:
    """Implements `bots.chat.board.Board`. A message's name is its channel and its id: `m:123:456`.

    `place` of the incoming message: `channel`, where it is; `message`, its id, absent where there is none to reply to;
    `makes_thread`, where the answer belongs into a thread made from it.
    """

    def __init__(self, calls: Calls, inbox: Inbox, me: str, incoming: Incoming, entry: Entry) -> None:
        self._calls = calls
        self._inbox = inbox
        self._me = me
        self._entry = entry
        self._place = incoming.place
        self._author = incoming.message.author
        self._title = incoming.message.text
        self._target = ""
        self._finding: asyncio.Future[str] | None = None
        self._is_aside = False

    async def target(self) -> str:
        """The id of the channel or thread where the answer goes. Raises `Retry`."""
        if not self._target:
            self._target = await self._made() if self._place.get("makes_thread") else self._place["channel"]
        return self._target

    async def post(self, message: Rendered, part: int, before: Callable[[], Awaitable[None]]) -> str | None:
        target = await self.target()
        await before()
        try:
            return await self._post(target, message, part)
        except Refused as refused:
            return await self._refused(refused, message, part)

    async def post_in(self, channel: str, message: Rendered, part: int) -> str:
        """In a channel that the board would not choose. Raises `Refused`, `Unknown`, `Retry`."""
        self._is_aside = True
        self._target = channel
        return await self._post(channel, message, part)

    async def offer_post(self, message: Rendered) -> str | None:
        return await self._post(await self.target(), message, 0)

    async def change(self, posted: str, message: Rendered) -> bool:
        try:
            await self._change(posted, message)
        except Refused as refused:
            if refused.error in GONE:
                return False
            if message.embeds:
                # What was shown while it was written had none, and so was taken.
                return await self.change(posted, without_embeds(message))
            if refused.error in NOT_THERE:
                return False
            # It would be refused again and again: tried as often as what fails here, and then given up.
            raise
        except Unknown as unknown:
            # Doing it twice does what doing it once does.
            raise Retry(str(unknown)) from unknown
        return True

    async def offer_change(self, posted: str, message: Rendered) -> bool:
        with suppress(Refused, Unknown, Retry):
            await self._change(posted, message)
            return True
        return False

    async def delete(self, posted: str) -> None:
        channel, message = place_of(posted)
        try:
            await self._calls.call("DELETE", MESSAGE, channel_id=channel, message_id=message)
        except Refused:
            pass
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown

    async def find(self) -> list[str]:
        target = await self.target()
        after = self._place.get("message", "0")
        try:
            found = await self._calls.call(
                "GET", MESSAGES, params={"after": after, "limit": MOST_LOOKED_AT}, channel_id=target
            )
        except Refused as refused:
            log.warning("a conversation cannot be read again", entry=self._entry.key, error=refused.error)
            return []
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown
        replies = await asyncio.to_thread(self._inbox.replies, self._entry.thread)
        taken = {name for reply in replies for name in reply.get("names", ())}
        mine = [each for each in found if self._is_mine(each) and name_of(target, each["id"]) not in taken]
        return [name_of(target, each["id"]) for each in sorted(mine, key=lambda each: int(each["id"]))]

    async def typing(self) -> None:
        """Show that something is happening: the thread, which is needed anyway, and typing in it, if there is room."""
        with suppress(Refused, Unknown, Retry):
            target = await self.target()
            if self._calls.changes:
                await self._calls.call("POST", TYPING, channel_id=target)

    async def withdraw(self) -> None:
        """Where nobody else has written in the thread that was made from the question, it goes. Raises `Retry`."""
        if not self._place.get("makes_thread"):
            return
        thread = self._place["message"]
        try:
            found = await self._calls.call("GET", MESSAGES, params={"limit": MOST_LOOKED_AT}, channel_id=thread)
            if all(str((each.get("author") or {}).get("id")) == self._me for each in found):
                await self._calls.call("DELETE", "/channels/{channel_id}", channel_id=thread)
        except Refused:
            # There is none, or the bot may not.
            return
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown

    async def _made(self) -> str:
        """The thread, asked for once, though several wait for it and some of them give up."""
        if self._finding is None:
            self._finding = asyncio.ensure_future(self._thread())
            # In the end, perhaps nobody wants to know how it went.
            self._finding.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(self._finding)
        except Retry:
            self._finding = None
            raise

    async def _thread(self) -> str:
        """The thread of the question, which has the question's id."""
        channel, message = self._place["channel"], self._place["message"]
        body = {"name": thread_title(self._title), "auto_archive_duration": ARCHIVED_AFTER}
        try:
            made = await self._calls.call(
                "POST",
                "/channels/{channel_id}/messages/{message_id}/threads",
                json=body,
                channel_id=channel,
                message_id=message,
            )
        except Refused as refused:
            if is_code(refused, THREAD_EXISTS):
                return message
            log.info("no thread is made", entry=self._entry.key, error=refused.error)
            return channel
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown
        return str(made["id"])

    async def _post(self, target: str, message: Rendered, part: int) -> str:
        body = {**body_of(message), "nonce": nonce_of(self._entry, part), "enforce_nonce": True}
        asked = self._place.get("message")
        if asked and target == self._place["channel"] and not self._place.get("in_thread") and not self._is_aside:
            body["message_reference"] = {"message_id": asked, "fail_if_not_exists": False}
        made = await self._calls.call("POST", MESSAGES, json=body, channel_id=target)
        return name_of(target, made["id"])

    async def _refused(self, refused: Refused, message: Rendered, part: int) -> str | None:
        log.warning("Discord takes no message there", entry=self._entry.key, error=refused.error)
        if message.embeds:
            # Where the bot may write but embed nothing: the words alone.
            return await self._try(self._target, without_embeds(message), part, otherwise=self._aside)
        return await self._aside(refused, message, part)

    async def _aside(self, refused: Refused, message: Rendered, part: int) -> str | None:
        """In the channel of the question instead of its thread, else to the person."""
        if refused.error not in NOT_THERE:
            # Tried as often as what fails here, and then given up with an apology.
            raise refused
        if self._is_aside:
            return None
        if self._target != self._place["channel"]:
            self._target = self._place["channel"]
            return await self._try(self._target, message, part, otherwise=self._aside)
        self._is_aside = True
        try:
            opened = await self._calls.call("POST", "/users/@me/channels", json={"recipient_id": self._author})
            self._target = str(opened["id"])
            await self._post(self._target, sentence(wording.CANNOT_WRITE_THERE), -1)
            return await self._post(self._target, message, part)
        except Refused:
            return None

    async def _try(
        self,
        target: str,
        message: Rendered,
        part: int,
        *,
        otherwise: Callable[[Refused, Rendered, int], Awaitable[str | None]],
    ) -> str | None:
        try:
            return await self._post(target, message, part)
        except Refused as refused:
            return await otherwise(refused, message, part)

    async def _change(self, posted: str, message: Rendered) -> None:
        channel, message_id = place_of(posted)
        await self._calls.call("PATCH", MESSAGE, json=body_of(message), channel_id=channel, message_id=message_id)

    def _is_mine(self, message: Json) -> bool:
        # A thread begins with a message of another type, whose author is who made the thread: it cannot be changed.
        if str((message.get("author") or {}).get("id")) != self._me or message.get("type") not in {DEFAULT, REPLY}:
            return False
        if self._target != self._place["channel"] or self._place.get("in_thread"):
            # In a thread, entries are answered one after the other.
            return True
        reference = message.get("message_reference") or {}
        return str(reference.get("message_id")) == self._place.get("message", "")


def thread_title(question: str) -> str:
    """Of the thread that a question gets: its first words. Not empty, and within Discord's limit of 100 characters."""
    line = " ".join(question.split())
    return (f"{line[: LONGEST_TITLE - 1].rstrip()}…" if len(line) > LONGEST_TITLE else line) or "Question"


def name_of(channel: str, message: str | int) -> str:
    return f"m:{channel}:{message}"


def place_of(name: str) -> tuple[str, str]:
    """Channel and message."""
    _, channel, message = name.split(":", 2)
    return channel, message


def body_of(message: Rendered) -> Json:
    """For posting and for changing: all of it, or what is left out would stay."""
    return {
        "content": message.content,
        "embeds": list(message.embeds),
        "components": list(message.components),
        "allowed_mentions": NO_PINGS,
    }


def without_embeds(message: Rendered) -> Rendered:
    """With the words of the embeds after the content, as far as they fit."""
    words = [str(embed.get(part) or "") for embed in message.embeds for part in ("title", "description")]
    text = "\n".join([message.content, *filter(None, words)])
    return replace(message, content=text[:CONTENT], embeds=())


def nonce_of(entry: Entry, part: int) -> str:
    """Discord posts one message for one nonce (of 25 characters at most) within some minutes, however often it is sent."""
    return hashlib.blake2b(f"{entry.key} {entry.revision} {part}".encode(), digest_size=12).hexdigest()
