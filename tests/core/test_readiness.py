"""The state of each dependency, also when it hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import StorageFailed
from core.generation.build import open_generation
from core.health import Check, State
from core.readiness import Readiness, check_disk
from core.settings import Generation, Settings
from core.store.documents import DocumentStore
from core.store.engine import open_engine, upgrade
from tests.fakes.embedder import WordEmbedder


class Index:
    """A vector index that answers, refuses, or hangs."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.go = threading.Event()
        self.go.set()
        self.pings = 0

    def ping(self) -> None:
        self.pings += 1
        self.go.wait(30)
        if self.error:
            raise self.error

    def count(self) -> int:
        return 7


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield DocumentStore(engine)
    engine.dispose()


def readiness(store: DocumentStore, index: Index, folder: Path, **generation: object) -> Readiness:
    settings = Settings(data_dir=folder, generation=Generation.model_validate(generation))
    chooser, _ = open_generation(settings.generation, WordEmbedder())
    return Readiness(settings, store, index, chooser)  # type: ignore[arg-type]


async def states(checked: Readiness) -> dict[str, State]:
    return {check.name: check.state for check in await checked.checks()}


async def test_all_is_well(store: DocumentStore, tmp_path: Path) -> None:
    assert set((await states(readiness(store, Index(), tmp_path))).values()) == {State.OK}


async def test_an_index_that_refuses_has_failed(store: DocumentStore, tmp_path: Path) -> None:
    assert (await states(readiness(store, Index(StorageFailed("No.")), tmp_path)))["index"] is State.FAILED


@pytest.mark.parametrize(("mode", "state"), [("auto", State.DEGRADED), ("chat", State.FAILED)])
async def test_a_model_that_is_down_matters_as_much_as_it_is_needed(
    store: DocumentStore, tmp_path: Path, mode: str, state: State
) -> None:
    url = "http://ann:secret@127.0.0.1:9/v1"
    checked = readiness(store, Index(), tmp_path, base_url=url, mode=mode, connect_seconds=0.2)
    (model,) = [check for check in await checked.checks() if check.name == "model"]
    assert (model.state, model.detail) == (state, "http://127.0.0.1:9/v1 does not answer")


async def test_a_check_that_hangs_fails_in_time_and_takes_one_thread(
    store: DocumentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.readiness.CHECK_SECONDS", 0.05)
    index = Index()
    index.go.clear()
    checked = readiness(store, index, tmp_path)
    for _ in range(3):
        assert (await states(checked))["index"] is State.FAILED
    assert index.pings == 1
    index.go.set()
    monkeypatch.setattr("core.readiness.CHECK_SECONDS", 10)
    await asyncio.sleep(0)
    assert (await states(checked))["index"] is State.OK


def test_a_data_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    assert check_disk(Settings(data_dir=tmp_path / "gone")).state is State.FAILED


async def test_adapters_are_among_the_checks_when_there_is_something_to_say(
    store: DocumentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Check | None] = [None, Check("adapters", State.DEGRADED, "hr-1 is not there", "Load it.")]

    async def check() -> Check | None:
        if not said:
            await asyncio.Event().wait()
        return said.pop(0)

    plain = readiness(store, Index(), tmp_path)
    assert "adapters" not in await states(plain)
    checked = Readiness(plain._settings, store, plain._vectors, plain._chooser, None, check)
    assert "adapters" not in await states(checked)
    assert (await states(checked))["adapters"] is State.DEGRADED
    monkeypatch.setattr("core.readiness.CHECK_SECONDS", 0.05)
    assert (await states(checked))["adapters"] is State.FAILED, "no answer in time"
