"""Whether the passages that were found can answer the question at all. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set

from core.types import Signals

# Logistic regression over the signals, by `lorekeeper eval calibration`; the data and the errors on it are in
# docs/decisions.md. `confidence` is 0.5 where two in a hundred answerable questions are refused.
BIAS = -6.61
WEIGHTS = {"top_dense": 5.2, "top_sentence": 7.19, "coverage": 1.45}
DEFAULT_THRESHOLD = 0.5


def confidence(found: Signals) -> float:
    """0 to 1: how likely the passages answer the question."""
    score = BIAS + sum(weight * getattr(found, name) for name, weight in WEIGHTS.items())
    return 1 / (1 + math.exp(-score))


def coverage(rarity: Mapping[str, float], passages: Sequence[Set[str]]) -> float:
    """The largest share of the question's stems, weighted by `rarity`, that one passage holds.

    `rarity`: the inverse document frequency of each of the question's stems. `passages`: their stems.
    """
    total = sum(rarity.values())
    if total <= 0:
        return 0.0
    return max((sum(rarity[stem] for stem in rarity.keys() & stems) for stems in passages), default=0.0) / total
