"""The messages of one entry on a platform: each exactly once, over crashes and several tries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from bots.chat.board import Board, Unknown
from bots.chat.desk import Retry
from core.store.inbox import Entry

Json = dict[str, Any]
Note = Callable[[Entry, Json], Awaitable[None]]
M = TypeVar("M")


class Posted(Generic[M]):
    """Begins with what the entry's `reply` says, and notes there what it does before and after doing it.

    Who finds a note that something is being posted, and not what, looks for it.
    """

    def __init__(self, board: Board[M], entry: Entry, note: Note) -> None:
        self._board = board
        self._entry = entry
        self._write = note
        reply = entry.reply
        self.names: list[str] = [str(name) for name in reply.get("names", ())]
        """In the order of the messages."""
        self._is_posting = bool(reply.get("posting"))
        # What an edited message asked for before its edit counts no more.
        self._kept: Json = dict(reply.get("kept", {})) if reply.get("revision", 0) == entry.revision else {}

    @property
    def kept(self) -> Mapping[str, Any]:
        """What was kept by an earlier try."""
        return self._kept

    async def keep(self, name: str, value: Any) -> None:
        """Remember something for the case that this process dies."""
        self._kept[name] = value
        await self._note()

    async def open(self) -> None:
        """Look for what an earlier try posted before it could say so. Raises `Retry`."""
        if not self._is_posting:
            return
        found = list(await self._board.find())
        self.names += [name for name in found if name not in self.names]
        await self.done()

    async def announce(self) -> None:
        """Something is about to be posted."""
        if not self._is_posting:
            self._is_posting = True
            try:
                await self._note()
            except BaseException:
                # Without the note nobody would look for it.
                self._is_posting = False
                raise

    async def done(self, name: str | None = None, **kept: Any) -> None:
        """Nothing is being posted any more; `name` is what was, and `kept` as for `keep`."""
        self._is_posting = False
        self._kept |= kept
        if name is not None:
            self.names.append(name)
        await self._note()

    async def put(self, index: int, message: M) -> None:
        """Make it the message at this place, or a new last one. Raises `Retry`."""
        if index < len(self.names) and await self._board.change(self.names[index], message):
            return
        try:
            name = await self._board.post(message, index, self.announce)
        except Unknown as unknown:
            # The next try looks whether it is there.
            raise Retry(str(unknown)) from unknown
        self.names[index : index + 1] = [] if name is None else [name]
        await self.done()

    async def put_all(self, messages: Sequence[M]) -> None:
        """Put these where the entry's messages are, or make them; what was there beyond them goes. Raises `Retry`."""
        for index, message in enumerate(messages):
            await self.put(index, message)
        await self._drop(len(messages))

    async def offer(self, message: M) -> bool:
        """Change the first one if there is room now."""
        return bool(self.names) and await self._board.offer_change(self.names[0], message)

    async def remove(self) -> None:
        """Delete them all. Raises `Retry`."""
        await self._drop(0)

    async def _drop(self, first: int) -> None:
        if len(self.names) <= first:
            return
        for name in self.names[first:]:
            await self._board.delete(name)
        del self.names[first:]
        await self._note()

    async def _note(self) -> None:
        note: Json = {"names": list(self.names), "kept": dict(self._kept), "revision": self._entry.revision}
        if self._is_posting:
            note["posting"] = True
        await self._write(self._entry, note)
