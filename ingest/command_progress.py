"""How a command shows files on their way into the index: a bar for all of them, and a line for each that takes long."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from core.console import plain
from core.errors import LorekeeperError
from core.idle import nobody_works
from core.ports import Jobs
from core.types import ChangeKind, DocumentChange, Job, JobStage, JobState
from ingest.documents import INSIDE

POLL_SECONDS = 1.0
# How long nothing has to be done before people are told so.
IDLE_SECONDS = 10.0
# Of the files in work.
MOST_SHOWN = 5
MOST_RUNNING = 100
MOST_WAITING = 20
# What time is left is told from what was done in the last while, and not before there was some.
WINDOW_SECONDS = 30.0
FIRST_GUESS_SECONDS = 3.0
# What a file costs beside its bytes.
BYTES_PER_FILE = 4_000
NOBODY_WORKS = (
    "Nobody works on the files that wait. They are safe, and go on as soon as a `lorekeeper run` runs whose setting "
    "jobs.run is true."
)
T = TypeVar("T")
Clock = Callable[[], float]


class Pace:
    """How fast work gets done, seen from the last half minute."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._seen = deque([(self._began, 0.0)])

    def note(self, done: float) -> None:
        """So many are done by now."""
        now = self._clock()
        self._seen.append((now, done))
        while len(self._seen) > 1 and self._seen[1][0] <= now - WINDOW_SECONDS:
            self._seen.popleft()

    def seconds_for(self, rest: float) -> float | None:
        """How long so many more will take; None while nothing is known."""
        now = self._clock()
        (since, before), (_, done) = self._seen[0], self._seen[-1]
        if now - self._began < FIRST_GUESS_SECONDS or done <= before:
            return None
        return rest * (now - since) / (done - before)


class Display:
    """On standard error, within a `with` block."""

    def __init__(self, console: Console | None = None, clock: Clock = time.monotonic) -> None:
        self.console = console or Console(stderr=True)
        self._bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
        )
        self._task = self._bar.add_task("Reading", total=None, left="")
        self._pace = Pace(clock)
        self._done = 0
        self._total = 0
        self._bytes: int | None = None
        """Of all files, where that is known."""
        self._bytes_done = 0
        self._running: Sequence[Job] = ()
        self._seen: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.lines = ()
        if kind is None or self._done:
            self._bar.stop()
            return
        # Above an error that came before anything was done, a bar says nothing.
        self._bar.live.transient = True
        self._bar.live.stop()

    def expect(self, sizes: Sequence[int]) -> None:
        """So many files were given; sizes in bytes."""
        self._total = len(sizes)
        self._bytes = sum(sizes) + len(sizes) * BYTES_PER_FILE
        self._show()

    def report(self, change: DocumentChange, done: int, total: int) -> None:
        """What happened to a file, how many are done, and how many there are."""
        # Files inside files come on top, and may be done before they are counted.
        self._done, self._total = done, max(done, total)
        self._bytes_done += _bytes_of(change)
        if change.kind is ChangeKind.FAILED:
            self.tell(f"Not indexed: {plain(change.name)}: {plain(change.message or '')}", "red")
        elif change.message:
            self.tell(f"Note: {plain(change.name)}: {plain(change.message)}", "yellow")
        self._show()

    def tell(self, line: str, style: str) -> None:
        """A line above the bar, which stays."""
        self.console.print(Text(line, style=style), soft_wrap=True)

    def in_work(self, jobs: Sequence[Job]) -> None:
        """The files that are in work now, or wait for it; called again and again. Those seen before take long."""
        self._running = [job for job in jobs if job.state is JobState.RUNNING]
        told = [job for job in self._running if job.stage is not JobStage.WAITING] or jobs[:1]
        self._bar.lines = [_line(job) for job in told if job.id in self._seen][:MOST_SHOWN]
        self._seen = frozenset(job.id for job in jobs)
        self._show()

    def _show(self) -> None:
        seconds = self._seconds_left()
        self._bar.update(
            self._task,
            description="Indexing",
            completed=min(self._done + sum(map(_part_done, self._running)), self._total),
            total=self._total or None,
            left=f"about {duration(seconds)} left" if seconds >= 1 else "",
        )

    def _seconds_left(self) -> float:
        """Of the whole; 0 while nothing is known."""
        if not self._total or self._done >= self._total:
            return 0
        if self._bytes is None:
            done, total = self._done + sum(map(_part_done, self._running)), float(self._total)
        else:
            # Those that could not be read count for nothing, so there may be less left than it seems.
            done = self._bytes_done + sum(_part_done(job) * job.size_bytes for job in self._running)
            total = float(self._bytes)
        self._pace.note(done)
        guesses = [self._pace.seconds_for(max(total - done, 0)), *(job.seconds_left for job in self._running)]
        return max((guess for guess in guesses if guess is not None), default=0)


