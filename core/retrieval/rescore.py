"""Fused candidates scored again, all by the same measure. Pure.

The word index knows a candidate's score only if it is among its own best, and not how close together the question's
words stand. So the best candidates of both indexes are scored anew on their texts: cosine, BM25, and pairs of words that
follow each other in the question and stand together in the passage. The constants were fitted on the evaluation data,
around which all of them are flat (docs/decisions.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.retrieval.fuse import Fused
from core.store.words import COLUMN_WEIGHTS
from core.text import known_terms
from core.types import Passage, Stems

# Robertson and Zaragoza (2009) with the constants that Anserini uses for passages: repetition and length matter less.
K1, B = 0.9, 0.4
WINDOW = 8
# A page that repeats one word is no reason to compare all of its places.
MOST_PLACES = 50
_ASKS = re.compile(
    r"(how|what|which|who|whom|whose|when|where|why|is|are|was|were|am|do|does|did|can|could|may|must|should|will|would"
    r"|has|have|had)\b",
    re.IGNORECASE,
)
# "World War I" names nobody, and neither does "US": capitals tell.
_PERSON = re.compile(r"^(I|i)\b|\bi\b|\b[Ii]['’]?(m|ve|d|ll)\b|\bus\b|\b(?i:me|my|mine|we|our|you|your|please)\b")
_MARK = re.compile(r"[?？؟;]\s*$|[?？؟]")


@dataclass(frozen=True, slots=True)
class Weights:
    """What makes a score, beside the share of words."""

    adjacent: float = 0.03
    """What a passage gains that holds all of the question's word pairs side by side: the ordered window of the sequential
    dependence model (Metzler and Croft, 2005)."""
    near: float = 0.03
    """The same within `WINDOW` words, in any order: its unordered window."""
    statement: float = 1.5
    """How much more words count in a claim, a title or keywords, which name what a question would paraphrase."""


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class _Words:
    """A passage as the question sees it."""

    counts: Mapping[str, float]
    """How often each of the question's stems occurs, by where."""
    places: Mapping[str, Sequence[int]]
    """Where they stand, in words from the beginning of the title."""
    length: int


def is_statement(query: str) -> bool:
    """Whether the text claims or names something, instead of asking for it."""
    text = query.strip()
    return not (_MARK.search(text) or _ASKS.match(text) or _PERSON.search(text))


def rescored(
    query: str,
    stems: Sequence[str],
    rarity: Mapping[str, float],
    candidates: Sequence[Fused],
    stems_of: Callable[[str], Stems],
    lexical_weight: float,
    weights: Weights = WEIGHTS,
) -> list[Fused]:
    """The candidates by their new scores, best first.

    `stems` are the query's, in its order, and `rarity` their inverse document frequencies; those without are ignored.
    `stems_of`: a candidate's words, by its chunk's id.
    """
    asked = [stem for stem in stems if stem in rarity]
    weight = min(1.0, lexical_weight * (weights.statement if is_statement(query) else 1.0))
    read = [_read(stems_of(each.chunk_id), asked) for each in candidates]
    words = _bm25(read, rarity)
    best = max(words, default=0.0) or 1.0
    rows = [
        Fused(
            each.chunk_id,
            (1 - weight) * (each.dense or 0.0) + weight * score / best + _together(found, asked, rarity, weights),
            each.dense,
            score or None,
        )
        for each, found, score in zip(candidates, read, words, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.score, row.chunk_id))


def inverse_document_frequency(frequencies: Mapping[str, int], chunks: int) -> dict[str, float]:
    """Lucene's, which is never negative; of stems that occur nowhere, too."""
    return {stem: math.log(1 + (max(0, chunks - count) + 0.5) / (count + 0.5)) for stem, count in frequencies.items()}


def stems_of_passage(passage: Passage) -> Stems:
    """For passages whose words the word index does not tell: the same as it would."""
    return Stems(
        known_terms(f"{passage.title} {passage.keywords}"),
        known_terms(" ".join(passage.headings)),
        known_terms(passage.text),
    )


def _read(passage: Stems, asked: Sequence[str]) -> _Words:
    wanted = frozenset(asked)
    counts: dict[str, float] = {}
    places: dict[str, list[int]] = {}
    length = 0
    for stems, weight in (
        (passage.title, COLUMN_WEIGHTS.title),
        (passage.headings, COLUMN_WEIGHTS.headings),
        (passage.body, COLUMN_WEIGHTS.body),
    ):
        for place, stem in [(place, stem) for place, stem in enumerate(stems, start=length) if stem in wanted]:
            counts[stem] = counts.get(stem, 0.0) + weight
            if len(places.setdefault(stem, [])) < MOST_PLACES:
                places[stem].append(place)
        length += len(stems)
    return _Words(counts, places, length)


def _bm25(read: Sequence[_Words], rarity: Mapping[str, float]) -> list[float]:
    mean = sum(each.length for each in read) / len(read) if read else 0.0
    scores = []
    for each in read:
        norm = K1 * (1 - B + B * each.length / (mean or 1.0))
        scores.append(sum(rarity[stem] * count * (K1 + 1) / (count + norm) for stem, count in each.counts.items()))
    return scores


def _together(words: _Words, asked: Sequence[str], rarity: Mapping[str, float], weights: Weights) -> float:
    """How many of the question's neighbouring words are neighbours here, too; a pair is as rare as its commoner word."""
    total = gained = 0.0
    for first, second in pairwise(asked):
        rare = min(rarity[first], rarity[second])
        total += rare
        if first in words.places and second in words.places:
            gaps = [after - before for before in words.places[first] for after in words.places[second]]
            gained += rare * (weights.adjacent * (1 in gaps) + weights.near * (min(map(abs, gaps)) <= WINDOW))
    return gained / total if total else 0.0
