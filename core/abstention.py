"""Whether the passages that were found can answer the question at all. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from core.retrieval.text import analyze
from core.types import Passage, Signals

# Passages whose words count as found; agreement is looked at over the same ones.
TOP = 5
# Logistic regression over the signals; fitted by `evals/calibration.py`.
WEIGHTS = {"top_dense": 6.0, "margin": 2.0, "coverage": 3.0, "agreement": 1.0}
BIAS = -4.5
DEFAULT_THRESHOLD = 0.35


def signals(query: str, passages: Sequence[Passage]) -> Signals:
    """What retrieval knows about how well it did. Passages are in order, with their scores by index."""
    if not passages:
        return Signals()
    cosines = [passage.dense for passage in passages if passage.dense is not None]
    best = max(cosines, default=0.0)
    rest = sorted(cosines, reverse=True)[1:]
    terms = set(analyze(query))
    top = passages[:TOP]
    found = {
        term for passage in top for term in analyze(f"{passage.title} {' '.join(passage.headings)} {passage.text}")
    }
    both = [passage.dense is not None and passage.lexical is not None for passage in top]
    return Signals(
        top_dense=best,
        margin=best - fmean(rest) if rest else 0.0,
        coverage=len(terms & found) / len(terms) if terms else 0.0,
        agreement=sum(both) / len(both),
    )


def confidence(found: Signals) -> float:
    """0 to 1: how likely the passages answer the question."""
    score = BIAS + sum(weight * getattr(found, name) for name, weight in WEIGHTS.items())
    return 1 / (1 + math.exp(-score))
