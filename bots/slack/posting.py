"""Where one answer appears in Slack: shown as it is written where there is room, and always exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.chat.latest import Latest
from bots.chat.live import Changed, Live
from bots.chat.posted import Note, Posted
from bots.slack.blocks import Rendered, answer_messages, sentence
from bots.slack.board import SlackBoard
from bots.slack.live import CHANGE_SECONDS, STREAM_LIMIT, Posting, Streamed
from bots.slack.streaming import next_piece
from core.store.inbox import Entry, Inbox
from core.types import Answer

log = structlog.get_logger(__name__)


class SlackSurface:
    """Implements `bots.chat.answering.Surface`."""

    def __init__(
        self,
        posting: Posting,
        inbox: Inbox,
        incoming: Incoming,
        entry: Entry,
        note: Note,
        stop: Callable[[str], None],
    ) -> None:
        """`stop` ends the work on a thread's entries, because the person wants that."""
        self._posting = posting
        self._calls = posting.calls
        self._incoming = incoming
        self._board = SlackBoard(posting.calls, posting.bot_id, inbox, incoming, entry)
        self._posted: Posted[Rendered] = Posted(self._board, entry, note)
        streamed = Streamed(posting, incoming, self._board, self._posted, stop)
        self._streamed = streamed
        # Left behind by a process that died.
        self._live: Live | None = streamed if streamed.is_open else None
        self._answers_in_place = bool(self._posted.names)
        self._latest: Latest[str] | None = None
        self._written = ""
        self._beginning: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        await self._posted.open()
        self._answers_in_place = bool(self._posted.names)
        # Beside the search, which need not wait for it.
        self._beginning = asyncio.create_task(self._show_work())

    def token(self, text: str, *, restart: bool) -> None:
        self._written = text if restart else self._written + text
        if self._answers_in_place or not text:
            return
        if self._latest is None:
            self._live = self._streamed if self._posting.streams else self._changed()
            self._latest = Latest(self._show)
        self._latest.put(self._written)

    async def finish(self, answer: Answer) -> None:
        await self._end_showing()
        if self._live is not None and await self._live.finish(answer):
            return
        await self._put(answer_messages(answer, private=False))

    async def say(self, text: str) -> None:
        await self._end_showing()
        await self._posted.open()
        shown = await self._live.close() if self._live is not None else ""
        await self._put([sentence(f"{shown}\n\n{text}" if shown.strip() else text)])

    async def stopped(self) -> None:
        if not self._posted.names:
            await self._posted.put_all([sentence(wording.STOPPED)])
        await self._session("active")

    async def remove(self) -> None:
        await self._posted.open()
        await self._posted.remove()

    async def close(self) -> None:
        await self._end_showing()
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._live is not None:
            await self._live.close()

    def _changed(self) -> Changed[Rendered]:
        return Changed(self._posting, self._board, self._posted, CHANGE_SECONDS, _piece, sentence)

    async def _show(self, text: str) -> float | None:
        assert self._live is not None  # noqa: S101
        pause = await self._live.show(text)
        if pause is None and self._live is self._streamed and self._streamed.is_nothing:
            # There are no streams, it turned out.
            self._live = self._changed()
            pause = await self._live.show(text)
        return pause

    async def _end_showing(self) -> None:
        # What is on its way must arrive: a start that is cut off would leave a message that nobody knows of.
        if self._latest is not None:
            await self._latest.end()

    async def _put(self, messages: list[Rendered]) -> None:
        is_change = bool(self._posted.names)
        await self._posted.put_all(messages)
        if is_change:
            # A new message takes the status away; a changed one does not.
            await self._status("")
        await self._session("active")

    async def _show_work(self) -> None:
        await self._status(wording.SEARCHING)
        await self._session("processing")

    async def _session(self, status: str) -> None:
        """In a direct message, where Slack's Stop button belongs to a session."""
        if status == "active" and self._beginning is not None:
            # Or "processing" could come after it.
            await asyncio.wait([self._beginning])
        if self._board.channel.startswith("D"):
            with suppress(Refused, Unknown, Retry):
                await self._calls.offer(
                    "agents.sessions.setStatus",
                    channel_id=self._board.channel,
                    thread_ts=self._board.root,
                    status=status,
                )

    async def _status(self, text: str) -> None:
        with suppress(Refused, Unknown, Retry):
            await self._calls.offer(
                "assistant.threads.setStatus", channel_id=self._board.channel, thread_ts=self._board.root, status=text
            )


def _piece(written: str) -> str | None:
    """What of an unfinished text can be shown at once."""
    piece = next_piece(written, "") or ""
    return piece if len(piece) <= STREAM_LIMIT else None
