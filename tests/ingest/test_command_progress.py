"""What a person sees of files on their way into the index."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from core.errors import StorageFailed
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, Job, JobStage, JobState
from ingest import command_progress
from ingest.command_progress import NOBODY_WORKS, Display, Pace, details_of, duration, stage_of, while_watching

DOCUMENT = Document(
    "document1",
    "default",
    "A",
    "upload:a.md",
    DocumentStatus.READY,
    "text/plain",
    "",
    1,
    datetime(2026, 1, 1, tzinfo=UTC),
)
RUNNING = Job("job1", "document1", "default", "handbook.pdf", "upload:handbook.pdf", JobState.RUNNING)
READING = replace(RUNNING, stage=JobStage.READING)
EMBEDDING = replace(RUNNING, stage=JobStage.EMBEDDING, chunks=300, embedded=120, seconds_left=40)
WAITING = replace(RUNNING, state=JobState.WAITING, ahead=12)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Shown:
    """A display on a terminal that can be looked at."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.written = io.StringIO()
        console = Console(file=self.written, force_terminal=True, width=160, color_system=None)
        self.display = Display(console, self.clock)

    @property
    def lines(self) -> list[str]:
        """As they stand there now."""
        printed = Console(file=io.StringIO(), width=160, color_system=None)
        with printed.capture() as captured:
            for part in self.display._bar.get_renderables():
                printed.print(part)
        return [line.rstrip() for line in captured.get().splitlines()]


