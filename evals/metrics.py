"""Ranking metrics with binary relevance, over documents in the order they were found."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def ndcg(found: Sequence[str], gold: Collection[str], k: int = 10) -> float:
    """Normalised discounted cumulative gain at k (Järvelin and Kekäläinen, 2002), 0 to 1."""
    gain = sum(1 / math.log2(rank + 2) for rank, document in enumerate(found[:k]) if document in gold)
    best = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(gold))))
    return gain / best if best else 0.0


def recall(found: Sequence[str], gold: Collection[str], k: int = 5) -> float:
    """Share of the gold documents among the first k."""
    return len(set(found[:k]) & set(gold)) / len(gold) if gold else 0.0


def reciprocal_rank(found: Sequence[str], gold: Collection[str], k: int = 10) -> float:
    """One over the rank of the first gold document among the first k, else 0."""
    return next((1 / (rank + 1) for rank, document in enumerate(found[:k]) if document in gold), 0.0)


def hit(found: Sequence[str], gold: Collection[str], k: int = 3) -> float:
    """1 if a gold document is among the first k, else 0."""
    return 1.0 if set(found[:k]) & set(gold) else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of unsorted values; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
