"""Whether anybody carries out what waits is told rightly while workers are busy with what is no job."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

import ingest.worker
from core.idle import nobody_works
from core.store.job_rows import BULK
from core.store.schema import jobs
from core.types import JobState
from ingest.received import Received
from ingest.receiving import accept
from tests.ingest.library import Library, open_library, until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.worker, "HOLD_SECONDS", 0.05)


def is_idle(library: Library) -> bool:
    return asyncio.run(nobody_works(library.pipeline.jobs))


def wait_for_long(library: Library) -> None:
    """A file of a folder waits, and has done so for years."""
    file = Received("a.md", "upload:a.md", "default", b"# A\n\nText.\n")
    assert list(accept(library.pipeline._stores, [file], BULK))
    with library.engine.begin() as connection:
        connection.execute(sa.update(jobs).values(due_at=datetime(2020, 1, 1, tzinfo=UTC)))


def test_behind_a_reindex_files_wait_for_somebody(tmp_path: Path) -> None:
    is_begun, may_end = threading.Event(), threading.Event()

    def reindexes() -> None:
        is_begun.set()
        assert may_end.wait(60)

    with open_library(tmp_path / "data") as library:
        reindexing = threading.Thread(target=library.pipeline._worker.do, args=(reindexes,))
        reindexing.start()
        try:
            assert is_begun.wait(60)
            wait_for_long(library)
            assert is_idle(library), "until somebody says that it works"
            library.pipeline.work()
            until(lambda: not is_idle(library), 20.0)
            assert [job.state for job in library.all_jobs()] == [JobState.WAITING]
        finally:
            may_end.set()
            reindexing.join()
        library.work()
        assert library.count(JobState.DONE) == 1


def test_without_a_worker_nobody_works(tmp_path: Path) -> None:
    with open_library(tmp_path / "data") as library:
        wait_for_long(library)
        assert is_idle(library)
