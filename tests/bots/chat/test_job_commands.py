"""What admins are told of files on their way into the index, and what they do about them, over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from bots.chat.job_commands import MOST_AT_WORK, PAGE
from bots.chat.results import Request
from core.store.engine import transaction
from core.store.job_rows import URGENT, NewJob, Progress
from core.store.jobs import enqueue
from core.store.schema import jobs
from core.types import JobStage, JobState, Origin
from ingest.documents import document_id
from ingest.files import FileStore
from ingest.received import Received
from ingest.receiving import Accepted, accept
from tests.bots.chat.versioned import ADMIN, HERE, NOBODY, Place, opened_place

WAIT = 20.0
BROKEN = b"PK\x03\x04" + bytes(60)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened_place(tmp_path) as opened:
        yield opened


def queue(place: Place, number: int = 0, namespace: str = "default") -> str:
    """A file that waits, because nobody works; the id of its job is returned."""
    identity = f"{number:032x}"
    wanted = NewJob(
        identity, f"d{number:031x}", namespace, f"upload:{number}.md", f"{number}.md", f"{number:064x}", 9,
        priority=URGENT, origin=Origin("discord", "123"),
    )  # fmt: skip
    return write(place, wanted)


def write(place: Place, job: NewJob) -> str:
    with transaction(place.store.engine) as connection:
        return enqueue(connection, [job])[0]


def fail(place: Place, number: int) -> str:
    """A file that waits fails."""
    (claimed,) = place.store.jobs.claim("worker", 1, 60)
    assert claimed.job.name == f"{number}.md"
    place.store.jobs.finish(claimed, [], f"Reason {number}.", "unreadable_document")
    return claimed.job.id


async def test_what_failed_is_listed_with_the_reason_and_how_to_try_again(place: Place) -> None:
    await place.send("report.docx", BROKEN, namespace="board")
    told = await place.say("failed")
    (row,) = told.rows
    (job,), _ = await place.store.pipeline.jobs.page(frozenset({JobState.FAILED}))
    assert job.error
    assert row.title == "report.docx"
    assert row.details[0] == job.error
    assert "namespace board" in row.details[1]
    assert row.details[1].endswith("from Slack · by ann")
    assert f"/lore retry {job.id[:8]}" in row.details[2]
    assert row.action is not None
    assert (row.action.label, row.action.command) == ("Try again", f"retry {job.id}")


async def test_what_failed_and_came_again_is_not_listed(place: Place) -> None:
    await place.send("report.md", BROKEN)
    assert "1 of 1" in (await place.say("failed")).text
    await place.send("report.md", "# Report\n\nAll is well.\n")
    assert "No file failed" in (await place.say("failed")).text
    assert "/lore failed" not in (await place.say("status")).text


async def test_where_nothing_failed_the_list_says_so(place: Place) -> None:
    queue(place)
    told = await place.say("failed")
    assert "No file failed" in told.text
    assert not told.rows


async def test_long_lists_of_failures_have_pages(place: Place) -> None:
    for number in range(PAGE + 2):
        queue(place, number)
        fail(place, number)
    first = await place.say("failed")
    assert "1 to 10 of 12" in first.text
    assert [action.name for action in first.actions] == ["next"]
    second = await place.say(first.actions[0].command)
    assert "11 to 12 of 12" in second.text
    assert [action.command for action in second.actions] == ["failed page 1"]
    assert "11 to 12 of 12" in (await place.say("failed page 99")).text


async def test_what_failed_is_tried_again(place: Place) -> None:
    text = b"# Leave\n\nYou accrue 13 days of leave.\n"
    digest = FileStore(place.store.settings.data_dir / "files").put(text)
    source = "upload:leave.md"
    job = NewJob("ab" * 16, document_id("default", source), "default", source, "leave.md", digest, len(text))
    write(place, job)
    (claimed,) = place.store.jobs.claim("worker", 1, 60)
    place.store.jobs.finish(claimed, [], "The disk was full.", "storage_failed")
    assert "tried again" in (await place.say("retry ABABAB")).text
    async with asyncio.timeout(WAIT):
        while place.store.jobs.get(job.id).state is not JobState.DONE:
            await asyncio.sleep(0.05)
    assert place.texts() == {"Leave": 1}
    assert "only what failed" in (await place.say("retry ababab")).rows[0].title


async def test_what_waits_is_given_up(place: Place) -> None:
    identity = queue(place)
    told = await place.say(f"cancel {identity}")
    assert "Given up" in told.text
    assert [row.title for row in told.rows] == ["0.md"]
    assert place.store.jobs.get(identity).state is JobState.CANCELLED
    again = await place.say(f"cancel {identity}")
    assert "cancelled already" in again.rows[0].title


@pytest.mark.parametrize("verb", ["retry", "cancel"])
async def test_a_job_that_there_is_not_is_told_so(place: Place, verb: str) -> None:
    assert "no such job" in (await place.say(f"{verb} 123456")).text
    assert "at least the first 6" in (await place.say(f"{verb} 12")).rows[0].title


async def test_the_status_shows_admins_what_waits_and_runs_with_its_stage(place: Place) -> None:
    for number in range(3):
        queue(place, number)
    (claimed,) = place.store.jobs.claim("worker", 1, 60)
    place.store.jobs.note(claimed, Progress(JobStage.EMBEDDING, 3, 300, 120, 40))
    status = await place.say("status")
    assert "3 files wait or are in work." in status.text
    assert [row.title for row in status.rows] == ["0.md", "1.md", "2.md"]
    assert status.rows[0].details[0] == "is being embedded: 120 of 300 passages, about 40 seconds left"
    assert status.rows[1].details[0].startswith("waits for its turn")
    assert "from Discord · by 123" in status.rows[1].details[1]
    assert f"/lore cancel {claimed.job.id[:8]}" in status.rows[0].details[2]


async def test_the_status_says_when_nobody_works(place: Place) -> None:
    queue(place)
    assert "Nobody works" not in (await place.say("status")).text, "it has just come"
    with place.store.engine.begin() as connection:
        connection.execute(sa.update(jobs).values(due_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert "Nobody works on them at the moment" in (await place.say("status")).text
    place.store.jobs.claim("worker", 1, 60)
    assert "Nobody works" not in (await place.say("status")).text


async def test_what_is_removed_before_it_was_indexed_can_be_taken_up_again(place: Place) -> None:
    text = b"# Leave\n\nYou accrue 13 days of leave.\n"
    file = Received("leave.md", "upload:leave.md", "default", text)
    (waiting,) = accept(place.store.pipeline._stores, [file], URGENT)
    assert isinstance(waiting, Accepted)
    asked = await place.say("remove leave.md")
    assert "can be taken up again afterwards" in asked.text
    removed = await place.confirm(asked)
    assert "had not been indexed yet" in removed.text
    (again,) = removed.actions
    assert again.command == f"retry {waiting.job_id}"
    assert "tried again" in (await place.say(again.command)).text
    async with asyncio.timeout(WAIT):
        while place.store.jobs.get(waiting.job_id).state is not JobState.DONE:
            await asyncio.sleep(0.05)
    assert place.texts() == {"Leave": 1}


async def test_the_status_tells_others_nothing_of_it(place: Place) -> None:
    queue(place)
    status = await place.say("status", NOBODY)
    assert not status.rows
    assert "in work" not in status.text


async def test_the_status_says_why_something_waits_for_another_try(place: Place) -> None:
    queue(place)
    (claimed,) = place.store.jobs.claim("worker", 1, 60)
    place.store.jobs.put_back(claimed, 60, "The embedding server is away.", "embedding_failed")
    assert "the last try failed: The embedding server is away." in (await place.say("status")).rows[0].details


async def test_of_very_many_files_in_work_the_first_are_shown(place: Place) -> None:
    for number in range(MOST_AT_WORK + 5):
        queue(place, number)
    status = await place.say("status")
    assert f"{MOST_AT_WORK + 5} files wait or are in work, of which the first {MOST_AT_WORK} are below." in status.text
    assert len(status.rows) == MOST_AT_WORK


async def test_the_status_points_to_what_failed(place: Place) -> None:
    assert "/lore failed" not in (await place.say("status")).text
    await place.send("report.docx", BROKEN)
    assert "1 file could not be added: `/lore failed` says why." in (await place.say("status")).text


async def test_jobs_are_offered_by_what_can_be_done_about_them(place: Place) -> None:
    queue(place, 1)
    failed = fail(place, 1)
    waiting = queue(place, 2)
    admin = Request(HERE, "chat:ben", ADMIN)
    assert [each.id for each in await place.library.jobs_for(admin, "retry", "", 10)] == [failed]
    assert [each.id for each in await place.library.jobs_for(admin, "cancel", "2.MD", 10)] == [waiting]
    assert await place.library.jobs_for(admin, "cancel", "xyzzy", 10) == []
    assert await place.library.jobs_for(Request(HERE, "chat:ben"), "retry", "", 10) == []
