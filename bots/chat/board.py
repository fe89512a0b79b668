"""Where the messages for one entry go: what every chat platform can do, and how it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

M_contra = TypeVar("M_contra", contravariant=True)


class Refused(Exception):
    """The platform does not do it, now or later. `error` is its code."""

    def __init__(self, call: str, error: str) -> None:
        super().__init__(f"{call}: {error}")
        self.error = error


class Unknown(Exception):
    """The connection broke: nobody knows whether the platform did it."""


class Board(Protocol[M_contra]):
    """One place of a platform, for one entry. Waits out the platform's limits; all methods raise `bots.chat.desk.Retry`.

    What is posted has a name, which means something to the board alone, also in another process.
    """

    async def post(self, message: M_contra, part: int, before: Callable[[], Awaitable[None]]) -> str | None:
        """The name of the new message, the entry's `part`-th; None when the platform takes it nowhere.

        `before` is awaited once, when there is room. Raises `Unknown`.
        """
        ...

    async def offer_post(self, message: M_contra) -> str | None:
        """The same for the first message of an entry, where it may as well be posted later: None also when there is no
        room now. Raises `Refused`, `Unknown`.
        """
        ...

    async def change(self, posted: str, message: M_contra) -> bool:
        """False when it is not there any more, or cannot be changed."""
        ...

    async def offer_change(self, posted: str, message: M_contra) -> bool:
        """The same where it does not matter whether it is done: False also when there is no room now, or it failed."""
        ...

    async def delete(self, posted: str) -> None:
        """It may be gone already."""
        ...

    async def find(self) -> Sequence[str]:
        """What was posted for the entry before, in order, as far as that can be seen."""
        ...
