"""An embedder that says how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from core.ports import Embedder, Vectors


class MeasuredEmbedder:
    """Implements `core.ports.Embedder`. `observe` is told how many texts there were, and how many seconds they took."""

    def __init__(self, embedder: Embedder, observe: Callable[[int, float], None]) -> None:
        self._embedder = embedder
        self._observe = observe

    @property
    def identity(self) -> str:
        return self._embedder.identity

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._measured(self._embedder.embed, texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._measured(self._embedder.embed_queries, texts)

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def close(self) -> None:
        self._embedder.close()

    def _measured(self, embed: Callable[[Sequence[str]], Vectors], texts: Sequence[str]) -> Vectors:
        begun = time.perf_counter()
        vectors = embed(texts)
        self._observe(len(texts), time.perf_counter() - begun)
        return vectors
