"""The state of every dependency, for `/readyz` and `lorekeeper doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from core.addresses import without_password
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
    """Asks each dependency, with a time limit. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        store: DocumentStore,
        vectors: VectorIndex,
        chooser: Chooser,
        reports: Mapping[str, Check] | None = None,
        check_adapters: Callable[[], Coroutine[Any, Any, Check | None]] | None = None,
    ) -> None:
        """`reports`: what running channels say of themselves, by name. `check_adapters`: None while there are none."""
        self._settings = settings
        self._store = store
        self._vectors = vectors
        self._chooser = chooser
        self._reports = reports if reports is not None else {}
        self._check_adapters = check_adapters or _without_adapters
        self._running: dict[str, asyncio.Task[Check | None]] = {}

    async def checks(self) -> Sequence[Check]:
        checked = [
            await self._in_time("database", lambda: asyncio.to_thread(self._database)),
            await self._in_time("index", lambda: asyncio.to_thread(self._index)),
            await self._in_time("model", lambda: check_model(self._settings, self._chooser)),
            await self._in_time("adapters", self._check_adapters),
            await self._in_time("disk", lambda: asyncio.to_thread(check_disk, self._settings)),
        ]
        return [*(check for check in checked if check is not None), *self._reports.values()]

    async def _in_time(self, name: str, check: Callable[[], Coroutine[Any, Any, Check | None]]) -> Check | None:
        # A check that hangs keeps its thread; the next probe waits for the same one instead of taking another.
        if name not in self._running or self._running[name].done():
            self._running[name] = asyncio.create_task(check())
        try:
            return await asyncio.wait_for(asyncio.shield(self._running[name]), CHECK_SECONDS)
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
        return Check("index", State.OK, f"{count} vectors of passages and headings", "")


async def _without_adapters() -> None:
    return None


async def check_model(settings: Settings, chooser: Chooser) -> Check:
    """Whether the language model answers."""
    generation = settings.generation
    if generation.mode == "extractive" or not generation.base_url:
        return Check("model", State.OK, "none configured; answers are quoted from the documents", "")
    if await chooser.healthy():
        return Check("model", State.OK, f"{without_password(generation.base_url)} answers", "")
    return Check(
        "model",
        State.DEGRADED if generation.mode == "auto" else State.FAILED,
        f"{without_password(generation.base_url)} does not answer",
        "Start the model server, or correct generation.base_url.",
    )


def check_disk(settings: Settings) -> Check:
    """How much room the data folder has."""
    try:
        free = free_bytes(settings.data_dir)
    except OSError as error:
        remedy = "Make the data folder available again, or restart."
        return Check("disk", State.FAILED, f"{settings.data_dir}: {error.strerror or error}", remedy)
    detail = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return Check("disk", State.DEGRADED, detail, "Free some space on the disk of the data folder.")
    return Check("disk", State.OK, detail, "")
