"""Concurrent questions share runs of the model, and none waits for company."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from core.errors import EmbeddingFailed
from core.ports import Vectors
from core.retrieval.embed.batching import QueryBatcher


class Counting:
    """An embedder that records its batches and runs while `gate` is open."""

    identity, dimension = "counting", 1

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("questions are embedded as questions")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        assert self.gate.wait(10)
        if self.broken:
            raise EmbeddingFailed("broken")
        return np.array([[float(text)] for text in texts], np.float32)

    def count_tokens(self, text: str) -> int:
        return len(text)


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
    embedder.broken = True
    batcher = QueryBatcher(embedder)
    with pytest.raises(EmbeddingFailed):
        await batcher.embed("1")
    embedder.broken = False
    assert float((await batcher.embed("2"))[0, 0]) == 2.0


async def test_a_caller_that_left_does_not_disturb_the_others() -> None:
    embedder = Counting()
    embedder.gate.clear()
    batcher = QueryBatcher(embedder)
    leaving, staying = asyncio.create_task(batcher.embed("1")), asyncio.create_task(batcher.embed("2"))
    await asyncio.sleep(0.01)
    leaving.cancel()
    embedder.gate.set()
    assert float((await staying)[0, 0]) == 2.0
