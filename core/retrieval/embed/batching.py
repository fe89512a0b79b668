"""Concurrent questions share one run of the embedding model."""

from __future__ import annotations

import asyncio

from core.errors import EndpointUnavailable
from core.ports import Embedder, Vectors

LARGEST_BATCH = 32


class QueryBatcher:
    """Embeds single queries for many callers.

    Nothing waits for a batch to fill: a query that finds the model idle runs at once, and those that come while it is
    busy are run together next. Belongs to one event loop.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._waiting: list[tuple[str, asyncio.Future[Vectors]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def embed(self, query: str) -> Vectors:
        """The query's vector, shape (1, dimension). Raises `EmbeddingFailed`."""
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            await self._run(batch)

    async def _run(self, batch: list[tuple[str, asyncio.Future[Vectors]]]) -> None:
        try:
            vectors = await asyncio.to_thread(self._embedder.embed_queries, [query for query, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to the callers, who decide
            if len(batch) > 1 and not isinstance(error, EndpointUnavailable):
                # One query that is refused must not take the others with it.
                for each in batch:
                    await self._run([each])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for row, (_, future) in enumerate(batch):
            if not future.done():
                future.set_result(vectors[row : row + 1])
