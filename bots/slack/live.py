"""How an unfinished answer is shown in Slack: as a stream, or by changing a message, as far as Slack's limits allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.chat.posted import Posted
from bots.slack.blocks import Rendered, closing_blocks
from bots.slack.board import SlackBoard, name_of, place_of
from bots.slack.calls import PER_MINUTE, Calls
from bots.slack.streaming import next_piece
from bots.slack.text import safe_markdown
from core.types import Answer

# https://docs.slack.dev/reference/methods/chat.startStream: characters of one message.
STREAM_LIMIT = 11_000
# Tier 4 is 100 appends a minute for all answers of a workspace, and Tier 3 is 50 changes: one takes no more than its part.
APPEND_SECONDS, CHANGE_SECONDS = 0.7, 2.0
# Of the changes of a workspace: other processes reckon with the same, and final forms must not wait for room.
CHANGES_A_MINUTE = 16
# What Slack says where there are no streams at all; then it is not asked again for a while.
NO_STREAMS = frozenset({"unknown_method", "missing_scope", "feature_not_enabled", "not_allowed_token_type"})
NO_STREAM_SECONDS = 600.0
STREAMS = "streams"
"""Kept with an entry while its message is a stream."""
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Posting:
    """What the answers in one workspace share."""

    calls: Calls
    bot_id: str
    streams_again_at: float = 0.0
    open_streams: int = 0
    """Each of them will need a call to end it, of which there are as few in a minute as of those that begin one."""
    open_changes: int = 0
    """Answers that are shown by changes: each needs one for its final form."""

    @property
    def streams(self) -> bool:
        """Whether one more answer can be streamed."""
        is_possible = time.monotonic() >= self.streams_again_at and self.calls.left("chat.startStream") > 0
        return is_possible and self.calls.left("chat.stopStream") > self.open_streams

    @property
    def changes(self) -> bool:
        """Whether a change is left beyond those that final forms will need."""
        made = PER_MINUTE["chat.update"] - self.calls.left("chat.update")
        return made + self.open_changes < CHANGES_A_MINUTE


class Streamed:
    """By chat.startStream, appendStream and stopStream."""

    def __init__(
        self,
        posting: Posting,
        incoming: Incoming,
        board: SlackBoard,
        posted: Posted[Rendered],
        stop: Callable[[str], None],
    ) -> None:
        """`stop` ends the work on a thread's entries, because the person wants that."""
        self._posting = posting
        self._calls = posting.calls
        self._incoming = incoming
        self._board = board
        self._posted = posted
        self._stop = stop
        self._text = ""
        self._name = posted.names[-1] if posted.kept.get(STREAMS) and posted.names else ""
        self._is_open = bool(self._name)
        # What a process that died has streamed is not known, so it cannot be continued.
        self._is_inherited = self._is_unsure = self._is_open
        """Slack has failed in the middle of something, and may have done it."""
        posting.open_streams += self._is_open

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def is_nothing(self) -> bool:
        """Slack has surely taken nothing of it."""
        return not (self._name or self._is_unsure)

    async def show(self, text: str) -> float | None:
        piece = next_piece(text, self._text)
        if piece is None or len(self._text) + len(piece) > STREAM_LIMIT:
            return None
        if not piece:
            return 0.0
        try:
            await (self._append(piece) if self._is_open else self._start(piece))
        except (Refused, Unknown, Retry) as error:
            self._is_unsure = isinstance(error, Unknown)
            if isinstance(error, Refused) and error.error == "stopped_by_user":
                # The event about it may have gone to another process.
                self._stop(self._incoming.thread)
            log.info("an answer is not streamed further", entry=self._incoming.message.id, cause=str(error))
            return None
        return APPEND_SECONDS

    async def finish(self, answer: Answer) -> bool:
        if not self._is_open:
            return await self._settle()
        if self._is_inherited:
            # It may be ended already, and of the calls that end streams there are few: the change will tell.
            self._is_open = False
            self._posting.open_streams -= 1
            await self._posted.keep(STREAMS, value=False)
            return False
        text = safe_markdown(answer.text)
        if self._is_unsure or not text.startswith(self._text) or len(text) > STREAM_LIMIT:
            await self._end({})
            return False
        ending: dict[str, Any] = {}
        if blocks := closing_blocks(answer, private=False):
            ending["blocks"] = blocks
        if rest := text[len(self._text) :]:
            ending["markdown_text"] = rest
        if await self._end(ending):
            return True
        if self._is_unsure:
            await self._end({})
        return False

    async def close(self) -> str:
        if self._is_open:
            await self._end({})
        else:
            await self._settle()
        return safe_markdown(self._text)

    async def _start(self, piece: str) -> None:
        await self._posted.announce()
        try:
            started = await self._calls.offer(
                "chat.startStream",
                channel=self._board.channel,
                thread_ts=self._board.root,
                recipient_team_id=self._incoming.place["user_team"],
                recipient_user_id=self._incoming.message.author,
                markdown_text=piece,
            )
        except Refused as refused:
            if refused.error in NO_STREAMS:
                self._posting.streams_again_at = time.monotonic() + NO_STREAM_SECONDS
            raise
        if started is not None:
            self._is_open, self._text = True, piece
            self._posting.open_streams += 1
            self._name = name_of(self._board.channel, str(started["ts"]))
            await self._posted.done(self._name, **{STREAMS: True})

    async def _append(self, piece: str) -> None:
        channel, ts = place_of(self._name)
        done = await self._calls.offer("chat.appendStream", channel=channel, ts=ts, markdown_text=piece)
        self._text += piece if done is not None else ""

    async def _end(self, ending: dict[str, Any]) -> bool:
        was_open, self._is_open = self._is_open, False
        self._posting.open_streams -= was_open
        channel, ts = place_of(self._name)
        try:
            await self._calls.call("chat.stopStream", channel=channel, ts=ts, session_status="active", **ending)
        except (Refused, Unknown) as error:
            # Expired while the model was thinking, stopped by the person, or deleted.
            log.info("a stream has ended before its answer", entry=self._incoming.message.id, cause=str(error))
            self._is_unsure = isinstance(error, Unknown)
            return False
        finally:
            if was_open:
                await self._posted.keep(STREAMS, value=False)
        return True

    async def _settle(self) -> bool:
        """Nothing was begun, unless Slack did so without saying it: then look for it."""
        if self._is_unsure:
            await self._posted.open()
        return False
