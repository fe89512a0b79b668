"""Every value of an evaluation: frozen and slotted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.types import Passage
from tuning.dataset.types import Example, Prompt


class Contender(StrEnum):
    """Who answers."""

    BASE = "base"
    FEW_SHOT = "few-shot"
    """The base model with worked examples in its prompt."""
    ADAPTER = "adapter"
    """The base model with the adapter, or what it was merged to."""


@dataclass(frozen=True, slots=True)
class Question:
    """A held-out example, and which of its passages answer."""

    example: Example
    passages: tuple[Passage, ...]
    """As the prompt shows them."""
    gold: frozenset[int]
    """Numbers, from 1, of those that answer."""


@dataclass(frozen=True, slots=True)
class GeneralQuestion:
    """A question that has nothing to do with documents."""

    question: str
    answers: tuple[str, ...]
    """Any of them is right; the first is the reference whose likelihood is measured."""
    kind: str
    language: str
    is_exact: bool = False
    """The reply has to be the answer and nothing else."""

    @property
    def prompt(self) -> Prompt:
        return (("user", self.question),)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said."""

    text: str
    seconds: float
    tokens: int | None
    """How many it wrote; None where the server does not tell."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a model finds a text."""

    total: float
    """Sum of the natural logarithms of its tokens' probabilities."""
    tokens: int


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float
