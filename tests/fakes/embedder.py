"""An embedder for tests of what is around it: the more words two texts share, the closer their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from core.ports import Vectors
from core.text import analyze

DIMENSION = 256


class WordEmbedder:
    """Implements `core.ports.Embedder`: each stem has its own place in the vector."""

    identity = f"words/{DIMENSION}"
    dimension = DIMENSION

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return self._vectors(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._vectors(texts)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        pass

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        rows = np.full((len(texts), DIMENSION), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for stem in analyze(text):
                row[int.from_bytes(hashlib.md5(stem.encode()).digest()[:2], "big") % DIMENSION] += 1.0
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit
