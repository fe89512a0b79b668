"""How far jobs are is told of those in work, and remembered of no others."""

from __future__ import annotations

from datetime import UTC, datetime

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


def test_nothing_of_earlier_batches_is_remembered(library: Library) -> None:
    telling = Telling(library.jobs, Signal())
    for name, priority in (("one", BULK), ("two", URGENT), ("three", BULK)):
        each = prepared(name, priority)
        telling.stage(each.file.work, JobStage.READING)
        telling.embedding([each], 0, 2)
        telling.embedding([each], 1, 2)
        assert set(telling._told) == {name}
