"""How `lorekeeper run` ends: in time, with the status that is due, whatever it waits for."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from bots.running import serve, settled
from core.build import Application, open_application
from core.errors import StorageFailed
from core.settings import Server, Settings
from core.settings_documents import Jobs
from tests.fakes.embedder import WordEmbedder

WAIT = 30.0


@dataclass
class Run:
    """A `lorekeeper run` whose only part is `part`."""

    folder: Path
    part: Callable[[], Any]
    give_back: Callable[[], None] = lambda: None
    parts: list[str] = field(default_factory=lambda: ["slack"])
    said: list[object] = field(default_factory=list)
    """The status that it said when it began to end, `given back` and `closed`, in this order or not."""

    async def go(self) -> int:
        settings = Settings(data_dir=self.folder / "data", jobs=Jobs(run=False), server=Server(port=0))
        with (
            patch("core.build.open_embedder", lambda _: WordEmbedder()),
            patch("bots.running.open_application", self._open),
        ):
            return await serve(settings, self.parts, self.said.append, is_standby=True)

    def _open(self, *given: Any, **chosen: Any) -> Application:
        application = open_application(*given, **chosen)

        def stop() -> None:
            self.said.append("given back")
            self.give_back()
            application.stop()

        application._parts.callback(self.said.append, "closed")
        return replace(application, keep_in_sync=self.part, stop=stop)


def tell_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def until_told_to_stop() -> None:
    # By then, it listens for signals.
    asyncio.get_running_loop().call_later(0, tell_to_stop)
    await asyncio.Event().wait()


async def fails() -> None:
    raise StorageFailed("The disk is full.")


async def test_when_it_is_told_to_stop_its_status_is_0(tmp_path: Path) -> None:
    run = Run(tmp_path, until_told_to_stop)
    assert await run.go() == 0
    assert run.said == [0, "given back", "closed"]


async def test_when_a_part_failed_the_status_says_so_even_if_it_does_not_end_in_time(tmp_path: Path) -> None:
    run = Run(tmp_path, fails)
    with pytest.raises(StorageFailed, match="disk"):
        await run.go()
    assert run.said == [1, "given back", "closed"]


async def test_that_files_cannot_be_given_back_changes_nothing_about_the_end(tmp_path: Path) -> None:
    def give_back() -> None:
        raise StorageFailed("The database is away.")

    run = Run(tmp_path, until_told_to_stop, give_back)
    with pytest.raises(StorageFailed, match="away"):
        await run.go()
    assert run.said == [0, "given back", "closed"]


async def test_while_files_are_given_back_slowly_it_can_be_told_to_stop_at_once(tmp_path: Path) -> None:
    is_at_once = threading.Event()

    async def finishes_first() -> None:
        try:
            await until_told_to_stop()
        except asyncio.CancelledError:
            try:
                tell_to_stop()
                await asyncio.sleep(WAIT)
            except asyncio.CancelledError:
                is_at_once.set()

    def give_back() -> None:
        assert is_at_once.wait(WAIT)

    run = Run(tmp_path, finishes_first, give_back)
    assert await run.go() == 0
    assert run.said == [0, "given back", "closed"]


@pytest.mark.parametrize("parts", [["slack"], ["gateway"]])
async def test_a_process_that_answers_keeps_its_models_and_another_one_does_not(
    tmp_path: Path, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []
    run = Run(tmp_path, until_told_to_stop)
    opened = run._open

    async def keep() -> None:
        kept.append("models")
        await asyncio.Event().wait()

    def with_models(*given: Any, **chosen: Any) -> Application:
        return replace(opened(*given, **chosen), keep_models=keep)

    monkeypatch.setattr(run, "_open", with_models)
    run.parts = parts
    assert await run.go() == 0
    assert kept == (["models"] if parts == ["gateway"] else []), "without a token, Slack is off"


def test_what_was_loaded_is_spared_by_the_collector_only_while_it_serves() -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    with settled():
        assert gc.get_freeze_count() > frozen + 1000
        assert gc.get_threshold()[0] > thresholds[0]
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() == frozen
