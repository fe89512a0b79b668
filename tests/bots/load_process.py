"""Bot processes that can be killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from tests.bots.load_bot import Plan, Vitals

START_SECONDS = 60.0


class Platform(Protocol):
    """A loopback one."""

    async def until(self, condition: Callable[[], Any], timeout_s: float = ...) -> Any: ...


class Process:
    """A bot that can be killed."""

    def __init__(self, platform: Platform, count: Callable[[], int], plan: Plan) -> None:
        """`count`: how many bots are connected to the platform."""
        self._platform = platform
        self._count = count
        self._plan = plan
        self._process: asyncio.subprocess.Process | None = None

    async def spawn(self, *, stuck_at: str = "") -> None:
        plan = replace(self._plan, stuck_at=stuck_at)
        command = [sys.executable, "-m", "tests.bots.load_bot", plan.dumped()]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)

    async def start(self) -> None:
        live = self._count()
        await self.spawn()
        await self._platform.until(lambda: self._count() > live, START_SECONDS)

    async def kill(self) -> None:
        """kill -9, until the platform has noticed."""
        live = self._count()
        await self.end()
        await self._platform.until(lambda: self._count() < live, START_SECONDS)

    async def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def vitals(self) -> Vitals:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGUSR1)
        return Vitals(**json.loads(await self._process.stdout.readline()))

    @property
    def is_running(self) -> bool:
        return self._process is not None


async def cpu_seconds(processes: Sequence[Process]) -> float:
    """Of those that are running."""
    return sum([(await each.vitals()).cpu_seconds for each in processes if each.is_running])


@asynccontextmanager
async def started(
    platform: Platform, count: Callable[[], int], plan: Plan, processes: int
) -> AsyncGenerator[list[Process], None]:
    """So many bots, which begin at the same time; killed when the block ends."""
    bots = [Process(platform, count, plan) for _ in range(processes)]
    try:
        await asyncio.gather(*(bot.spawn(stuck_at=plan.stuck_at) for bot in bots))
        await platform.until(lambda: count() == processes, START_SECONDS)
        yield bots
    finally:
        for bot in bots:
            await bot.end()
