"""Vectors from an OpenAI-compatible `/embeddings` endpoint."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog

from core.errors import EmbeddingFailed, EndpointUnavailable
from core.ports import Vectors
from core.settings_documents import Embedding

BATCH = 64
TRIES = 3
# Doubled after each try.
PAUSE_SECONDS = 0.5
# English text has about four characters to a token; without the endpoint's tokenizer this errs on the safe side.
CHARACTERS_PER_TOKEN = 3


REFUSALS = {
    401: "The embeddings endpoint refuses the key (embedding.api_key).",
    403: "The embeddings endpoint refuses the key (embedding.api_key).",
    404: "The embeddings endpoint does not know the model (embedding.model) or the address (embedding.url).",
}
RETRIABLE = frozenset({429, 502, 503, 504})
log = structlog.get_logger(__name__)


class EndpointEmbedder:
    """Asks `{url}/embeddings`. Blocking; every try has a time limit, and there are a few of them."""

    def __init__(self, settings: Embedding) -> None:
        import httpx

        key = settings.api_key.get_secret_value()
        self._settings = settings
        self._client = httpx.Client(
            base_url=settings.url.rstrip("/"),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=settings.timeout_seconds,
            follow_redirects=False,
        )
        self._dimension = 0

    @property
    def dimension(self) -> int:
        if not self._dimension:
            self._request(["dimension"])
        return self._dimension

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
        vectors = _vectors(self._answer(texts), len(texts))
        self._dimension = self._dimension or vectors.shape[1]
        if vectors.shape[1] != self._dimension:
            raise EmbeddingFailed(
                f"The embeddings endpoint answered vectors of {vectors.shape[1]} numbers, after {self._dimension} before. "
                "If its model was changed, restart Lorekeeper and run: lorekeeper documents reindex"
            )
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)

    def _answer(self, texts: Sequence[str]) -> bytes:
        """The endpoint's answer; tries again, with a growing pause, what may pass."""
        for attempt in range(TRIES):
            try:
                return self._try(texts)
            except EndpointUnavailable as error:
                if attempt == TRIES - 1:
                    raise
                log.warning("the embeddings endpoint failed; trying again", cause=error.message, attempt=attempt + 1)
                time.sleep(PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
        raise AssertionError("unreachable")

    def _try(self, texts: Sequence[str]) -> bytes:
        import httpx

        limit = self._settings.timeout_seconds
        deadline = time.monotonic() + limit
        body = {"model": self._settings.model, "input": list(texts), "encoding_format": "float"}
        try:
            with self._client.stream("POST", "/embeddings", json=body) as response:
                content = bytearray()
                for part in response.iter_bytes():
                    content += part
                    # httpx's own limit is for each read, not for all of them.
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("too slow", request=response.request)
        except httpx.TimeoutException as error:
            raise EndpointUnavailable(f"The embeddings endpoint did not answer within {limit:g} seconds.") from error
        except httpx.HTTPError as error:
            raise EndpointUnavailable("The embeddings endpoint at embedding.url does not answer.") from error
        status = response.status_code
        if status in RETRIABLE:
            raise EndpointUnavailable(f"The embeddings endpoint is too busy or down (HTTP {status}).")
        if not response.is_success:
            raise EmbeddingFailed(REFUSALS.get(status, f"The embeddings endpoint refused the text (HTTP {status})."))
        return bytes(content)


def _vectors(content: bytes, count: int) -> Vectors:
    """What the endpoint answered as `count` vectors. Raises `EmbeddingFailed`."""
    try:
        rows: list[dict[str, Any]] = sorted(json.loads(content)["data"], key=lambda row: row["index"])
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    except (ValueError, KeyError, TypeError) as error:
        raise EmbeddingFailed("The embeddings endpoint answered something that is not a list of vectors.") from error
    if vectors.ndim != 2 or len(vectors) != count or not vectors.size or not np.isfinite(vectors).all():  # noqa: PLR2004
        raise EmbeddingFailed("The embeddings endpoint answered another number of vectors than was asked for.")
    return vectors
