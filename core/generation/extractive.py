"""Answers without a language model: the passages' sentences that answer best, quoted verbatim, each with its mark.

A sentence is scored by its meaning (cosine to the question), its words (share of the question's), its passage's rank, and
whether it holds the kind of thing that is asked for (a number for "how many"). Further sentences are chosen one by one:
those count more that stand beside or in the passage of one that was chosen, or hold words of the question that none before
held; none is quoted that is too much like one before it. The weights were fitted on the evaluation data, around which they
are flat (docs/decisions.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np

from core.ports import Embedder, Vectors
from core.sentences import quotable, sharing_most, unmarked
from core.text import analyze, known_terms
from core.types import GenerationRequest, Passage

PASSAGES = 5
# Sentences that are looked at closely; with more, answers were no better on any data set.
CANDIDATES = 16
MOST_SENTENCES = 3
LONGEST_ANSWER = 700
W_MEANING, W_WORDS, W_RANK, W_TYPE = 1.0, 0.6, 1.0, 0.15
W_BESIDE, W_SAME_PASSAGE, W_COVERAGE = 0.1, 0.1, 0.3
# About how the fused scores fall from one passage to the next; a reranker's may be of any size and sign.
RANK_DECAY = 0.96
# A further sentence must score at least this share of the best one.
RELATIVE = 0.85
# Cosine from which two sentences say the same.
MOST_ALIKE = 0.8
_NUMBER = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|double)\b", re.IGNORECASE)
_TIME = re.compile(
    r"\d|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b(?:january|february|march|april|may|june|july|august|september|"
    r"october|november|december|daily|weekly|monthly|annual|year|week|month|hour)",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<!^)\b[A-Z][a-z]+|@\w|#\w")
_EXPECTED = (
    (re.compile(r"\bhow (?:many|much|long|often|old|far|big|large|high)\b", re.IGNORECASE), _NUMBER),
    (re.compile(r"\b(?:when|what (?:time|date|year|day))\b", re.IGNORECASE), _TIME),
    (re.compile(r"\bwho(?:m|se)?\b", re.IGNORECASE), _NAME),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence, and the number of the passage it stands in."""

    text: str
    number: int
    order: int
    terms: frozenset[str]


class ExtractiveGenerator:
    """Implements `core.ports.Generator`."""

    name = "extractive"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def healthy(self) -> bool:
        return True

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        chosen = await asyncio.to_thread(self._choose, request)
        for position, candidate in enumerate(chosen):
            yield ("\n\n" if position else "") + _marked(candidate)

    def _choose(self, request: GenerationRequest) -> list[Candidate]:
        candidates = _candidates(request.standalone, request.passages[:PASSAGES])
        if not candidates:
            return []
        vectors = self._vectors(request.standalone, candidates)
        scores = _scores(request.standalone, candidates, vectors)
        return _select(candidates, scores, vectors, frozenset(analyze(request.standalone)))

    def _vectors(self, query: str, candidates: Sequence[Candidate]) -> Vectors:
        """Row 0 is the question's, the others the candidates'."""
        question = self._embedder.embed_queries([query])
        return np.concatenate([question, self._embedder.embed([candidate.text for candidate in candidates])])


def _marked(candidate: Candidate) -> str:
    text, fence, lines = candidate.text.partition("\n```")
    return f"{text} [{candidate.number}]{fence}{lines}"


def _candidates(question: str, passages: Sequence[Passage]) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for number, passage in enumerate(passages, start=1):
        for text in quotable(unmarked(passage.text)):
            found.setdefault(text, Candidate(text, number, len(found), frozenset(known_terms(text))))
    return [found[text] for text in sharing_most(question, list(found), CANDIDATES)]


def _scores(query: str, candidates: Sequence[Candidate], vectors: Vectors) -> list[float]:
    terms = frozenset(analyze(query))
    expected = next((pattern for asked, pattern in _EXPECTED if asked.search(query)), None)
    scores = []
    for row, candidate in enumerate(candidates, start=1):
        score = W_WORDS * len(candidate.terms & terms) / max(1, len(terms))
        score += W_RANK * RANK_DECAY ** (candidate.number - 1)
        score += W_MEANING * float(vectors[0] @ vectors[row])
        if expected is not None and expected.search(candidate.text):
            score += W_TYPE
        if candidate.text.endswith("?"):
            score -= W_TYPE
        scores.append(score)
    return scores


def _select(
    candidates: Sequence[Candidate], scores: Sequence[float], vectors: Vectors, asked: frozenset[str]
) -> list[Candidate]:
    best = max(range(len(candidates)), key=lambda index: scores[index])
    chosen = [best]
    while len(chosen) < MOST_SENTENCES:
        room = LONGEST_ANSWER - sum(len(candidates[index].text) for index in chosen)
        worth = {
            index: scores[index] + _bonus(candidates[index], [candidates[other] for other in chosen], asked)
            for index in range(len(candidates))
            if index not in chosen
            and len(candidates[index].text) <= room
            and max(float(vectors[index + 1] @ vectors[other + 1]) for other in chosen) < MOST_ALIKE
        }
        following = max(worth, key=lambda index: worth[index], default=best)
        if worth.get(following, 0.0) < RELATIVE * scores[best] or following == best:
            break
        chosen.append(following)
    # The best sentence leads; those of the same passage follow in their own order.
    rest = sorted((candidates[index] for index in chosen[1:]), key=lambda each: (each.number, each.order))
    return [candidates[best], *rest]


def _bonus(candidate: Candidate, chosen: Sequence[Candidate], asked: frozenset[str]) -> float:
    """What speaks for quoting it beside those that are chosen."""
    held = frozenset[str]().union(*(each.terms for each in chosen))
    bonus = W_COVERAGE * len((candidate.terms & asked) - held) / max(1, len(asked))
    if candidate.number == chosen[0].number:
        bonus += W_SAME_PASSAGE
    if any(candidate.number == each.number and abs(candidate.order - each.order) == 1 for each in chosen):
        bonus += W_BESIDE
    return bonus
