"""The terminal as the contract suite sees it: somebody types, and reads what is printed."""

from __future__ import annotations

import asyncio
import io
import queue
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bots.terminal import converse
from tests.contracts.driver import ANN, Asked, Can, Seen
from tests.contracts.partial import Partial
from tests.contracts.stage import Stage, staged
from tests.fakes.openai_server import FakeOpenAI

CAN = frozenset({Can.FOLLOW_UP, Can.SHOW})
PROMPT = "> "


class _Keyboard(io.TextIOBase):
    """Standard input: gives a line when there is one, and says when it is waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.waiting = asyncio.Event()

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        self._loop.call_soon_threadsafe(self.waiting.set)
        return self._lines.get()

    def type(self, line: str) -> None:
        self.waiting.clear()
        self._lines.put(line)


@dataclass(slots=True)
class _Conversation:
    keyboard: _Keyboard
    printed: io.StringIO
    running: asyncio.Task[None]

    async def type(self, text: str) -> int:
        """Returns where the answer will begin."""
        await self._waiting()
        begins = self.printed.tell()
        self.keyboard.type(f"{text}\n")
        return begins

    async def answer(self, begins: int) -> str:
        await self._waiting()
        return self.printed.getvalue()[begins:].removesuffix(PROMPT).strip()

    async def _waiting(self) -> None:
        """Until the next line is asked for, or what went wrong is known."""
        waiting = asyncio.create_task(self.keyboard.waiting.wait())
        await asyncio.wait({waiting, self.running}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.running.done():
            self.running.result()


class TerminalDriver(Partial):
    """Implements `tests.contracts.driver.ChannelDriver`. One conversation at a time."""

    name = "terminal"
    can = CAN

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._conversation: _Conversation | None = None

    async def ask(
        self,
        text: str,
        *,
        person: str = ANN,
        private: bool = False,
        direct: bool = False,
        namespace: str = "default",
        file: tuple[str, bytes] | None = None,
    ) -> Asked:
        await self.close()
        keyboard, printed = _Keyboard(asyncio.get_running_loop()), io.StringIO()
        running = asyncio.create_task(asyncio.to_thread(self._converse, keyboard, printed, namespace))
        self._conversation = _Conversation(keyboard, printed, running)
        return Asked(text, person, namespace, await self._conversation.type(text))

    async def say(self, text: str, after: Asked, *, person: str = ANN, to: str = "") -> Asked:
        assert self._conversation is not None
        return Asked(text, person, after.namespace, await self._conversation.type(text))

    async def seen(self, asked: Asked) -> Seen:
        assert self._conversation is not None
        return Seen((await self._conversation.answer(asked.handle),), is_private=True)

    async def close(self) -> None:
        """An empty line ends the conversation."""
        if self._conversation is not None:
            self._conversation.keyboard.type("")
            await self._conversation.running
            self._conversation = None

    def _converse(self, keyboard: _Keyboard, printed: io.StringIO, namespace: str) -> None:
        with patch("sys.stdin", keyboard), redirect_stdout(printed):
            converse(self.stage.application.asker, namespace)


@asynccontextmanager
async def open_driver(folder: Path, model: FakeOpenAI, chosen: dict[str, Any]) -> AsyncGenerator[TerminalDriver, None]:
    async with staged(folder, model, chosen) as stage:
        driver = TerminalDriver(stage)
        try:
            yield driver
        finally:
            await driver.close()
