"""Whether a tuned model may be promoted. Pure.

It passes only if all of these hold: there are enough questions; its score beats that of its strongest rival beyond the
interval, and that of answering nothing at all; it did not become better at one kind of question by becoming worse at the
other; it writes answers in the demanded form as reliably as the rival; and it forgets no more than the limits allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from core.types.adapters import Verdict
from tuning.evaluation.types import Contender, Interval

# With so many questions, an interval that says 95 % was seen to hold the truth in 93 % of simulated comparisons.
FEWEST_QUESTIONS = 30
MOST_FORGETTING = 0.05
MOST_SURPRISE = 1.0
MOST_LOST = 0.1
RIVALS = {
    Contender.BASE: "the base model",
    Contender.FEW_SHOT: "the base model with examples in its prompt",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gate asks for."""

    fewest: int = FEWEST_QUESTIONS
    """Held-out questions."""
    most_forgetting: float = MOST_FORGETTING
    """Share of the general questions by which it may be worse than its base."""
    most_surprise: float = MOST_SURPRISE
    """By how many nats per token the general answers may become less likely."""
    most_lost: float = MOST_LOST
    """By which it may be worse than its rival at the questions with an answer, or at those without one, beyond the interval."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The tuned model against its base on the general questions."""

    questions: int
    base: float
    """Accuracy."""
    adapter: float
    drop: Interval
    """Of the accuracy; positive is worse."""
    surprise: Interval | None = None
    """Nats per token by which the reference answers became less likely; None where the server cannot tell."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that decides."""

    questions: int
    rival: Contender
    """The stronger of base and few-shot."""
    score: Interval | None
    """Of the adapter less that of the rival; None without questions."""
    validity: Interval | None
    forgetting: Forgetting
    above_silence: Interval | None = None
    """Score of the adapter less that of a model that answers nothing."""
    answering: Interval | None = None
    """Answer F1 less the rival's; None where no question has an answer."""
    declining: Interval | None = None
    """Share of the questions without an answer that it says so of, less the rival's; None where all have one."""


def decide(measured: Measured, limits: Limits) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and the sentences that say why."""
    problems = [*_too_few(measured, limits), *_not_better(measured), *_silent(measured), *_one_sided(measured, limits)]
    problems += [*_malformed(measured), *_forgetful(measured.forgetting, limits)]
    if problems or measured.score is None:
        return Verdict.FAILED, tuple(problems)
    return Verdict.PASSED, (_is_better(measured, measured.score), _keeps(measured.forgetting))


def more_questions(measured: Measured) -> int | None:
    """How many more are likely to show that it is better, if it is as much better as it seems; None if it seems not.

    The width of an interval shrinks with the square root of the number of questions.
    """
    score = measured.score
    if score is None or score.estimate <= 0:
        return None
    width = score.estimate - score.low
    return max(0, math.floor(measured.questions * (width / score.estimate) ** 2) + 1 - measured.questions)


def _is_better(measured: Measured, score: Interval) -> str:
    return (
        f"It is better than {RIVALS[measured.rival]} by {_with_interval(score)} in score, "
        f"on {measured.questions} held-out questions."
    )


def _keeps(forgetting: Forgetting) -> str:
    return (
        f"Of {forgetting.questions} general questions it answers {forgetting.adapter:.1%} right, "
        f"where the base model has {forgetting.base:.1%}."
    )


def _too_few(measured: Measured, limits: Limits) -> Iterator[str]:
    if measured.questions < limits.fewest:
        yield (
            f"There are only {measured.questions} held-out questions; at least {limits.fewest} are needed, "
            f"which is {limits.fewest - measured.questions} more."
        )


def _not_better(measured: Measured) -> Iterator[str]:
    score, rival = measured.score, RIVALS[measured.rival]
    if score is None or score.low > 0:
        return
    if score.estimate <= 0:
        yield f"It is not better than {rival}: its score differs by {_with_interval(score)}."
        return
    yield (
        f"It is not better than {rival} beyond chance: its score differs by {_with_interval(score)}. "
        f"If it is as much better as it seems, about {more_questions(measured)} more questions would show it."
    )


def _silent(measured: Measured) -> Iterator[str]:
    above = measured.above_silence
    if above is not None and above.low <= 0:
        yield (
            f"It is not better than a model that answers nothing: its score differs by {_with_interval(above)}. "
            "Too many of the held-out questions have no answer, or it answers too few of the others."
        )


def _one_sided(measured: Measured, limits: Limits) -> Iterator[str]:
    rival = RIVALS[measured.rival]
    kinds = (
        (measured.answering, "answers worse", "where the passages answer: the answer F1"),
        (measured.declining, "says less often", "that the passages do not answer, where they do not: the share"),
    )
    for found, does, what in kinds:
        if found is not None and found.high < -limits.most_lost:
            yield (
                f"It {does} than {rival} {what} differs by {_with_interval(found)}; "
                f"more than {limits.most_lost:g} may not be lost."
            )


def _malformed(measured: Measured) -> Iterator[str]:
    validity = measured.validity
    if validity is not None and validity.high < 0:
        yield (
            f"Its answers are less often in the demanded form than those of {RIVALS[measured.rival]}: "
            f"the share differs by {_with_interval(validity)}."
        )


def _forgetful(forgetting: Forgetting, limits: Limits) -> Iterator[str]:
    if forgetting.drop.estimate > limits.most_forgetting:
        yield (
            f"It forgets: of {forgetting.questions} general questions it answers {forgetting.adapter:.1%} right, "
            f"where the base model has {forgetting.base:.1%}; the drop may be {limits.most_forgetting:.1%} at most."
        )
    surprise = forgetting.surprise
    # A base model that knows hardly any of the answers has nothing to forget, however its guesses shift.
    if forgetting.base > limits.most_forgetting and surprise is not None and surprise.low > limits.most_surprise:
        yield (
            f"It forgets: the right answers to general questions are less likely than with the base model by "
            f"{_with_interval(surprise)} nats per token; {limits.most_surprise:g} is allowed."
        )


def _with_interval(found: Interval) -> str:
    return f"{found.estimate:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f})"
