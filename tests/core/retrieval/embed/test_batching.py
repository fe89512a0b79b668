"""Concurrent questions share runs of the model, and none waits for company."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from core.errors import EmbeddingFailed, EndpointUnavailable
from core.ports import Vectors
from core.retrieval.embed.batching import QueryBatcher


class Counting:
    """An embedder that records its batches and runs while `gate` is open."""

    identity, dimension = "counting", 1

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken: Exception | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("questions are embedded as questions")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        assert self.gate.wait(10)
        if self.broken:
            raise self.broken
        if "refused" in texts:
            raise EmbeddingFailed("refused")
        return np.array([[float(text)] for text in texts], np.float32)

    def count_tokens(self, text: str) -> int:
        return len(text)

    def close(self) -> None:
        """Nothing is held."""


async def test_each_caller_gets_its_own_vector() -> None:
    batcher = QueryBatcher(Counting())
    vectors = await asyncio.gather(*(batcher.embed(str(number)) for number in range(50)))
    assert [float(vector[0, 0]) for vector in vectors] == [float(number) for number in range(50)]


async def test_what_arrives_during_a_run_is_run_together() -> None:
    embedder = Counting()
    embedder.gate.clear()
    batcher = QueryBatcher(embedder)
    first = asyncio.create_task(batcher.embed("0"))
    while not embedder.batches:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(batcher.embed(str(number))) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    embedder.gate.set()
    await asyncio.gather(first, *others)
    assert embedder.batches == [["0"], ["1", "2", "3"]]


async def test_a_failure_reaches_its_callers_and_the_next_question_works() -> None:
    embedder = Counting()
    embedder.broken = EmbeddingFailed("broken")
    batcher = QueryBatcher(embedder)
    with pytest.raises(EmbeddingFailed):
        await batcher.embed("1")
    embedder.broken = None
    assert float((await batcher.embed("2"))[0, 0]) == 2.0


async def test_a_query_that_is_refused_fails_alone() -> None:
    batcher = QueryBatcher(Counting())
    queries = ["0", "1", "refused", "3"]
    results = await asyncio.gather(*map(batcher.embed, queries), return_exceptions=True)
    assert [
        "refused" if isinstance(result, EmbeddingFailed) else str(int(cast("Vectors", result)[0, 0]))
        for result in results
    ] == queries


async def test_an_endpoint_that_is_down_is_not_asked_again_for_each_query() -> None:
    embedder = Counting()
    embedder.broken = EndpointUnavailable("down")
    batcher = QueryBatcher(embedder)
    results = await asyncio.gather(*(batcher.embed(str(number)) for number in range(4)), return_exceptions=True)
    assert results == [embedder.broken] * 4
    assert len(embedder.batches) == 1


async def test_a_caller_that_left_does_not_disturb_the_others() -> None:
    embedder = Counting()
    embedder.gate.clear()
    batcher = QueryBatcher(embedder)
    leaving, staying = asyncio.create_task(batcher.embed("1")), asyncio.create_task(batcher.embed("2"))
    await asyncio.sleep(0.01)
    leaving.cancel()
    embedder.gate.set()
    assert float((await staying)[0, 0]) == 2.0
