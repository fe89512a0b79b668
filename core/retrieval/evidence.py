"""The signals by which it is decided whether there is an answer at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

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

    def signals(self, found: Retrieval, suffices: Callable[[Signals], bool] | None = None) -> Signals:
        passages = found.passages
        if not passages:
            return Signals()
        signals = Signals(
            top_dense=max((passage.dense for passage in passages if passage.dense is not None), default=0.0),
            coverage=coverage(found.rarity, [_stems(each) for each in passages[:WORDS_OF]]),
        )
        for cosine in self._sentence_cosines(found.query, passages[:SENTENCES_OF], one_by_one=suffices is not None):
            signals = replace(signals, top_sentence=cosine)
            if suffices is not None and suffices(signals):
                break
        return signals

    def _sentence_cosines(self, query: str, passages: Sequence[Passage], *, one_by_one: bool) -> Iterator[float]:
        """The best cosine so far: of the first sentence alone, if so wished, and of all that are looked at.

        To embed a sentence takes longer than all the rest of a question, and most often the first one settles it.
        """
        every = list(dict.fromkeys(text for passage in passages for text in quotable(passage.text)))
        if not every:
            return
        question = self._embedder.embed_queries([query])[0]
        sentences = sharing_most(query, every, EMBEDDED)
        if one_by_one:
            yield float((self._embedder.embed(sharing_most(query, sentences, 1)) @ question).max())
        yield float((self._embedder.embed(sentences) @ question).max())


def _stems(passage: Passage) -> frozenset[str]:
    return frozenset(known_terms(f"{passage.title} {' '.join(passage.headings)}")) | frozenset(
        known_terms(passage.text)
    )