class _Bar(Progress):
    """With lines below it."""

    lines: Sequence[Text] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield from self.lines


async def while_watching(
    work: Coroutine[Any, Any, T], jobs: Jobs, display: Display, is_ours: Callable[[Job], bool]
) -> T:
    """Do the work, and show meanwhile which of our files are in work."""
    watching = asyncio.create_task(_watch(jobs, display, is_ours))
    try:
        return await work
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(jobs: Jobs, display: Display, is_ours: Callable[[Job], bool]) -> None:
    idle_since: float | None = None
    is_told = False
    while True:
        # Whether the work itself goes wrong is told by itself.
        with contextlib.suppress(LorekeeperError):
            found = await _in_work(jobs, is_ours)
            display.in_work(found)
            if not found or found[0].state is not JobState.WAITING or not await nobody_works(jobs):
                idle_since = None
            elif idle_since is None:
                # This command itself may be about to begin.
                idle_since = time.monotonic()
            elif not is_told and time.monotonic() - idle_since >= IDLE_SECONDS:
                is_told = True
                display.tell(NOBODY_WORKS, "yellow")
        await asyncio.sleep(POLL_SECONDS)


async def _in_work(jobs: Jobs, is_ours: Callable[[Job], bool]) -> list[Job]:
    for state, limit in ((JobState.RUNNING, MOST_RUNNING), (JobState.WAITING, MOST_WAITING)):
        found, _ = await jobs.page(frozenset({state}), limit)
        if ours := [job for job in found if is_ours(job)]:
            return ours
    return []


def stage_of(job: Job) -> str:
    """Where an unfinished job is, for a person."""
    # Not every worker tells at once what it does about it.
    return "in work" if (job.state, job.stage) == (JobState.RUNNING, JobStage.WAITING) else job.stage.value


def details_of(job: Job) -> str:
    """How far it is there, and how long it takes; empty where that is not known."""
    said = []
    if job.stage is JobStage.EMBEDDING and job.chunks:
        said.append(f"{job.embedded:,} of {job.chunks:,} passages")
    if job.ahead:
        said.append(f"{job.ahead:,} before it")
    if job.seconds_left:
        said.append(f"about {duration(job.seconds_left)} left")
    return ", ".join(said)


def duration(seconds: float) -> str:
    """In the unit that people would choose."""
    unit, size = "hour", 3600
    if seconds < 90 * 60:
        unit, size = ("second", 1) if seconds < 90 else ("minute", 60)  # noqa: PLR2004 - no more than 90 of either
    number = max(round(seconds / size), 1)
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _line(job: Job) -> Text:
    said = ", ".join(filter(None, [stage_of(job), details_of(job)]))
    return Text(f"  {plain(job.name)}: {said}", style="dim", no_wrap=True, overflow="ellipsis")


def _bytes_of(change: DocumentChange) -> int:
    """What is done with it of those that were given: nothing for a file inside another one."""
    document = change.document
    if document is None or INSIDE in document.source:
        return 0
    return document.size_bytes + BYTES_PER_FILE


def _part_done(job: Job) -> float:
    return min(job.embedded / job.chunks, 1.0) if job.chunks else 0.0
