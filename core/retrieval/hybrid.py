"""Dense and lexical search side by side, fused, completed from the record, cleaned of near-duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from core.ports import LexicalIndex, Reranker, VectorIndex, Vectors
from core.retrieval.embed.batching import QueryBatcher
from core.retrieval.fuse import Fused, fuse, without_near_duplicates
from core.settings import Retrieval as RetrievalSettings
from core.store.documents import DocumentStore
from core.types import Hit, Passage, Retrieval, Scope

# Passages looked at beyond those asked for, so that dropped duplicates and stale rows leave enough.
SPARE = 3
NEAR_DUPLICATE = 0.9
# A document that is replaced between the search and the look into the record is found by neither version; the second
# search, which begins after that replacement, finds the new one.
ATTEMPTS = 2


class HybridRetriever:
    """Implements `core.ports.Retriever`. The blocking work runs in threads."""

    def __init__(
        self,
        batcher: QueryBatcher,
        vectors: VectorIndex,
        lexical: LexicalIndex,
        store: DocumentStore,
        settings: RetrievalSettings,
        reranker: Reranker | None = None,
    ) -> None:
        self._batcher = batcher
        self._vectors = vectors
        self._lexical = lexical
        self._store = store
        self._settings = settings
        self._reranker = reranker

    async def retrieve(self, query: str, scope: Scope, limit: int | None = None) -> Retrieval:
        wanted = limit or self._settings.passages
        vector = await self._batcher.embed(query)
        candidates = max(self._settings.candidates, wanted)
        for _ in range(ATTEMPTS):
            dense, lexical = await asyncio.gather(
                asyncio.to_thread(self._vectors.search, vector, scope, candidates),
                asyncio.to_thread(self._lexical.search, query, scope, candidates),
            )
            found = await asyncio.to_thread(self._complete, vector, scope, dense, lexical)
            if len(found) == len({hit.chunk_id for hit in (*dense, *lexical)}):
                break
        passages = await asyncio.to_thread(self._choose, query, found, wanted)
        return Retrieval(query, tuple(passages))

    def _complete(self, vector: Vectors, scope: Scope, dense: Sequence[Hit], lexical: Sequence[Hit]) -> list[Passage]:
        """Fused candidates as passages, best first. Chunks that the record no longer holds drop out here."""
        known = {hit.chunk_id for hit in dense}
        missing = [hit.chunk_id for hit in lexical if hit.chunk_id not in known]
        cosines = self._vectors.similarities(vector, scope, missing)
        complete = [*dense, *(Hit(chunk_id, cosine) for chunk_id, cosine in cosines.items())]
        fused: list[Fused] = fuse(complete, lexical, self._settings.lexical_weight)
        record = self._store.passages([row.chunk_id for row in fused], scope)
        return [
            replace(record[row.chunk_id], score=row.score, dense=row.dense, lexical=row.lexical)
            for row in fused
            if row.chunk_id in record
        ]

    def _choose(self, query: str, found: list[Passage], wanted: int) -> list[Passage]:
        shortlist = without_near_duplicates(found[: wanted * SPARE], lambda passage: passage.text, NEAR_DUPLICATE)
        if self._reranker is not None and shortlist:
            scores = self._reranker.scores(query, [passage.text for passage in shortlist])
            ranked = sorted(zip(scores, shortlist, strict=True), key=lambda pair: -pair[0])
            shortlist = [replace(passage, score=score) for score, passage in ranked]
        return shortlist[:wanted]
