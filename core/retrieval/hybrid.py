"""Dense and lexical search side by side, fused, completed from the record, scored again, cleaned of near-duplicates."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.ports import LexicalIndex, Reranker, VectorIndex, Vectors
from core.retrieval.embed.batching import QueryBatcher
from core.retrieval.fuse import fuse, without_near_duplicates
from core.retrieval.rescore import WEIGHTS, Weights, inverse_document_frequency, rescored
from core.settings import Retrieval as RetrievalSettings
from core.store.documents import DocumentStore
from core.types import Hit, Passage, Retrieval, Scope, WordHits

# How many candidates of each index there are for each passage that is wanted, where the setting is not enough.
SHARE = 0.6
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
        # Both indexes together find more than either of them.
        candidates = max(self.settings.candidates, math.ceil(wanted * SHARE))
        found = Retrieval(query, ())
        for _ in range(ATTEMPTS):
            (vector, dense), words = await asyncio.gather(
                self._nearest(query, scope, candidates),
                asyncio.to_thread(self.lexical.look_up, query, scope, candidates),
            )
            ids = list(dict.fromkeys(hit.chunk_id for hit in (*dense, *words.hits)))
            missing = ids[len(dense) :]
            cosines, record = await asyncio.gather(
                asyncio.to_thread(self.vectors.similarities, vector, scope, missing),
                asyncio.to_thread(self.store.passages, ids, scope),
            )
            complete = [*dense, *(Hit(chunk_id, cosine) for chunk_id, cosine in cosines.items())]
            found = await asyncio.to_thread(self._choose, query, complete, words, record, wanted)
            if len(record) == len(ids):
                break
        return found

    async def _nearest(self, query: str, scope: Scope, candidates: int) -> tuple[Vectors, list[Hit]]:
        vector = await self.batcher.embed(query)
        return vector, await asyncio.to_thread(self.vectors.search, vector, scope, candidates)

    def _choose(
        self, query: str, dense: Sequence[Hit], words: WordHits, record: Mapping[str, Passage], wanted: int
    ) -> Retrieval:
        rarity = inverse_document_frequency(words.frequencies, words.chunks)
        ranked = [
            replace(record[row.chunk_id], score=row.score, dense=row.dense, lexical=row.lexical)
            for row in fuse(dense, words.hits, self.settings.lexical_weight)
            if row.chunk_id in record
        ]
        if self.weights is not None:
            ranked = rescored(query, list(rarity), rarity, ranked, self.settings.lexical_weight, self.weights)
        most = wanted if self.reranker is None else wanted * RERANKED
        shortlist = without_near_duplicates(ranked, lambda passage: passage.text, NEAR_DUPLICATE, most)
        if self.reranker is not None and shortlist:
            scores = self.reranker.scores(query, [passage.text for passage in shortlist])
            pairs = sorted(zip(scores, shortlist, strict=True), key=lambda pair: -pair[0])
            shortlist = [replace(passage, score=score) for score, passage in pairs]
        return Retrieval(query, tuple(shortlist[:wanted]), rarity)
