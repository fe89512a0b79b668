"""Entries on their way into the inbox: those that come while others are being written go together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from core.store.inbox import Entry, Inbox

_Write = tuple[Entry, asyncio.Future[bool]]


class Writes:
    """`written` is called after each transaction that brought something new."""

    def __init__(self, inbox: Inbox, written: Callable[[], None]) -> None:
        self._inbox = inbox
        self._written = written
        self._waiting: list[_Write] = []
        self._batch: list[_Write] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, entry: Entry) -> bool:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return await future

    async def settled(self, key: str) -> None:
        """Wait until what was given with this key is written, or refused."""
        futures = [future for entry, future in (*self._batch, *self._waiting) if entry.key == key]
        if futures:
            await asyncio.wait(futures)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                self._batch, self._waiting = self._waiting, []
                await self._write_batch(self._batch)
        finally:
            self._batch, self._task = [], None

    async def _write_batch(self, batch: Sequence[_Write]) -> None:
        try:
            new = await asyncio.to_thread(self._inbox.accept, [entry for entry, _ in batch])
        except Exception as error:  # noqa: BLE001 - belongs to those who wait
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        if new:
            self._written()
        for entry, future in batch:
            if not future.done():
                future.set_result(entry.key in new)
            # Of several deliveries in one batch, one is new.
            new.discard(entry.key)
