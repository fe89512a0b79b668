"""Vectors from an OpenAI-compatible `/embeddings` endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from core.errors import EmbeddingFailed
from core.ports import Vectors
from core.settings import Embedding

BATCH = 64
# English text has about four characters to a token; without the endpoint's tokenizer this errs on the safe side.
CHARACTERS_PER_TOKEN = 3


class EndpointEmbedder:
    """Asks `{url}/embeddings`. Blocking; every call has a time limit and one retry."""

    def __init__(self, settings: Embedding) -> None:
        import httpx

        key = settings.api_key.get_secret_value()
        self._settings = settings
        self._client = httpx.Client(
            base_url=settings.url.rstrip("/"),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=settings.timeout_seconds,
            transport=httpx.HTTPTransport(retries=1),
            follow_redirects=False,
        )

    @cached_property
    def dimension(self) -> int:
        return int(self._request(["dimension"]).shape[1])

    @property
    def identity(self) -> str:
        return f"{self._settings.model}/endpoint/{self.dimension}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        batches = [self._request(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(batches)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed(texts)

    def count_tokens(self, text: str) -> int:
        return -(-len(text) // CHARACTERS_PER_TOKEN)

    def close(self) -> None:
        self._client.close()

    def _request(self, texts: Sequence[str]) -> Vectors:
        import httpx

        try:
            response = self._client.post(
                "/embeddings", json={"model": self._settings.model, "input": list(texts), "encoding_format": "float"}
            )
            response.raise_for_status()
            rows = sorted(response.json()["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
        except httpx.HTTPStatusError as error:
            raise EmbeddingFailed(
                f"The embeddings endpoint refused (HTTP {error.response.status_code}). Check embedding.url, "
                "embedding.model and embedding.api_key."
            ) from error
        except httpx.HTTPError as error:
            raise EmbeddingFailed("The embeddings endpoint at embedding.url does not answer.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise EmbeddingFailed(
                "The embeddings endpoint answered something that is not a list of vectors."
            ) from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():  # noqa: PLR2004
            raise EmbeddingFailed("The embeddings endpoint answered another number of vectors than was asked for.")
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)
