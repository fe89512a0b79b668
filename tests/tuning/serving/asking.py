"""People who ask all the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

from core.generation.auto import OnlyChat
from core.generation.chat import ChatGenerator
from core.settings import Settings
from core.types import GenerationRequest, Passage
from tuning.serving.keeper import ModelKeeper

QUESTIONS = 16
PASSAGE = Passage("c1", "d1", "Leave", "You accrue 13 days of annual leave per year.", "", 1.0)
REQUEST = GenerationRequest("How much leave?", "How much leave?", (PASSAGE,))


class Askers:
    """They ask in the namespace `hr`, and again as soon as they are answered."""

    def __init__(self, settings: Settings, keeper: ModelKeeper) -> None:
        # With this mode, whatever goes wrong is an error.
        self._chooser = OnlyChat(ChatGenerator(settings.generation, lambda text: len(text.split())))
        self._keeper = keeper
        self._act = 0
        self._has_ended = False
        self.ends: list[tuple[int, str, str]] = []
        """In which act a question was asked, who answered, and what."""

    @asynccontextmanager
    async def asking(self, people: int = 8) -> AsyncGenerator[None, None]:
        """So many, until the end of the block. None of their questions may have failed."""
        # Whoever is cancelled while a connection is made may leave it open, so all are answered to the end.
        self._has_ended = False
        tasks = [asyncio.create_task(self._ask()) for _ in range(people)]
        try:
            yield
        finally:
            self._has_ended = True
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended == [None] * people

    async def who_answers(self) -> set[str]:
        """Of what is asked from now on."""
        self._act += 1
        while sum(act == self._act for act, _, _ in self.ends) < QUESTIONS:
            await asyncio.sleep(0.005)
        return {name for act, name, _ in self.ends if act == self._act}

    async def who_answers_after_a_round(self) -> set[str]:
        await self._keeper.look()
        return await self.who_answers()

    async def _ask(self) -> None:
        while not self._has_ended:
            act, model = self._act, await self._keeper.model_for("hr")
            async with aclosing(self._chooser.stream(REQUEST, model)) as stream:
                pieces = [piece async for piece in stream]
            self.ends.append((act, pieces[-1].generator.removeprefix("chat:"), "".join(piece.text for piece in pieces)))
