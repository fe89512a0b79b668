"""Where one answer appears in Discord: shown as it is written where there is room, and always exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bots.chat import wording
from bots.chat.board import Board
from bots.chat.latest import Latest
from bots.chat.live import Changed
from bots.chat.posted import Note, Posted
from bots.discord.calls import Calls
from bots.discord.render import Rendered, answer_messages, sentence, unfinished
from core.store.inbox import Entry
from core.types import Answer, Outcome

# Five changes in five seconds are allowed for one channel.
CHANGE_SECONDS = 1.2
# Discord shows for ten seconds that somebody is typing.
TYPING_SECONDS = 8.0


class DiscordSurface:
    """Implements `bots.chat.answering.Surface`."""

    def __init__(
        self,
        calls: Calls,
        board: Board[Rendered],
        entry: Entry,
        note: Note,
        *,
        private: bool = False,
        typing: Callable[[], Awaitable[None]] | None = None,
        answered: Callable[[], Awaitable[None]] | None = None,
        withdrawn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`typing` shows that something is happening; `answered` is called when the documents answered,
        and `withdrawn` when there is no answer any more.
        """
        self._withdrawn = withdrawn
        self._private = private
        self._typing = typing
        self._answered = answered
        self._posted: Posted[Rendered] = Posted(board, entry, note)
        self._live = Changed(calls, board, self._posted, CHANGE_SECONDS, unfinished, sentence)
        self._latest = Latest(self._live.show)
        self._answers_in_place = bool(self._posted.names)
        self._written = ""
        self._busy: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        await self._posted.open()
        self._answers_in_place = bool(self._posted.names)
        if self._typing is not None:
            # Beside the search, which need not wait for it.
            self._busy = asyncio.create_task(self._show_work(self._typing))

    def token(self, text: str, *, restart: bool) -> None:
        self._written = text if restart else self._written + text
        if not self._answers_in_place and text:
            self._latest.put(self._written)

    async def finish(self, answer: Answer) -> None:
        await self._settle()
        await self._posted.put_all(answer_messages(answer, private=self._private))
        if self._answered is not None and answer.outcome is Outcome.ANSWERED:
            await self._answered()

    async def say(self, text: str) -> None:
        shown = await self._settle()
        await self._posted.open()
        await self._posted.put_all([sentence(f"{shown}\n\n{text}" if shown.strip() else text)])

    async def stopped(self) -> None:
        if not self._posted.names:
            await self._posted.put_all([sentence(wording.STOPPED)])

    async def remove(self) -> None:
        await self._posted.open()
        await self._posted.remove()
        if self._withdrawn is not None:
            await self._withdrawn()

    async def close(self) -> None:
        await self._settle()

    async def _settle(self) -> str:
        """Nothing is shown beside the final form; returns what was."""
        await self._latest.end()
        if self._busy is not None:
            self._busy.cancel()
            await asyncio.gather(self._busy, return_exceptions=True)
        return await self._live.close()

    async def _show_work(self, typing: Callable[[], Awaitable[None]]) -> None:
        while not self._written:
            await typing()
            await asyncio.sleep(TYPING_SECONDS)
