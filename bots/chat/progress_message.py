"""One message that is kept up to date while files are received, and one that tells the end: each exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from bots.chat.board import Board
from bots.chat.latest import Latest
from bots.chat.posted import Note, Posted
from core.store.inbox import Entry

CHANGE_SECONDS = 1.5
M = TypeVar("M")


class ProgressMessage(Generic[M]):
    """For one entry with files. `open` goes first; `close` ends it, whatever happened."""

    def __init__(self, board: Board[M], entry: Entry, note: Note) -> None:
        self._posted = Posted(board, entry, note)
        self._latest: Latest[M] = Latest(self._change)

    @property
    def kept(self) -> Mapping[str, Any]:
        """What was kept by an earlier try."""
        return self._posted.kept

    async def keep(self, name: str, value: Any) -> None:
        """Remember something for the case that this process dies."""
        await self._posted.keep(name, value)

    async def open(self) -> None:
        """Look what an earlier try left behind. Raises `bots.chat.desk.Retry`."""
        await self._posted.open()

    async def begin(self, message: M) -> None:
        """Show it now. Raises `bots.chat.desk.Retry`."""
        await self._posted.put(0, message)

    def show(self, message: M) -> None:
        """Show it as soon as there is room, unless something newer takes its place. Never waits."""
        self._latest.put(message)

    async def leave(self, message: M) -> None:
        """Show it if there is room now, and nothing after it: a later try goes on."""
        await self._latest.end()
        await self._posted.offer(message)

    async def finish(self, *messages: M) -> None:
        """The final form of the message, and those that follow it. Raises `bots.chat.desk.Retry`."""
        await self._latest.end()
        await self._posted.put_all(messages)

    async def remove(self) -> None:
        await self._latest.end()
        await self._posted.remove()

    async def close(self) -> None:
        await self._latest.end()

    async def _change(self, message: M) -> float:
        # The final form puts right whatever fails here.
        await self._posted.offer(message)
        return CHANGE_SECONDS
