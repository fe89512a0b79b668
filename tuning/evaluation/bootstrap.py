"""Confidence intervals by the paired bootstrap. Pure: the same seed gives the same interval.

Questions are drawn again with replacement, the same ones for both systems, and the difference is taken each time; the
interval holds the middle 95 % of the differences (the percentile method: Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13; for comparing two systems on one test set: Koehn, "Statistical significance tests for machine
translation evaluation", EMNLP 2004). Every metric is a ratio of two sums over questions, so that ratios such as F1 are
drawn as a whole and all metrics are drawn at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tuning.evaluation.types import Interval

RESAMPLES = 10_000
LEVEL = 0.95
# Draws at a time: 500 draws of 10,000 questions take 40 MB.
BLOCK = 500
Parts = NDArray[np.float64]
"""(questions, metrics, 2): what each question adds to numerator and denominator."""


def intervals(parts: Parts, seed: int, resamples: int = RESAMPLES) -> list[Interval | None]:
    """Of each metric; None where nothing defines it, such as the precision of who never abstains."""
    draws = [_ratios(counts, parts) for counts in _draws(len(parts), seed, resamples)]
    return _intervals(_ratios(_all_once(parts), parts)[0], draws)


def differences(mine: Parts, theirs: Parts, seed: int, resamples: int = RESAMPLES) -> list[Interval | None]:
    """Mine less theirs on the same questions, of each metric; None where it is not defined for both."""
    draws = [_ratios(counts, mine) - _ratios(counts, theirs) for counts in _draws(len(mine), seed, resamples)]
    estimate = _ratios(_all_once(mine), mine) - _ratios(_all_once(theirs), theirs)
    return _intervals(estimate[0], draws)


def _draws(questions: int, seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """How often each question is drawn, (draws, questions), in blocks."""
    random = np.random.default_rng(seed)
    for begin in range(0, resamples if questions else 0, BLOCK):
        size = min(BLOCK, resamples - begin)
        yield random.multinomial(questions, np.full(questions, 1 / questions), size).astype(np.float64)


def _all_once(parts: Parts) -> NDArray[np.float64]:
    return np.ones((1, len(parts)))


def _ratios(counts: NDArray[np.float64], parts: Parts) -> NDArray[np.float64]:
    """(draws, metrics); NaN where the denominator is 0."""
    above, below = counts @ parts[:, :, 0], counts @ parts[:, :, 1]
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _intervals(estimates: NDArray[np.float64], draws: list[NDArray[np.float64]]) -> list[Interval | None]:
    if not draws:
        return [None] * len(estimates)
    outside = (1 - LEVEL) / 2
    return [
        _interval(float(estimate), column[np.isfinite(column)], outside)
        for estimate, column in zip(estimates, np.concatenate(draws).T, strict=True)
    ]


def _interval(estimate: float, drawn: NDArray[np.float64], outside: float) -> Interval | None:
    if not np.isfinite(estimate) or not drawn.size:
        return None
    low, high = np.quantile(drawn, (outside, 1 - outside))
    return Interval(estimate, float(low), float(high))
