"""How far jobs are is told of those in work, and remembered of no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.store.job_rows import BULK, URGENT, Claimed, NewJob
from core.types import ChangeKind, Chunk, Document, DocumentStatus, JobStage
from ingest.received import Prepared, Received, Work
from ingest.signal import Signal
from ingest.telling import Telling
from tests.ingest.library import Library


def prepared(name: str, priority: int) -> Prepared:
    job = NewJob(name, name, "default", f"upload:{name}", name, "0" * 64, 1, priority=priority)
    document = Document(name, "default", name, job.source, DocumentStatus.READY, "", "", 1, datetime.now(UTC))
    file = Received(name, job.source, "default", b"", work=Work(Claimed(job, "worker", 1, 1)))
    return Prepared(name, document, ChangeKind.ADDED, (), (Chunk(f"{name}-1", name, "s", 0, "text"),), file)


def in_work(library: Library, *names: str, priority: int) -> list[Prepared]:
    """Files whose jobs a worker has in hand."""
    wanted = [prepared(name, priority).file.work for name in names]
    library.store.receive([], [work.claimed.job for work in wanted if work is not None])
    claimed = library.jobs.claim("worker", len(names), 60)
    each = [prepared(name, priority) for name in names]
    return [replace(one, file=replace(one.file, work=Work(of))) for one, of in zip(each, claimed, strict=True)]


def stages(library: Library) -> dict[str, JobStage]:
    return {job.name: job.stage for job in library.all_jobs()}


def test_of_small_files_in_folders_one_is_told_of_now_and_then(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = in_work(library, "one", "two", "three", priority=BULK)
    times = iter((100.0, 100.5, 101.5, 102.0))
    monkeypatch.setattr("ingest.telling.time.monotonic", lambda: next(times))
    telling = Telling(library.jobs, Signal())
    for each in files:
        telling.stage(each.file.work, JobStage.READING)
    read = {"one": JobStage.READING, "two": JobStage.WAITING, "three": JobStage.READING}
    assert stages(library) == read
    telling.embedding(files, 0, 3)
    assert stages(library) == {
        name: JobStage.EMBEDDING if stage is JobStage.READING else stage for name, stage in read.items()
    }


def test_of_what_people_wait_for_each_is_told(library: Library) -> None:
    telling = Telling(library.jobs, Signal())
    for each in in_work(library, "one", "two", priority=URGENT):
        telling.stage(each.file.work, JobStage.READING)
    assert set(stages(library).values()) == {JobStage.READING}


def test_nothing_of_earlier_batches_is_remembered(library: Library) -> None:
    telling = Telling(library.jobs, Signal())
    for name, priority in (("one", BULK), ("two", URGENT), ("three", BULK)):
        each = prepared(name, priority)
        telling.stage(each.file.work, JobStage.READING)
        telling.embedding([each], 0, 2)
        telling.embedding([each], 1, 2)
        assert set(telling._told) == {name}
