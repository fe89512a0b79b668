"""Where one answer appears in Slack: streamed as it is written, else posted when it is done, always exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from bots.chat import wording
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.slack.blocks import Rendered, answer_messages, closing_blocks, sentence
from bots.slack.calls import Calls, Refused, Unknown
from bots.slack.streaming import next_piece
from bots.slack.text import safe_markdown
from core.store.inbox import Entry, Inbox
from core.types import Answer

Json = dict[str, Any]
EVENT_TYPE = "lorekeeper_answer"
# https://docs.slack.dev/reference/methods/chat.startStream: characters of one message.
STREAM_LIMIT = 11_000
# Tier 4 is 100 appends a minute for all answers of a workspace: one answer takes no more than its part.
APPEND_SECONDS = 0.7
UPDATE_SECONDS = 1.5
# What Slack says where there are no streams at all; then it is not asked again for a while.
NO_STREAMS = frozenset({"unknown_method", "missing_scope", "feature_not_enabled", "not_allowed_token_type"})
NO_STREAM_SECONDS = 600.0
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
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Posting:
    """What the answers in one workspace share."""

    calls: Calls
    bot_id: str
    streams_again_at: float = 0.0
    open_streams: int = 0
    """Each of them will need a call to end it, of which there are as few in a minute as of those that begin one."""

    @property
    def streams(self) -> bool:
        """Whether one more answer can be streamed."""
        is_possible = time.monotonic() >= self.streams_again_at and self.calls.left("chat.startStream") > 0
        return is_possible and self.calls.left("chat.stopStream") > self.open_streams


class SlackSurface:
    """Implements `bots.chat.answering.Surface`."""

    def __init__(
        self,
        posting: Posting,
        inbox: Inbox,
        incoming: Incoming,
        entry: Entry,
        note: Callable[[Entry, Json], Awaitable[None]],
        stop: Callable[[str], None],
    ) -> None:
        """`stop` ends the work on a thread's entries, because the person wants that."""
        self._stop = stop
        self._posting = posting
        self._calls = posting.calls
        self._inbox = inbox
        self._entry = entry
        self._incoming = incoming
        self._note = note
        self._channel = incoming.message.conversation
        self._root = incoming.place["root"]
        self._is_aside = False
        """The bot may not write where it was asked: it answers the person directly."""
        self._posted: list[str] = list(entry.reply.get("ts", ()))
        # It is noted before anything is posted: who finds the note and no message has to look for one.
        self._is_announced = bool(entry.reply)
        # Left behind by a process that died.
        self._is_streaming = bool(entry.reply.get("streams"))
        # What it holds already is not known, so it cannot be continued.
        self._is_unsure = self._is_streaming
        """Slack has failed in the middle of something, and may have done it."""
        if self._is_streaming:
            posting.open_streams += 1
        self._answers_in_place = bool(self._posted)
        self._written = ""
        self._streamed = ""
        self._is_broken = False
        self._fresh = asyncio.Event()
        self._over = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        if not self._posted and self._is_announced:
            await self._recover()
        # Beside the search, which need not wait for it.
        self._beginning = asyncio.create_task(self._show_work())

    def token(self, text: str, *, restart: bool) -> None:
        self._written = text if restart else self._written + text
        if self._answers_in_place or not text:
            return
        if self._pump is None and self._posting.streams:
            self._pump = asyncio.create_task(self._stream())
        self._fresh.set()

    async def finish(self, answer: Answer) -> None:
        await self._end_pump()
        if self._is_streaming and await self._finish_stream(answer):
            return
        if self._is_unsure and not self._posted:
            await self._recover()
        await self._post(answer_messages(answer, private=False))
        await self._session("active")

    async def say(self, text: str) -> None:
        await self._end_pump()
        if self._is_unsure and not self._posted:
            await self._recover()
        if self._is_streaming:
            await self._stop_stream({})
            shown = safe_markdown(self._streamed)
            text = f"{shown}\n\n{text}" if shown.strip() else text
        await self._post([sentence(text)])
        await self._session("active")

    async def stopped(self) -> None:
        if not self._posted:
            await self._post([sentence(wording.STOPPED)])
        await self._session("active")

    async def remove(self) -> None:
        for ts in self._posted:
            with suppress(Refused):
                await self._calls.call("chat.delete", channel=self._channel, ts=ts)

    async def close(self) -> None:
        await self._end_pump()
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._is_streaming:
            # Cut short: the message must not look as if it were still being written.
            await self._stop_stream({})

    # While it is written

    async def _stream(self) -> None:
        try:
            while not self._is_broken:
                await self._fresh.wait()
                self._fresh.clear()
                piece = next_piece(self._written, self._streamed)
                if piece is None or len(self._streamed) + len(piece) > STREAM_LIMIT:
                    self._is_broken = True
                elif piece:
                    await self._append(piece)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(APPEND_SECONDS):
                            await self._over.wait()
                    self._fresh.set()
        except (Refused, Unknown, Retry) as error:
            # The final form puts everything right.
            self._is_broken = True
            self._is_unsure = isinstance(error, Unknown)
            if isinstance(error, Refused) and error.error == "stopped_by_user":
                # The event about it may have gone to another process.
                self._stop(self._entry.thread)
            log.info("an answer is not streamed further", entry=self._entry.key, cause=str(error))

    async def _append(self, piece: str) -> None:
        if self._is_streaming:
            ts = self._posted[-1]
            done = await self._calls.offer("chat.appendStream", channel=self._channel, ts=ts, markdown_text=piece)
            self._streamed += piece if done is not None else ""
            return
        place = self._incoming.place
        await self._announce()
        try:
            started = await self._calls.offer(
                "chat.startStream",
                channel=self._channel,
                thread_ts=self._root,
                recipient_team_id=place["user_team"],
                recipient_user_id=self._incoming.message.author,
                markdown_text=piece,
            )
        except Refused as refused:
            if refused.error in NO_STREAMS:
                self._posting.streams_again_at = time.monotonic() + NO_STREAM_SECONDS
            raise
        if started is not None:
            self._is_streaming, self._streamed = True, piece
            self._posting.open_streams += 1
            await self._remember(str(started["ts"]))

    async def _end_pump(self) -> None:
        if self._pump is None:
            return
        # What is on its way must arrive: a start that is cut off would leave a message that nobody knows of.
        self._is_broken = True
        self._over.set()
        self._fresh.set()
        await asyncio.wait([self._pump])

    # When it is done

    async def _finish_stream(self, answer: Answer) -> bool:
        """End the stream with the rest of the answer; False when the message has to be replaced instead."""
        text = safe_markdown(answer.text)
        if self._is_unsure or not text.startswith(self._streamed) or len(text) > STREAM_LIMIT:
            await self._stop_stream({})
            return False
        ending: dict[str, Any] = {}
        if blocks := closing_blocks(answer, private=False):
            ending["blocks"] = blocks
        rest = text[len(self._streamed) :]
        if rest:
            ending["markdown_text"] = rest
        if await self._stop_stream(ending):
            return True
        if self._is_unsure:
            await self._stop_stream({})
        return False

    async def _stop_stream(self, ending: Json, ts: str = "") -> bool:
        was_streaming, self._is_streaming = self._is_streaming, False
        self._posting.open_streams -= was_streaming
        stopped = {"channel": self._channel, "ts": ts or self._posted[-1], "session_status": "active", **ending}
        try:
            await self._calls.call("chat.stopStream", **stopped)
        except (Refused, Unknown) as error:
            # Expired while the model was thinking, stopped by the person, or deleted.
            log.info("a stream has ended before its answer", entry=self._entry.key, cause=str(error))
            self._is_unsure = isinstance(error, Unknown)
            return False
        finally:
            if was_streaming:
                await self._remember()
        return True

    async def _post(self, messages: Sequence[Rendered]) -> None:
        """Put these messages where the answer is, or make them; what was there beyond them goes."""
        had = list(self._posted)
        for index, message in enumerate(messages):
            if index < len(had) and await self._replace(had[index], message):
                continue
            await self._add(message, index)
        for ts in had[len(messages) :]:
            with suppress(Refused):
                await self._calls.call("chat.delete", channel=self._channel, ts=ts)
            self._posted.remove(ts)
        if had:
            await self._remember()
            # A new message takes the status away; a changed one does not.
            await self._status("")

    async def _replace(self, ts: str, message: Rendered, *, may_stop: bool = True) -> bool:
        try:
            await self._calls.call(
                "chat.update", channel=self._channel, ts=ts, text=message.text, blocks=list(message.blocks)
            )
        except Refused as refused:
            if refused.error == "streaming_state_conflict" and may_stop:
                # A stream that an earlier try left behind.
                await self._stop_stream({}, ts)
                return await self._replace(ts, message, may_stop=False)
            if refused.error in {"message_not_found", "cant_update_message", "edit_window_closed"}:
                self._posted.remove(ts)
                return False
            raise Retry(str(refused)) from refused
        return True

    async def _add(self, message: Rendered, index: int) -> None:
        try:
            posted = await self._calls.call(
                "chat.postMessage",
                before=self._announce,
                channel=self._incoming.message.author if self._is_aside else self._channel,
                thread_ts=None if self._is_aside else self._root,
                text=message.text,
                blocks=list(message.blocks) or None,
                unfurl_links=False,
                unfurl_media=False,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"key": self._entry.key, "part": index}},
            )
        except Unknown as unknown:
            # The next try looks whether it is there.
            raise Retry(str(unknown)) from unknown
        except Refused as refused:
            await self._refused(refused, message, index)
            return
        if not self._is_aside:
            await self._remember(str(posted["ts"]))

    async def _refused(self, refused: Refused, message: Rendered, index: int) -> None:
        log.warning("Slack takes no answer there", entry=self._entry.key, error=refused.error)
        if refused.error in NOT_THERE and not self._is_aside:
            self._is_aside = True
            await self._add(sentence(wording.CANNOT_WRITE_THERE), -1)
            await self._add(message, index)
        elif refused.error not in NOT_THERE and len(message.blocks) > 1:
            # Whatever it is that Slack does not take: the words alone, rather than nothing.
            await self._add(Rendered(message.text, ()), index)

    async def _announce(self) -> None:
        if not self._is_announced:
            self._is_announced = True
            await self._note(self._entry, {"ts": []})

    async def _remember(self, ts: str = "") -> None:
        if ts:
            self._posted.append(ts)
        await self._note(self._entry, {"ts": self._posted, "streams": self._is_streaming})

    async def _show_work(self) -> None:
        await self._status(wording.SEARCHING)
        await self._session("processing")

    async def _session(self, status: str) -> None:
        """In a direct message, where Slack's Stop button belongs to a session."""
        if status == "active" and self._beginning is not None:
            # Or "processing" could come after it.
            await asyncio.wait([self._beginning])
        if self._channel.startswith("D"):
            with suppress(Refused, Unknown, Retry):
                await self._calls.offer(
                    "agents.sessions.setStatus", channel_id=self._channel, thread_ts=self._root, status=status
                )

    async def _status(self, text: str) -> None:
        with suppress(Refused, Unknown, Retry):
            await self._calls.offer(
                "assistant.threads.setStatus", channel_id=self._channel, thread_ts=self._root, status=text
            )

    async def _recover(self) -> None:
        """Find what an earlier try posted before it could say so."""
        try:
            found = await self._calls.call(
                "conversations.replies",
                channel=self._channel,
                ts=self._root,
                oldest=self._incoming.place["ts"],
                limit=50,
                include_all_metadata=True,
            )
        except Refused as refused:
            log.warning("a thread cannot be read again", entry=self._entry.key, error=refused.error)
            return
        taken = {ts for reply in await asyncio.to_thread(self._inbox.replies, self._entry.thread) for ts in reply["ts"]}
        mine = [each for each in found.get("messages", ()) if self._is_mine(each, taken)]
        if mine:
            self._posted = [str(each["ts"]) for each in mine]
            self._answers_in_place = True
            await self._remember()

    def _is_mine(self, message: Json, taken: set[str]) -> bool:
        if message.get("bot_id") != self._posting.bot_id or message.get("ts") in taken:
            return False
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == EVENT_TYPE:
            return bool((metadata.get("event_payload") or {}).get("key") == self._entry.key)
        return True
