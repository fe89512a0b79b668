"""Whether the passages that were found can answer the question at all. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, astuple, dataclass, fields

from core.types import Signals

DEFAULT_THRESHOLD = 0.5
# Beyond it a probability is 0 or 1, and the exponential overflows.
LARGEST_LOG_ODDS = 100.0
SIGNALS = tuple(field.name for field in fields(Signals))
_SENTENCE = SIGNALS.index("top_sentence")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression over the signals. `confidence` is 0.5 where it was fitted to begin refusing."""

    bias: float
    weights: tuple[float, ...]
    """One for each of `SIGNALS`."""
    fitted_on: str = "the evaluation data"
    """Names of the data sets, and when."""

    def confidence(self, found: Signals) -> float:
        """0 to 1: how likely the passages answer the question."""
        score = self.bias + sum(weight * signal for weight, signal in zip(self.weights, astuple(found), strict=True))
        return 1 / (1 + math.exp(-max(-LARGEST_LOG_ODDS, min(LARGEST_LOG_ODDS, score))))

    def suffices(self, found: Signals, threshold: float) -> bool:
        """Whether the passages answer, however much better a sentence that was not looked at may be."""
        return self.weights[_SENTENCE] >= 0 and self.confidence(found) >= threshold

    def to_json(self) -> str:
        named = dict(zip(SIGNALS, self.weights, strict=True))
        return json.dumps({**asdict(self), "weights": named}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Raises `ValueError` for a text that another version of this program has written."""
        row = json.loads(text)
        if not isinstance(row, dict) or set(row.get("weights", ())) != set(SIGNALS):
            raise ValueError("these are not the signals of this version")
        weights = tuple(float(row["weights"][name]) for name in SIGNALS)
        return cls(float(row["bias"]), weights, str(row.get("fitted_on", "")))


# By `lorekeeper eval calibrate`; the data and the errors on it are in docs/decisions.md.
BUILT_IN = Calibration(bias=-6.05, weights=(4.54, 6.76, 0.63))


def coverage(rarity: Mapping[str, float], passages: Sequence[Set[str]]) -> float:
    """The largest share of the question's stems, weighted by `rarity`, that one passage holds.

    `rarity`: the inverse document frequency of each of the question's stems. `passages`: their stems.
    """
    total = sum(rarity.values())
    if total <= 0:
        return 0.0
    return max((sum(rarity[stem] for stem in rarity.keys() & stems) for stems in passages), default=0.0) / total
