"""An embedder that remembers the texts it embedded last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from core.ports import Embedder, Vectors

# 25 MB of vectors of 384 dimensions, and a few MB of texts whose tokens were counted.
REMEMBERED, COUNTED = 16_384, 1024


class RememberingEmbedder:
    """Implements `core.ports.Embedder` for questions, whose vector several stages need, and for sentences of passages.

    Sentences are read again with every similar question, and so are the passages whose tokens a prompt counts. Safe to
    call from several threads.
    """

    def __init__(self, embedder: Embedder, size: int = REMEMBERED) -> None:
        self._embedder = embedder
        self._size = size
        self._rows: OrderedDict[tuple[str, str], Vectors] = OrderedDict()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        return self._embedder.identity

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._remembered("document", self._embedder.embed, texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._remembered("query", self._embedder.embed_queries, texts)

    def count_tokens(self, text: str) -> int:
        with self._lock:
            known = self._counts.get(text)
        if known is None:
            known = self._embedder.count_tokens(text)
            with self._lock:
                self._counts[text] = known
                while len(self._counts) > COUNTED:
                    self._counts.popitem(last=False)
        return known

    def close(self) -> None:
        self._embedder.close()

    def _remembered(self, kind: str, embed: Callable[[Sequence[str]], Vectors], texts: Sequence[str]) -> Vectors:
        with self._lock:
            known = {text: self._rows[kind, text] for text in texts if (kind, text) in self._rows}
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            # Copies: a row of a matrix would keep all of it.
            known.update((text, row.copy()) for text, row in zip(new, embed(new), strict=True))
        with self._lock:
            for text in texts:
                self._rows[kind, text] = known[text]
                self._rows.move_to_end((kind, text))
            while len(self._rows) > self._size:
                self._rows.popitem(last=False)
        return np.stack([known[text] for text in texts]) if texts else np.zeros((0, self.dimension), np.float32)
