"""What an evaluation asks of whoever runs the models: a base model, and the same model tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from tuning.dataset.types import Prompt
from tuning.evaluation.types import Likelihood, Reply


class Models(Protocol):
    """Greedy answers, so that the same models give the same report."""

    @property
    def name(self) -> str:
        """How they are run, with all that can change an answer: replies are kept under it."""

    @property
    def window(self) -> int:
        """Longest prompt with its answer, in the model's own tokens."""

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt as the chat template lays it out."""

    def answers(self, prompts: Sequence[Prompt], most_tokens: int, *, tuned: bool) -> Iterator[tuple[int, Reply]]:
        """The replies with the places of their prompts, as they are ready. Raises `GenerationFailed`."""

    def likelihoods(
        self, asked: Sequence[tuple[Prompt, str]], *, tuned: bool
    ) -> Iterator[tuple[int, Likelihood | None]]:
        """How likely these replies are; None where the server cannot tell. Raises `GenerationFailed`."""
