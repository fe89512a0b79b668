"""Dense and lexical search side by side, fused, completed from the record, scored again, cleaned of near-duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.ports import LexicalIndex, Reranker, VectorIndex, Vectors
from core.retrieval.embed.batching import QueryBatcher
from core.retrieval.fuse import Fused, fuse, without_near_duplicates
from core.retrieval.rescore import WEIGHTS, Weights, inverse_document_frequency, rescored
from core.settings import Retrieval as RetrievalSettings
from core.store.documents import DocumentStore
from core.types import Hit, Passage, Retrieval, Scope, WordHits

# The candidates whose texts are looked at; more of them found nothing more.
RESCORED = 40
NEAR_DUPLICATE = 0.9
# Passages that a cross-encoder reads for each that is wanted.
RERANKED = 3
# A document that is replaced between the search and the look into the record is found by neither version; the second
# search, which begins after that replacement, finds the new one.
ATTEMPTS = 2


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

    async def retrieve(self, query: str, scope: Scope, limit: int | None = None) -> Retrieval:
        wanted = limit or self.settings.passages
        candidates = max(self.settings.candidates, wanted)
        vector = await self.batcher.embed(query)
        found = Retrieval(query, ())
        for _ in range(ATTEMPTS):
            dense, words = await asyncio.gather(
                asyncio.to_thread(self.vectors.search, vector, scope, candidates),
                asyncio.to_thread(self.lexical.look_up, query, scope, candidates),
            )
            found, is_complete = await asyncio.to_thread(self._choose, query, vector, scope, dense, words, wanted)
            if is_complete:
                break
        return found

    def _choose(
        self, query: str, vector: Vectors, scope: Scope, dense: Sequence[Hit], words: WordHits, wanted: int
    ) -> tuple[Retrieval, bool]:
        """The passages, and whether the record still held all that the indexes found."""
        rarity = inverse_document_frequency(words.frequencies, words.chunks)
        most = wanted if self.reranker is None else wanted * RERANKED
        fused = self._fused(vector, scope, dense, words.hits)[: max(RESCORED, most)]
        ranked = self._passages(fused, scope)
        is_complete = len(ranked) == len(fused)
        if self.weights is not None:
            ranked = rescored(query, list(rarity), rarity, ranked, self.settings.lexical_weight, self.weights)
        shortlist = without_near_duplicates(ranked, lambda passage: passage.text, NEAR_DUPLICATE, most)
        if self.reranker is not None and shortlist:
            scores = self.reranker.scores(query, [passage.text for passage in shortlist])
            pairs = sorted(zip(scores, shortlist, strict=True), key=lambda pair: -pair[0])
            shortlist = [replace(passage, score=score) for score, passage in pairs]
        return Retrieval(query, tuple(shortlist[:wanted]), rarity), is_complete

    def _fused(self, vector: Vectors, scope: Scope, dense: Sequence[Hit], lexical: Sequence[Hit]) -> list[Fused]:
        known = {hit.chunk_id for hit in dense}
        missing = [hit.chunk_id for hit in lexical if hit.chunk_id not in known]
        cosines = self.vectors.similarities(vector, scope, missing)
        complete = [*dense, *(Hit(chunk_id, cosine) for chunk_id, cosine in cosines.items())]
        return fuse(complete, lexical, self.settings.lexical_weight)

    def _passages(self, fused: Sequence[Fused], scope: Scope) -> list[Passage]:
        """From the record, best first. Chunks that it no longer holds drop out here."""
        record = self.store.passages([row.chunk_id for row in fused], scope)
        return [
            replace(record[row.chunk_id], score=row.score, dense=row.dense, lexical=row.lexical)
            for row in fused
            if row.chunk_id in record
        ]
