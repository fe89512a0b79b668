"""The signals by which it is decided whether there is an answer at all."""

from __future__ import annotations

from collections.abc import Sequence

from core.abstention import coverage
from core.ports import Embedder
from core.sentences import quotable, sharing_most
from core.text import known_terms
from core.types import Passage, Retrieval, Signals

# The passages whose words, and whose sentences, are looked at.
WORDS_OF, SENTENCES_OF = 5, 3
# Sentences that are embedded; with all of them, the signal told apart no better.
EMBEDDED = 6


class PassageEvidence:
    """Implements `core.ports.Evidence`."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def signals(self, found: Retrieval) -> Signals:
        passages = found.passages
        if not passages:
            return Signals()
        return Signals(
            top_dense=max((passage.dense for passage in passages if passage.dense is not None), default=0.0),
            top_sentence=self._top_sentence(found.query, passages[:SENTENCES_OF]),
            coverage=coverage(found.rarity, [_stems(each) for each in passages[:WORDS_OF]]),
        )

    def _top_sentence(self, query: str, passages: Sequence[Passage]) -> float:
        every = list(dict.fromkeys(text for passage in passages for text in quotable(passage.text)))
        if not every:
            return 0.0
        sentences = sharing_most(query, every, EMBEDDED)
        return float((self._embedder.embed(sentences) @ self._embedder.embed_queries([query])[0]).max())


def _stems(passage: Passage) -> frozenset[str]:
    return frozenset(known_terms(f"{passage.title} {' '.join(passage.headings)}")) | frozenset(
        known_terms(passage.text)
    )
