"""An unfinished answer on a platform."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from bots.chat.board import Board, Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.posted import Posted
from core.types import Answer

M = TypeVar("M")


class Live(Protocol):
    """One way to show it."""

    async def show(self, text: str) -> float | None:
        """Show as much of the text so far as can be. As `bots.chat.latest.Latest` wants it."""
        ...

    async def finish(self, answer: Answer) -> bool:
        """Turn it into the final form; False when that has to be put in its place instead."""
        ...

    async def close(self) -> str:
        """The message must not look as if it were still being written; returns the text that it shows."""
        ...


class Room(Protocol):
    """How much more the platform takes."""

    open_changes: int
    """Answers that are shown by changes: each needs one for its final form."""

    @property
    def changes(self) -> bool:
        """Whether a change is left beyond those that final forms will need."""
        ...


class Changed(Generic[M]):
    """A message is posted, and changed while the answer is written."""

    def __init__(
        self,
        room: Room,
        board: Board[M],
        posted: Posted[M],
        seconds: float,
        piece: Callable[[str], str | None],
        render: Callable[[str], M],
    ) -> None:
        """`seconds` lie between two changes; `piece` is what of a text can be shown, None when it is too long for that."""
        self._room = room
        self._board = board
        self._posted = posted
        self._seconds = seconds
        self._piece = piece
        self._render = render
        self._shown = ""
        self._is_begun = False
        self._is_unsure = False
        """The platform has failed in the middle of something, and may have done it."""

    async def show(self, text: str) -> float | None:
        piece = self._piece(text)
        if piece is None or self._is_unsure:
            return None
        if not piece:
            return 0.0
        if piece == self._shown:
            # It may be as much as fits: not looked at again for every word.
            return self._seconds
        if self._room.changes:
            message = self._render(piece)
            shown = await (self._posted.offer(message) if self._is_begun else self._begin(message))
            self._shown = piece if shown else self._shown
        return self._seconds

    async def finish(self, answer: Answer) -> bool:
        await self._settle()
        return False

    async def close(self) -> str:
        await self._settle()
        return self._shown

    async def _begin(self, message: M) -> bool:
        # Reserved before the first wait, or all that come together would find the same room.
        self._room.open_changes += 1
        name = None
        try:
            await self._posted.announce()
            name = await self._board.offer_post(message)
        except Unknown:
            self._is_unsure = True
        except (Refused, Retry):
            # Said, or tried again, with the final form.
            pass
        finally:
            self._is_begun = name is not None
            self._room.open_changes -= not self._is_begun
        if name is not None:
            await self._posted.done(name)
        return name is not None

    async def _settle(self) -> None:
        self._room.open_changes -= self._is_begun
        self._is_begun = False
        if self._is_unsure:
            self._is_unsure = False
            with suppress(Refused):
                await self._posted.open()
