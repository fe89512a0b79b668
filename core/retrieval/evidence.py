"""The signals by which it is decided whether there is an answer at all."""

from __future__ import annotations

from collections.abc import Sequence

from core.abstention import coverage
from core.ports import Embedder, LexicalIndex
from core.sentences import quotable
from core.store.documents import DocumentStore
from core.store.words import MAX_QUERY_STEMS, query_stems, stems
from core.types import Passage, Retrieval, Signals

# The passages whose words, and whose sentences, are looked at.
WORDS_OF, SENTENCES_OF = 5, 3


class PassageEvidence:
    """Implements `core.ports.Evidence`."""

    def __init__(self, embedder: Embedder, lexical: LexicalIndex, store: DocumentStore) -> None:
        self._embedder = embedder
        self._lexical = lexical
        self._store = store

    def signals(self, found: Retrieval, namespace: str) -> Signals:
        passages = found.passages
        if not passages:
            return Signals()
        return Signals(
            top_dense=max((passage.dense for passage in passages if passage.dense is not None), default=0.0),
            top_sentence=self._top_sentence(found.query, passages[:SENTENCES_OF]),
            coverage=self._coverage(found.query, namespace, passages[:WORDS_OF]),
        )

    def _top_sentence(self, query: str, passages: Sequence[Passage]) -> float:
        sentences = list(dict.fromkeys(text for passage in passages for text in quotable(passage.text)))
        if not sentences:
            return 0.0
        return float((self._embedder.embed(sentences) @ self._embedder.embed_queries([query])[0]).max())

    def _coverage(self, query: str, namespace: str, passages: Sequence[Passage]) -> float:
        asked = query_stems(query)[:MAX_QUERY_STEMS]
        if not asked:
            return 0.0
        frequencies = self._lexical.document_frequency(asked, namespace)
        return coverage(frequencies, self._store.count_chunks(namespace), [set(_stems(each)) for each in passages])


def _stems(passage: Passage) -> list[str]:
    return stems(f"{passage.title} {' '.join(passage.headings)} {passage.text}")
