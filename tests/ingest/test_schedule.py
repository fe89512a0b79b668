"""When a source is synchronised next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.build import open_application
from core.settings import Settings
from core.types import SyncedSource
from ingest.schedule import keep, next_time
from tests.fakes.embedder import WordEmbedder

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "failures", "minutes"),
    [
        (3600, 0, 60),
        (60, 0, 1),
        (60, 1, 5),
        (60, 3, 20),
        (60, 9, 60),
        (3600, 2, 10),
        (86_400, 5, 80),
        (86_400, 99, 1440),
    ],
)
def test_failures_are_tried_again_in_growing_steps(interval: int, failures: int, minutes: int) -> None:
    assert next_time(NOW, interval, failures) == NOW + timedelta(minutes=minutes)


def test_without_an_interval_there_is_no_next_time() -> None:
    assert next_time(NOW, 0, 0) is next_time(NOW, 0, 3) is None


async def test_a_source_that_fails_and_a_record_that_is_away_stop_nothing() -> None:
    sources = [SyncedSource(name, "default", f"file:///{name}/", "folder", NOW) for name in ("bad", "good")]
    done: list[str] = []
    looks = iter([ConnectionError("away")])

    async def due(now: datetime) -> Sequence[SyncedSource]:
        if (error := next(looks, None)) is not None:
            raise error
        return [source for source in sources if source.id not in done or source.id == "bad"]

    async def sync(source: SyncedSource) -> None:
        done.append(source.id)
        if source.id == "bad":
            raise ValueError("broken")

    keeping = asyncio.create_task(keep(due, sync, look_seconds=0))
    async with asyncio.timeout(20):
        while done.count("bad") < 3:
            await asyncio.sleep(0)
    keeping.cancel()
    assert done[:3] == ["bad", "good", "bad"]


@pytest.mark.parametrize("works", [True, False])
def test_a_process_that_does_not_work_on_files_leaves_sources_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    monkeypatch.setattr("core.build.open_embedder", lambda settings: WordEmbedder())
    settings = Settings.model_validate({"data_dir": tmp_path, "jobs": {"run": works}})
    application = open_application(settings, "lorekeeper run", through_owner=False)
    try:
        assert (application.keep_in_sync is not None) is works
    finally:
        application.close()
