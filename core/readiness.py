"""The state of every dependency, for `/readyz` and `lorekeeper doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from core.datafolder import free_bytes
from core.errors import LorekeeperError
from core.generation.auto import Chooser
from core.health import Check, State
from core.ports import VectorIndex
from core.settings import Settings
from core.store.documents import DocumentStore

CHECK_SECONDS = 5.0
LEAST_FREE_BYTES = 500 * 1024 * 1024


class Readiness:
    """Asks each dependency, with a time limit."""

    def __init__(self, settings: Settings, store: DocumentStore, vectors: VectorIndex, chooser: Chooser) -> None:
        self._settings = settings
        self._store = store
        self._vectors = vectors
        self._chooser = chooser

    async def checks(self) -> Sequence[Check]:
        return [
            await self._in_time("database", asyncio.to_thread(self._database)),
            await self._in_time("index", asyncio.to_thread(self._index)),
            await self._in_time("model", self._model()),
            await self._in_time("disk", asyncio.to_thread(self._disk)),
        ]

    async def _in_time(self, name: str, check: Awaitable[Check]) -> Check:
        try:
            return await asyncio.wait_for(check, CHECK_SECONDS)
        except TimeoutError:
            return Check(
                name, State.FAILED, f"no answer within {CHECK_SECONDS:.0f} s", "Look at its log, or restart it."
            )
        except LorekeeperError as error:
            return Check(name, State.FAILED, error.message, "")

    def _database(self) -> Check:
        chunks = self._store.count_chunks(None)
        return Check("database", State.OK, f"{chunks} passages on record", "")

    def _index(self) -> Check:
        self._vectors.ping()
        count = self._vectors.count()
        if count == 0:
            return Check("index", State.OK, "empty", "Add documents: lorekeeper documents add FOLDER")
        return Check("index", State.OK, f"{count} vectors", "")

    async def _model(self) -> Check:
        generation = self._settings.generation
        if generation.mode == "extractive" or not generation.base_url:
            return Check("model", State.OK, "none configured; answers are quoted from the documents", "")
        if await self._chooser.healthy():
            return Check("model", State.OK, f"{generation.base_url} answers", "")
        state = State.DEGRADED if generation.mode == "auto" else State.FAILED
        return Check(
            "model",
            state,
            f"{generation.base_url} does not answer",
            "Start the model server, or correct generation.base_url.",
        )

    def _disk(self) -> Check:
        free = free_bytes(self._settings.data_dir)
        detail = f"{free / 1e9:.1f} GB free"
        if free < LEAST_FREE_BYTES:
            return Check("disk", State.DEGRADED, detail, "Free some space on the disk of the data folder.")
        return Check("disk", State.OK, detail, "")
