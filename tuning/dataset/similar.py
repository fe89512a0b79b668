"""Which of many texts are near-duplicates of each other, by MinHash (Broder, 1997) and banding. Pure, deterministic."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from core.text import known_terms

Shingles = frozenset[tuple[str, ...]]
SHINGLE = 3
# 24 bands of 4 rows find a pair at Jaccard 0.7 with 99.9 %, at 0.8 nearly always; what is found is then compared exactly.
BANDS, ROWS = 24, 4
# Of thousands of copies of one text each is compared with so many: enough to know that they belong together.
NEIGHBOURS = 50
_PRIME = (1 << 31) - 1
_numbers = np.random.default_rng(20_240_229)
_FACTORS = _numbers.integers(1, _PRIME, BANDS * ROWS, dtype=np.uint64)
_SHIFTS = _numbers.integers(0, _PRIME, BANDS * ROWS, dtype=np.uint64)


def shingles(text: str, size: int = SHINGLE) -> Shingles:
    """The text's word triples, stemmed; of a short text, all of its words as one."""
    words = known_terms(text)
    return frozenset(words[start : start + size] for start in range(max(1, len(words) - size + 1)))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Share of what both have in common, 0 to 1."""
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


def near_duplicates(texts: Sequence[Shingles], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of positions, the lower first, whose Jaccard similarity is at least `threshold`."""
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for position, each in enumerate(texts):
        signature = _signature(each)
        for band in range(BANDS):
            buckets[band, signature[band * ROWS : (band + 1) * ROWS].tobytes()].append(position)
    seen: set[tuple[int, int]] = set()
    for bucket in buckets.values():
        for index, later in enumerate(bucket):
            for earlier in bucket[max(0, index - NEIGHBOURS) : index]:
                pair = (earlier, later)
                if pair not in seen:
                    seen.add(pair)
                    if jaccard(texts[earlier], texts[later]) >= threshold:
                        yield pair


def _signature(each: Shingles) -> npt.NDArray[np.uint64]:
    hashes = np.fromiter((_hash(shingle) for shingle in each), np.uint64, len(each))
    least: npt.NDArray[np.uint64] = ((hashes[:, None] * _FACTORS + _SHIFTS) % _PRIME).min(axis=0)
    return least


def _hash(shingle: tuple[str, ...]) -> int:
    return int.from_bytes(hashlib.blake2b("\x00".join(shingle).encode(), digest_size=4).digest(), "big") % _PRIME
