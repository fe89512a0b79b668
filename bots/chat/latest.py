"""Shows the newest form of something that changes faster than a platform takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """One form after the other; those that a newer one overtakes are never shown."""

    def __init__(self, show: Callable[[T], Awaitable[float | None]]) -> None:
        """`show` returns how many seconds to wait before the next, or None to show no more; it raises nothing."""
        self._show = show
        self._next: list[T] = []
        self._fresh = asyncio.Event()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def put(self, form: T) -> None:
        """Show it as soon as there is room. Never waits."""
        if self._over.is_set():
            return
        self._next = [form]
        self._fresh.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Nothing more is shown. Waits for what is on its way, or it could arrive after what comes next."""
        self._over.set()
        self._fresh.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            if self._over.is_set():
                return
            form = self._next.pop()
            pause = await self._show(form)
            if pause is None:
                self._over.set()
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._over.wait()
