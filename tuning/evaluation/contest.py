"""The contenders side by side: what each is worth, and how sure the differences are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuning.evaluation.bootstrap import Parts, differences, intervals
from tuning.evaluation.gate import Forgetting
from tuning.evaluation.general import is_right
from tuning.evaluation.metrics import METRICS, SCORE, Scored, parts, scored
from tuning.evaluation.types import Contender, GeneralQuestion, Interval, Likelihood, Question, Reply

Figures = Mapping[str, Interval | None]
"""By the names of the metrics; None where one is not defined."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Lists are in the order of the questions."""

    questions: tuple[Question, ...]
    replies: Mapping[Contender, Sequence[Reply]]
    scores: Mapping[Contender, Sequence[Scored]]
    figures: Mapping[Contender, Figures]
    differences: Mapping[Contender, Figures]
    """The adapter less the base, and less few-shot."""
    rival: Contender
    """The one of these two with the higher score."""
    above_silence: Interval | None = None
    """Score of the adapter less that of a model that answers nothing."""

    @property
    def gains(self) -> list[float]:
        """By how much the adapter's score is above the rival's, for each question."""
        pairs = zip(self.scores[Contender.ADAPTER], self.scores[self.rival], strict=True)
        return [mine.score - theirs.score for mine, theirs in pairs]


@dataclass(frozen=True, slots=True)
class General:
    """What base and adapter know beside documents."""

    questions: tuple[GeneralQuestion, ...]
    right: Mapping[Contender, Sequence[bool]]
    forgetting: Forgetting


def compare(
    questions: Sequence[Question], replies: Mapping[Contender, Sequence[Reply]], seed: int, resamples: int
) -> Contest:
    """`replies` of all contenders to all questions."""
    scores = {
        contender: [scored(question, reply.text) for question, reply in zip(questions, said, strict=True)]
        for contender, said in replies.items()
    }
    counted = {contender: parts(those) for contender, those in scores.items()}
    mine = counted[Contender.ADAPTER]
    means = {contender: sum(each.score for each in those) for contender, those in scores.items()}
    silence = parts([scored(question, "") for question in questions])
    return Contest(
        tuple(questions),
        replies,
        scores,
        {contender: _named(intervals(those, seed, resamples)) for contender, those in counted.items()},
        {
            contender: _named(differences(mine, theirs, seed, resamples))
            for contender, theirs in counted.items()
            if contender is not Contender.ADAPTER
        },
        max((Contender.BASE, Contender.FEW_SHOT), key=lambda contender: means[contender]),
        _named(differences(mine, silence, seed, resamples))[SCORE],
    )


def forgotten(
    questions: Sequence[GeneralQuestion],
    replies: Mapping[Contender, Sequence[Reply]],
    likelihoods: Mapping[Contender, Sequence[Likelihood | None]],
    seed: int,
    resamples: int,
) -> General:
    """Of base and adapter; at least one question."""
    right = {
        contender: [is_right(question, reply.text) for question, reply in zip(questions, said, strict=True)]
        for contender, said in replies.items()
    }
    base, adapter = right[Contender.BASE], right[Contender.ADAPTER]
    drop = differences(_shares(base), _shares(adapter), seed, resamples)[0] or Interval(0.0, 0.0, 0.0)
    surprise = _surprise(likelihoods[Contender.BASE], likelihoods[Contender.ADAPTER], seed, resamples)
    count = len(questions)
    return General(tuple(questions), right, Forgetting(count, sum(base) / count, sum(adapter) / count, drop, surprise))


def score_of(contest: Contest, contender: Contender) -> float:
    """The headline; 0 without questions."""
    found = contest.figures[contender][SCORE]
    return found.estimate if found else 0.0


def _named(found: Sequence[Interval | None]) -> dict[str, Interval | None]:
    return {metric.name: interval for metric, interval in zip(METRICS, found, strict=True)}


def _shares(right: Sequence[bool]) -> Parts:
    return np.array([[[float(each), 1.0]] for each in right])


def _surprise(
    base: Sequence[Likelihood | None], adapter: Sequence[Likelihood | None], seed: int, resamples: int
) -> Interval | None:
    """Nats per token over all tokens, where both are known."""
    pairs = [(one, other) for one, other in zip(base, adapter, strict=True) if one and other]
    if not pairs:
        return None
    mine, theirs = (
        np.array([[[each.total, float(each.tokens)]] for each in those]) for those in zip(*pairs, strict=True)
    )
    return differences(mine, theirs, seed, resamples)[0]