def added(name: str = "a.md", document: Document | None = None) -> DocumentChange:
    return DocumentChange(ChangeKind.ADDED, name, document)


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (WAITING, ("waiting", "12 before it")),
        (RUNNING, ("in work", "")),
        (READING, ("reading", "")),
        (EMBEDDING, ("embedding", "120 of 300 passages, about 40 seconds left")),
        (replace(RUNNING, stage=JobStage.PUBLISHING), ("publishing", "")),
    ],
)
def test_the_stage_of_a_job_is_told_in_words(job: Job, told: tuple[str, str]) -> None:
    assert (stage_of(job), details_of(job)) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "1 second"), (40.4, "40 seconds"), (100, "2 minutes"), (3600, "60 minutes"), (7200, "2 hours"),
        (100_000, "28 hours"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_one_unit(seconds: float, told: str) -> None:
    assert duration(seconds) == told


class TestPace:
    def test_nothing_is_told_before_something_is_done(self) -> None:
        clock = Clock()
        pace = Pace(clock)
        clock.now += 10
        assert pace.seconds_for(5) is None
        pace.note(2)
        assert pace.seconds_for(5) == 25

    def test_a_first_moment_is_no_guide(self) -> None:
        clock = Clock()
        pace = Pace(clock)
        clock.now += 1
        pace.note(10)
        assert pace.seconds_for(5) is None

    def test_only_the_last_half_minute_counts(self) -> None:
        clock = Clock()
        pace = Pace(clock)
        pace.note(10_000)
        for done in range(10_001, 10_101):
            clock.now += 1
            pace.note(done)
        assert pace.seconds_for(50) == pytest.approx(50)

    def test_what_stands_still_takes_ever_longer(self) -> None:
        clock = Clock()
        pace = Pace(clock)
        clock.now += 10
        pace.note(10)
        clock.now += 10
        assert pace.seconds_for(10) == 20


class TestDisplay:
    def test_a_file_that_takes_long_is_shown_with_its_stage(self) -> None:
        shown = Shown()
        shown.display.in_work([EMBEDDING])
        assert len(shown.lines) == 1, "it may be done in a moment"
        shown.display.in_work([EMBEDDING])
        assert shown.lines[1:] == ["  handbook.pdf: embedding, 120 of 300 passages, about 40 seconds left"]
        shown.display.in_work([])
        assert len(shown.lines) == 1

    def test_files_that_were_taken_and_not_begun_stand_behind_those_that_were(self) -> None:
        shown = Shown()
        taken = [replace(RUNNING, id=f"taken{number}", name=f"{number}.md") for number in range(8)]
        for _ in range(2):
            shown.display.in_work([*taken, READING])
        assert shown.lines[1:] == ["  handbook.pdf: reading"]
        for _ in range(2):
            shown.display.in_work(taken)
        assert shown.lines[1:] == ["  0.md: in work"]

    def test_of_files_that_all_wait_the_first_is_shown(self) -> None:
        shown = Shown()
        for _ in range(2):
            shown.display.in_work([WAITING, replace(WAITING, id="job2", ahead=13)])
        assert shown.lines[1:] == ["  handbook.pdf: waiting, 12 before it"]

    def test_no_more_lines_than_fit(self) -> None:
        shown = Shown()
        for _ in range(2):
            shown.display.in_work([replace(READING, id=str(number)) for number in range(20)])
        assert len(shown.lines) == 1 + command_progress.MOST_SHOWN

    def test_the_total_never_falls_behind_what_is_done(self) -> None:
        shown = Shown()
        for done in range(1, 5):
            shown.display.report(added(), done, 2)
        assert " 4/4 " in shown.lines[0]

    def test_the_part_of_a_file_that_is_done_counts_for_the_time_that_is_left(self) -> None:
        shown = Shown()
        shown.display.report(added(), 1, 3)
        shown.clock.now += 10
        half = replace(EMBEDDING, embedded=150, seconds_left=None)
        shown.display.in_work([half])
        # One and a half of three in ten seconds.
        assert shown.lines[0].endswith("about 10 seconds left")

    def test_a_large_file_counts_for_more_than_a_small_one(self) -> None:
        shown = Shown()
        shown.display.expect([6_000, 6_000, 76_000])
        assert " 0/3 " in shown.lines[0]
        shown.clock.now += 5
        for done in (1, 2):
            shown.display.report(added(document=replace(DOCUMENT, size_bytes=6_000)), done, 3)
        # A fifth of the bytes in five seconds, with what each file costs beside them.
        assert shown.lines[0].endswith("about 20 seconds left")

    def test_a_file_inside_another_is_nothing_that_was_given(self) -> None:
        shown = Shown()
        shown.display.expect([6_000, 6_000])
        shown.clock.now += 5
        inside = replace(DOCUMENT, source="upload:a.zip!/b.md", size_bytes=1_000_000)
        shown.display.report(added(document=inside), 1, 3)
        assert "left" not in shown.lines[0]
        shown.display.report(added(document=replace(DOCUMENT, size_bytes=6_000)), 2, 3)
        assert shown.lines[0].endswith("about 5 seconds left")

    def test_while_the_number_of_files_is_unknown_only_theirs_is_told(self) -> None:
        shown = Shown()
        for _ in range(2):
            shown.display.in_work([EMBEDDING])
        assert "left" not in shown.lines[0]
        assert shown.lines[1].endswith("about 40 seconds left")

    def test_what_is_left_is_at_least_what_a_file_in_work_needs(self) -> None:
        shown = Shown()
        shown.display.report(added(), 1, 2)
        shown.clock.now += 4
        shown.display.in_work([replace(EMBEDDING, seconds_left=600)])
        assert shown.lines[0].endswith("about 10 minutes left")

    def test_failures_and_notes_stay_above_and_cannot_drive_the_terminal(self) -> None:
        shown = Shown()
        with shown.display:
            shown.display.report(DocumentChange(ChangeKind.FAILED, "a\x1b[31m.pdf", message="It is\x1b damaged."), 1, 2)
            shown.display.report(DocumentChange(ChangeKind.ADDED, "b.pdf", message="1 picture has no text."), 2, 2)
        assert "Not indexed: a[31m.pdf: It is damaged.\n" in shown.written.getvalue()
        assert "Note: b.pdf: 1 picture has no text.\n" in shown.written.getvalue()

    @pytest.mark.parametrize("is_terminal", [True, False])
    def test_an_error_before_anything_was_done_leaves_no_bar(self, *, is_terminal: bool) -> None:
        written = io.StringIO()
        console = Console(file=written, force_terminal=is_terminal, width=160, color_system=None)
        with pytest.raises(StorageFailed), Display(console):
            raise StorageFailed("The disk is full.")
        left = written.getvalue().rpartition("\x1b[2K")[2]
        assert "0/" not in left

    def test_an_error_after_something_was_done_leaves_how_far_it_came(self) -> None:
        written = io.StringIO()
        display = Display(Console(file=written, width=160))
        display.report(added(), 1, 2)
        with pytest.raises(StorageFailed), display:
            raise StorageFailed("The disk is full.")
        assert " 1/2 " in written.getvalue()

    def test_lines_of_files_are_gone_at_the_end(self) -> None:
        shown = Shown()
        with shown.display:
            for _ in range(2):
                shown.display.in_work([READING])
        assert len(shown.lines) == 1


@dataclass
class SomeJobs:
    """Those in work, by state."""

    running: Sequence[Job] = ()
    waiting: Sequence[Job] = ()
    fails: bool = False
    asked: int = 0

    async def page(
        self,
        states: frozenset[JobState] = frozenset(),
        limit: int = 100,
        offset: int = 0,
        *,
        within: frozenset[str] = frozenset(),
    ) -> tuple[list[Job], int]:
        self.asked += 1
        if self.fails:
            raise StorageFailed("The database is locked.")
        found = list({JobState.RUNNING: self.running, JobState.WAITING: self.waiting}.get(next(iter(states)), ()))
        return found, len(found)

    async def get(self, job_id: str, within: frozenset[str] = frozenset()) -> Job:
        raise NotImplementedError

    async def about(self, document_id: str, states: frozenset[JobState]) -> Job | None:
        raise NotImplementedError

    cancel = retry = get


class TestWatching:
    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command_progress, "POLL_SECONDS", 0.0)

    async def seen(self, jobs: SomeJobs, shown: Shown, times: int = 6) -> str:
        async def work() -> str:
            while jobs.asked < times:
                await asyncio.sleep(0)
            return "done"

        return await while_watching(work(), jobs, shown.display, lambda job: job.name == "handbook.pdf")

    async def test_only_our_own_files_are_shown(self) -> None:
        shown = Shown()
        jobs = SomeJobs([replace(READING, id="other", name="other.pdf"), EMBEDDING])
        assert await self.seen(jobs, shown) == "done"
        assert shown.lines[1:] == ["  handbook.pdf: embedding, 120 of 300 passages, about 40 seconds left"]

    async def test_behind_the_files_of_others_ours_waits(self) -> None:
        shown = Shown()
        await self.seen(SomeJobs([replace(READING, id="other", name="other.pdf")], [WAITING]), shown)
        assert shown.lines[1:] == ["  handbook.pdf: waiting, 12 before it"]

    async def test_that_nobody_works_yet_is_not_said(self) -> None:
        shown = Shown()
        await self.seen(SomeJobs(waiting=[WAITING]), shown, times=20)
        assert NOBODY_WORKS not in shown.written.getvalue()

    async def test_that_nobody_works_is_said_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command_progress, "IDLE_SECONDS", 0.0)
        shown = Shown()
        await self.seen(SomeJobs(waiting=[WAITING]), shown, times=20)
        assert shown.written.getvalue().count(NOBODY_WORKS) == 1

    async def test_behind_what_is_in_work_nothing_of_the_kind_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command_progress, "IDLE_SECONDS", 0.0)
        shown = Shown()
        await self.seen(SomeJobs([replace(READING, id="other", name="other.pdf")], [WAITING]), shown, times=20)
        assert NOBODY_WORKS not in shown.written.getvalue()

    async def test_that_it_cannot_be_looked_at_does_not_end_the_work(self) -> None:
        shown = Shown()
        assert await self.seen(SomeJobs(fails=True), shown) == "done"
        assert len(shown.lines) == 1

    async def test_an_error_of_the_work_is_raised_and_nobody_goes_on_looking(self) -> None:
        jobs = SomeJobs()

        async def work() -> None:
            raise StorageFailed("The disk is full.")

        with pytest.raises(StorageFailed, match="disk"):
            await while_watching(work(), jobs, Shown().display, lambda job: True)
        asked = jobs.asked
        await asyncio.sleep(0.01)
        assert jobs.asked == asked
