"""A generator that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from core.types import Answer, Citation, Event, Finished, Outcome, Question, Token

MOST_PIECES = 50


@dataclass(frozen=True, slots=True)
class Scripted:
    """Implements `core.ports.Asker`: says its text, some words at a time, for so many seconds."""

    text: str
    seconds: float = 0.0

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        size = max(len(self.text) // MOST_PIECES, 8)
        pieces = [self.text[start : start + size] for start in range(0, len(self.text), size)]
        for piece in pieces:
            await asyncio.sleep(self.seconds / len(pieces))
            yield Token(piece)
        cited = (Citation(1, "Leave", "", self.text[:100], "d1"),)
        yield Finished(Answer(question.id, Outcome.ANSWERED, self.text, cited, thread=question.thread))

    async def ask(self, question: Question) -> Answer:
        raise NotImplementedError
