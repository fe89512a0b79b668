"""Two ranked lists to one, and the removal of near-duplicates. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from core.types import Hit

T = TypeVar("T")
SHINGLE = 3


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with its fused score (0 to 1) and the scores it came from."""

    chunk_id: str
    score: float
    dense: float | None
    lexical: float | None


def fuse(dense: Sequence[Hit], lexical: Sequence[Hit], lexical_weight: float) -> list[Fused]:
    """The convex combination of cosine and BM25 as a part of the best one's (after Bruch et al., 2023), best first.

    It beat reciprocal rank fusion on every data set tried, because it keeps how far apart the scores are; scaling the
    cosines of each query to 0…1 as well lost, because it makes much of small differences.
    """
    cosines = {hit.chunk_id: hit.score for hit in dense}
    words = {hit.chunk_id: hit.score for hit in lexical}
    best = max(words.values(), default=0.0)
    unit = 1 / best if best > 0 else 0.0
    rows = [
        Fused(
            chunk_id,
            (1 - lexical_weight) * cosines.get(chunk_id, 0.0) + lexical_weight * unit * words.get(chunk_id, 0.0),
            cosines.get(chunk_id),
            words.get(chunk_id),
        )
        for chunk_id in dict.fromkeys([*cosines, *words])
    ]
    return sorted(rows, key=lambda row: (-row.score, row.chunk_id))


def without_near_duplicates(
    items: Sequence[T], terms_of: Callable[[T], Sequence[str]], threshold: float, most: int
) -> list[T]:
    """The first `most` of the items that do not repeat an earlier one's words (Jaccard of word triples ≥ threshold)."""
    kept: list[T] = []
    seen: list[frozenset[tuple[str, ...]]] = []
    every: set[tuple[str, ...]] = set()
    for item in items:
        if len(kept) == most:
            break
        shingles = _shingles(terms_of(item))
        # So many of a set's members that one is in each similar set: most items share none, and need no comparison.
        some = islice(shingles, len(shingles) - int(threshold * len(shingles)) + 1)
        if not every.isdisjoint(some) and any(_is_similar(shingles, other, threshold) for other in seen):
            continue
        kept.append(item)
        seen.append(shingles)
        every |= shingles
    return kept


def _shingles(terms: Sequence[str]) -> frozenset[tuple[str, ...]]:
    if len(terms) <= SHINGLE:
        return frozenset([tuple(terms)])
    return frozenset(zip(*(terms[start:] for start in range(SHINGLE)), strict=False))


def _is_similar(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]], threshold: float) -> bool:
    if min(len(one), len(other)) < threshold * max(len(one), len(other)):
        return False  # even if one holds all of the other
    common = len(one & other)
    return common >= threshold * (len(one) + len(other) - common)
