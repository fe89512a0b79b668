"""An optional cross-encoder that reads question and passage together; slower and finer than both indexes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from core.errors import EmbeddingFailed, MissingExtra


class CrossEncoderReranker:
    """A sentence-transformers cross-encoder, loaded when first used."""

    def __init__(self, model: str) -> None:
        self._name = model

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "export") from error
        try:
            return CrossEncoder(self._name, device="cpu")
        except Exception as error:  # the library raises whatever its download or file reading raised
            raise EmbeddingFailed(f"The model {self._name} named by retrieval.reranker cannot be loaded.") from error

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return [float(score) for score in self._model.predict([(query, text) for text in texts])]
