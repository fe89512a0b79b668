"""Work on a file whose job is waited for, and whose end may be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bots.gateway.indexing import as_awaited, ended
from core.errors import StorageFailed
from core.ports import Watch
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, Job, JobState

pytestmark = pytest.mark.asyncio(loop_scope="module")
JOB = Job("j" * 32, "d" * 32, "default", "leave.md", "upload:leave.md", JobState.WAITING)
CHANGE = DocumentChange(ChangeKind.ADDED, "leave.md")
READY = Document(
    id=JOB.document_id,
    namespace="default",
    title="Leave",
    source=JOB.source,
    status=DocumentStatus.READY,
    media_type="text/markdown",
    sha256="f" * 64,
    size_bytes=9,
    updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    error="The newer version is damaged.",
)


async def test_what_ends_in_time_is_its_end_and_what_does_not_is_its_latest_job() -> None:
    async def quick(watch: Watch) -> DocumentChange:
        watch(JOB)
        return CHANGE

    async def slow(watch: Watch) -> DocumentChange:
        watch(JOB)
        watch(replace(JOB, state=JobState.RUNNING))
        await asyncio.Event().wait()
        return CHANGE

    assert await ended(quick, None) == CHANGE
    assert await ended(slow, 0.0) == replace(JOB, state=JobState.RUNNING)


async def test_it_is_waited_until_the_job_is_written_down_however_long_that_takes() -> None:
    may_write = asyncio.Event()

    async def work(watch: Watch) -> DocumentChange:
        await may_write.wait()
        watch(JOB)
        await asyncio.Event().wait()
        return CHANGE

    waiting = asyncio.create_task(ended(work, 0.0))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    may_write.set()
    assert await waiting == JOB


async def test_what_fails_before_or_after_its_job_is_written_down_fails_for_the_caller() -> None:
    async def before(watch: Watch) -> DocumentChange:
        raise StorageFailed("locked")

    async def after(watch: Watch) -> DocumentChange:
        watch(JOB)
        await asyncio.sleep(0)
        raise StorageFailed("away")

    with pytest.raises(StorageFailed, match="locked"):
        await ended(before, 0.0)
    with pytest.raises(StorageFailed, match="away"):
        await ended(after, None)


async def test_a_caller_that_is_gone_leaves_no_task_behind() -> None:
    is_over = asyncio.Event()

    async def work(watch: Watch) -> DocumentChange:
        try:
            watch(JOB)
            await asyncio.Event().wait()
        finally:
            is_over.set()
        return CHANGE

    waiting = asyncio.create_task(ended(work, None))
    await asyncio.sleep(0.01)
    waiting.cancel()
    async with asyncio.timeout(10):
        await is_over.wait()


@pytest.mark.parametrize(
    ("status", "job", "shown"),
    [
        (DocumentStatus.READY, None, DocumentStatus.READY),
        (DocumentStatus.READY, replace(JOB, state=JobState.DONE), DocumentStatus.READY),
        (DocumentStatus.READY, JOB, DocumentStatus.QUEUED),
        (DocumentStatus.FAILED, JOB, DocumentStatus.QUEUED),
        (DocumentStatus.QUEUED, replace(JOB, state=JobState.RUNNING), DocumentStatus.PROCESSING),
        (DocumentStatus.PROCESSING, JOB, DocumentStatus.PROCESSING),
    ],
)
async def test_a_document_with_a_newer_version_on_its_way_is_not_at_its_end(
    status: DocumentStatus, job: Job | None, shown: DocumentStatus
) -> None:
    seen = as_awaited(replace(READY, status=status), job)
    assert seen.status is shown
    assert (seen.error is None) is (shown is not status)
