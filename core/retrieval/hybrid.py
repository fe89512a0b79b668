"""Dense and lexical search side by side, fused, completed from the record, scored again, cleaned of near-duplicates."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.ports import LexicalIndex, Reranker, VectorIndex, Vectors
from core.remembered import Remembered
from core.retrieval.embed.batching import QueryBatcher
from core.retrieval.fuse import fuse, without_near_duplicates
from core.retrieval.rescore import WEIGHTS, Weights, inverse_document_frequency, rescored, stems_of_passage
from core.settings import Retrieval as RetrievalSettings
from core.store.documents import DocumentStore
from core.types import Hit, Passage, Retrieval, Scope, Stems, WordHits

# How many candidates of each index there are for each passage that is wanted, where the setting is not enough.
SHARE = 0.6
NEAR_DUPLICATE = 0.9
# Passages that a cross-encoder reads for each that is wanted.
RERANKED = 3
# A document that is replaced between the search and the look into the record is found by neither version; the second
# search, which begins after that replacement, finds the new one.
ATTEMPTS = 2
# Chunks whose words are kept at hand, about 1 KB each.
REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class HybridRetriever:
    """Implements `core.ports.Retriever`. The blocking work runs in threads."""

    batcher: QueryBatcher
    vectors: VectorIndex
    lexical: LexicalIndex
    store: DocumentStore
    settings: RetrievalSettings
    reranker: Reranker | None = None
    weights: Weights | None = WEIGHTS
    """None: candidates stay as they were fused."""
    remembered: Remembered[tuple[str, str], Stems] = field(default_factory=lambda: Remembered(REMEMBERED), repr=False)
    """By chunk id and keywords."""

    async def retrieve(self, query: str, scope: Scope, limit: int | None = None) -> Retrieval:
        wanted = limit or self.settings.passages
        # Both indexes together find more than either of them.
        candidates = max(self.settings.candidates, math.ceil(wanted * SHARE))
        found = Retrieval(query, ())
        for _ in range(ATTEMPTS):
            (vector, dense), words = await asyncio.gather(
                self._nearest(query, scope, candidates),
                asyncio.to_thread(self.lexical.look_up, query, scope, candidates),
            )
            found, is_complete = await asyncio.to_thread(self._complete, query, scope, wanted, vector, dense, words)
            if is_complete:
                break
        return found

    def _complete(
        self, query: str, scope: Scope, wanted: int, vector: Vectors, dense: Sequence[Hit], words: WordHits
    ) -> tuple[Retrieval, bool]:
        """All that is needed of what was found, in one thread: to change threads takes as long as one of these looks."""
        ids = list(dict.fromkeys(hit.chunk_id for hit in (*dense, *words.hits)))
        cosines = self.vectors.similarities(vector, scope, ids[len(dense) :])
        record = self.store.passages(ids, scope)
        stems = self._stems(record)
        complete = [*dense, *(Hit(chunk_id, cosine) for chunk_id, cosine in cosines.items())]
        return self._choose(query, complete, words, record, stems, wanted), len(record) == len(ids)

    async def _nearest(self, query: str, scope: Scope, candidates: int) -> tuple[Vectors, list[Hit]]:
        vector = await self.batcher.embed(query)
        return vector, await asyncio.to_thread(self.vectors.search, vector, scope, candidates)

    def _stems(self, record: Mapping[str, Passage]) -> dict[str, Stems]:
        """As they are indexed: to analyse all candidates would take most of a question's time."""
        # An id says all that is indexed under it, but for the keywords.
        keys = {(chunk_id, passage.keywords): chunk_id for chunk_id, passage in record.items()}
        stems = {keys[key]: known for key, known in self.remembered.of(keys).items()}
        if new := [chunk_id for chunk_id in record if chunk_id not in stems]:
            read = self.lexical.stems(new)
            self.remembered.put({(chunk_id, record[chunk_id].keywords): found for chunk_id, found in read.items()})
            stems |= read
        return stems

    def _choose(
        self,
        query: str,
        dense: Sequence[Hit],
        words: WordHits,
        record: Mapping[str, Passage],
        stems: Mapping[str, Stems],
        wanted: int,
    ) -> Retrieval:
        rarity = inverse_document_frequency(words.frequencies, words.chunks)
        stems_of = _stems_of(record, stems)
        ranked = [row for row in fuse(dense, words.hits, self.settings.lexical_weight) if row.chunk_id in record]
        if self.weights is not None:
            ranked = rescored(query, list(rarity), rarity, ranked, stems_of, self.settings.lexical_weight, self.weights)
        most = wanted if self.reranker is None else wanted * RERANKED
        kept = without_near_duplicates(ranked, lambda row: stems_of(row.chunk_id).body, NEAR_DUPLICATE, most)
        shortlist = [
            replace(record[row.chunk_id], score=row.score, dense=row.dense, lexical=row.lexical) for row in kept
        ]
        if self.reranker is not None and shortlist:
            scores = self.reranker.scores(query, [passage.text for passage in shortlist])
            pairs = sorted(zip(scores, shortlist, strict=True), key=lambda pair: -pair[0])
            shortlist = [replace(passage, score=score) for score, passage in pairs]
        return Retrieval(query, tuple(shortlist[:wanted]), rarity)


def _stems_of(record: Mapping[str, Passage], stems: Mapping[str, Stems]) -> Callable[[str], Stems]:
    def look_up(chunk_id: str) -> Stems:
        return stems.get(chunk_id) or stems_of_passage(record[chunk_id])

    return look_up
