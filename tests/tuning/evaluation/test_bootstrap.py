"""Intervals: right where the answer is known, wide where little is known, and honest over many draws."""

from __future__ import annotations

import numpy as np
import pytest

from tuning.evaluation.bootstrap import Parts, differences, intervals
from tuning.evaluation.types import Interval

RESAMPLES = 2000


def means(values: object) -> Parts:
    """One metric, the mean."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.stack([numbers, np.ones_like(numbers)], axis=-1)[:, None, :]


def difference(mine: object, theirs: object, seed: int = 1) -> Interval:
    (found,) = differences(means(mine), means(theirs), seed, RESAMPLES)
    assert found is not None
    return found


def test_the_same_answers_differ_by_nothing() -> None:
    values = np.linspace(0, 1, 50)
    assert difference(values, values) == Interval(0, 0, 0)


def test_a_constant_difference_is_certain_however_scattered_the_questions_are() -> None:
    values = np.linspace(0, 1, 50)
    found = difference(values + 0.25, values)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_shares_have_the_width_that_theory_says() -> None:
    found = difference([1] * 300 + [0] * 100, [0] * 400)
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert found.estimate == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)


def test_pairing_narrows_the_interval() -> None:
    random = np.random.default_rng(3)
    hard = random.normal(0, 1, 200)
    mine, theirs = hard + 0.1 + random.normal(0, 0.1, 200), hard
    paired = difference(mine, theirs)
    unpaired = difference(mine, np.roll(theirs, 100))
    assert paired.high - paired.low < 0.2 * (unpaired.high - unpaired.low)


def test_a_ratio_is_drawn_as_a_whole() -> None:
    """A precision of 3 in 4, whose denominator differs from draw to draw."""
    parts = np.array([[[1.0, 1.0]]] * 30 + [[[0.0, 1.0]]] * 10 + [[[0.0, 0.0]]] * 60)
    (found,) = intervals(parts, 1, RESAMPLES)
    assert found is not None
    assert found.estimate == 0.75
    assert 0.58 < found.low < 0.64
    assert 0.86 < found.high < 0.91


def test_what_is_not_defined_has_no_interval() -> None:
    never = np.zeros((20, 1, 2))
    assert intervals(never, 1, RESAMPLES) == [None]
    assert differences(never, means(np.ones(20)), 1, RESAMPLES) == [None]
    assert intervals(np.zeros((0, 3, 2)), 1, RESAMPLES) == [None, None, None]


def test_a_seed_gives_the_same_interval_and_another_one_another() -> None:
    random = np.random.default_rng(5)
    mine, theirs = random.random(40), random.random(40)
    assert difference(mine, theirs, 1) == difference(mine, theirs, 1)
    assert difference(mine, theirs, 1) != difference(mine, theirs, 2)


@pytest.mark.parametrize("questions", [30, 100])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(questions: int) -> None:
    """Scores as they come: many at 0 and 1, the rest between."""
    random = np.random.default_rng(7)
    tries, held = 300, 0
    for each in range(tries):
        mine = random.choice([0.0, 0.4, 1.0], questions, p=[0.3, 0.2, 0.5])
        theirs = random.choice([0.0, 0.4, 1.0], questions, p=[0.5, 0.2, 0.3])
        found = difference(mine, theirs, each)
        held += found.low <= 0.2 <= found.high
    assert 0.91 <= held / tries <= 0.98
