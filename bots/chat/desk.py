"""The desk: takes entries from the inbox and has each answered once, over edits, deletions, crashes and stops."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import structlog

from bots.chat.writes import Writes
from core.errors import LorekeeperError
from core.log import id_of, request
from core.store.inbox import Entry, Inbox, Revision

AT_ONCE = 64
# So long an answer waits for a platform that is away.
PATIENCE = timedelta(hours=6)
HOLD_SECONDS = 15.0
LOOK_SECONDS = 2.0
GRACE_SECONDS = 20.0
# After a failure: 2, 4, 8 … seconds, at most this many tries. A crash counts as one, so that no entry crashes for ever.
MOST_ATTEMPTS = 6
# The apology can fail too; then the entry ends without one, and its thread goes on.
MOST_APOLOGIES = 2
MOST_CLEANINGS, LONGEST_CLEANING_SECONDS = 4, 10.0
RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 300.0
log = structlog.get_logger(__name__)


class Interrupted(StrEnum):
    """Why work on an entry is cut short."""

    REVISED = "revised"
    WITHDRAWN = "withdrawn"
    STOPPED = "stopped"
    """By the person, who wants no (more) answer."""
    CLOSING = "closing"


class End(StrEnum):
    """How work on an entry ended, in metrics."""

    DONE = "done"
    GIVEN_UP = "given_up"
    INTERRUPTED = "interrupted"
    PUT_BACK = "put_back"
    """It is tried again."""


class Retry(Exception):  # it is no error: the work is put back
    """Work on an entry cannot go on now, and may later."""

    def __init__(self, cause: str, delay: float | None = None) -> None:
        super().__init__(cause)
        self.delay = delay


@dataclass(frozen=True, slots=True)
class Work:
    """What a channel does with entries. Both end within a time of their own."""

    answer: Callable[[Entry], Awaitable[None]]
    """Raises `Retry`. Cancelled when the work is interrupted."""
    interrupted: Callable[[Entry, Interrupted], Awaitable[None]]
    """Cleans up after that. `entry.reply` is as it was last noted."""
    give_up: Callable[[Entry], Awaitable[None]]
    """The last try failed: an apology."""


@dataclass(slots=True)
class _Job:
    """One claim of an entry."""

    entry: Entry
    """With the reply as it was last noted."""
    before: asyncio.Task[None] | None
    """An edited message can come round before the work on its old form has ended."""
    task: asyncio.Task[None] | None = None
    """Is never cancelled: it puts in order what the work leaves behind."""
    work: asyncio.Task[float | None] | None = None
    notes: set[asyncio.Future[None]] = field(default_factory=set)
    reason: Interrupted | None = None

    def interrupt(self, reason: Interrupted) -> None:
        if self.reason is None and self.work is not None:
            self.work.cancel()
        # Deleted is deleted, whatever happened before.
        if self.reason is None or reason is Interrupted.WITHDRAWN:
            self.reason = reason


class Desk:
    """For one channel in one process."""

    def __init__(
        self,
        inbox: Inbox,
        channel: str,
        work: Work,
        *,
        at_once: int = AT_ONCE,
        observe: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        """`observe` is told how work on an entry ended: the channel, an `End`, and the seconds since the entry came."""
        self._inbox = inbox
        self._channel = channel
        self._work = work
        self._at_once = at_once
        self._observe = observe
        self._worker = secrets.token_hex(8)
        self._jobs: dict[str, _Job] = {}
        self._put_off: dict[str, int] = {}
        """How often each entry was put back because the platform was away, which is no fault of the entry."""
        self._cleaning: set[asyncio.Task[None]] = set()
        self._claiming: asyncio.Future[list[Entry]] | None = None
        self._wake = asyncio.Event()
        self._queue = Writes(inbox, self._wake.set)

    async def accept(self, entry: Entry) -> bool:
        """Record an entry; True if it is new and ours. Raises `StorageFailed`: then the platform must send it again."""
        return await self._queue.write(entry)

    async def revise(self, entry: Entry, *, again: bool = False) -> None:
        """The person edited the message. One that was not for the bot before may be now. Raises `StorageFailed`.

        `again`: it is to be answered once more, edited or not.
        """
        await self._queue.settled(entry.key)
        revised = await asyncio.to_thread(lambda: self._inbox.revise(entry.key, entry.payload, again=again))
        if revised is Revision.DONE:
            self._interrupt(entry.key, Interrupted.REVISED)
            self._wake.set()
        elif revised is Revision.UNKNOWN and entry.opens:
            await self.accept(entry)

    async def withdraw(self, key: str, *, may_come: bool = True) -> None:
        """The person deleted the message, which `may_come` yet. Raises `StorageFailed`."""
        await self._queue.settled(key)
        pending = await asyncio.to_thread(self._inbox.withdraw, key, self._channel, may_come=may_come)
        if pending is not None and not self._interrupt(key, Interrupted.WITHDRAWN):
            task = asyncio.create_task(self._clean_up(pending, Interrupted.WITHDRAWN))
            self._cleaning.add(task)
            task.add_done_callback(self._cleaning.discard)

    def stop(self, thread: str) -> None:
        """The person wants no (more) answer in this thread."""
        for job in self._jobs.values():
            if job.entry.thread == thread:
                job.interrupt(Interrupted.STOPPED)

    async def note(self, entry: Entry, reply: dict[str, object]) -> None:
        """Record where the answer is posted. The entry's `reply` from then on, even if the caller is cancelled here."""
        writing = asyncio.ensure_future(asyncio.to_thread(self._inbox.note, entry.key, reply))
        job = self._jobs.get(entry.key)
        if job is not None:
            job.entry = replace(job.entry, reply=reply)
            job.notes.add(writing)
        await asyncio.shield(writing)

    @property
    def busy(self) -> int:
        """Entries that are being worked on in this process."""
        return len(self._jobs)

    async def run(self, *, alone: bool = False) -> None:
        """Work until cancelled, then finish what is begun within some seconds and give the rest back.

        Cancelled again, it gives back at once.
        `alone`: no other process works on this inbox, so that what a former one held is free at once.
        """
        if alone:
            await self._free_all()
        holding = asyncio.create_task(self._hold())
        try:
            while True:
                self._wake.clear()
                await self._take()
                # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
        finally:
            closing = asyncio.create_task(self._close())
            while not closing.done():
                try:
                    await asyncio.wait([closing])
                except asyncio.CancelledError:
                    self._hurry()
            holding.cancel()
            await asyncio.gather(holding, closing, return_exceptions=True)

    # Taking entries, and keeping them

    async def _take(self) -> None:
        free = self._at_once - len(self._jobs)
        if free <= 0:
            return
        claim = asyncio.to_thread(self._inbox.claim, self._channel, self._worker, free, HOLD_SECONDS)
        self._claiming = asyncio.ensure_future(claim)
        try:
            # Who cancels this gives back in `_close` what the thread still claims.
            entries = await asyncio.shield(self._claiming)
        except LorekeeperError as error:
            log.warning("the inbox cannot be read", channel=self._channel, cause=error.message)
            return
        self._claiming = None
        for entry in entries:
            earlier = self._jobs.get(entry.key)
            job = _Job(entry, earlier.task if earlier is not None else None)
            self._jobs[entry.key] = job
            job.task = asyncio.create_task(self._carry_out(job))

    async def _hold(self) -> None:
        """Other processes take what this one does not hold on to."""
        while True:
            await asyncio.sleep(HOLD_SECONDS / 3)
            jobs = list(self._jobs.values())
            if not jobs:
                continue
            keys = {job.entry.key for job in jobs}
            try:
                mine = await asyncio.to_thread(self._inbox.hold, keys, self._worker, HOLD_SECONDS)
            except Exception:  # the next time may go well, and without this all is done twice
                log.exception("the inbox cannot be written", channel=self._channel)
                continue
            for job in jobs:
                if job.entry.key not in mine:
                    # Edited or deleted through another process, or taken by one while this one was stuck.
                    job.interrupt(Interrupted.REVISED)

    def _interrupt(self, key: str, reason: Interrupted) -> bool:
        job = self._jobs.get(key)
        if job is not None:
            job.interrupt(reason)
        return job is not None

    # Working on one entry

    async def _carry_out(self, job: _Job) -> None:
        with request(id_of(job.entry.key)):
            await self._settle(job)

    async def _settle(self, job: _Job) -> None:
        key = job.entry.key
        try:
            if job.before is not None:
                await asyncio.wait([job.before])
            is_gone = not await self._attempt(job) and await self._is_withdrawn(key)
        except Exception:  # one entry must not stop the others
            log.exception("an entry is not settled, and comes again", entry=key)
            is_gone = False
        try:
            # Without a pause before the job is gone: `withdraw` relies on the job or cleans up itself.
            if is_gone or job.reason is Interrupted.WITHDRAWN:
                await self._clean_up(job.entry, Interrupted.WITHDRAWN)
        finally:
            if self._jobs.get(key) is job:
                del self._jobs[key]
            self._wake.set()

    async def _attempt(self, job: _Job) -> bool:
        """Work on an entry and record how it went. False when it was edited, deleted or lost to another meanwhile."""
        delay = await self._work_on(job)
        await asyncio.gather(*job.notes, return_exceptions=True)
        if job.reason is Interrupted.STOPPED and delay is not None:
            await self._clean_up(job.entry, Interrupted.STOPPED)
            delay = None
        self._count(job, delay)
        if delay is None:
            return await asyncio.to_thread(self._inbox.finish, job.entry)
        return await asyncio.to_thread(self._inbox.put_back, job.entry, delay)

    def _count(self, job: _Job, delay: float | None) -> None:
        entry = job.entry
        if job.reason is not None:
            end = End.INTERRUPTED
        elif delay is not None:
            end = End.PUT_BACK
        else:
            end = End.GIVEN_UP if self._tries(entry) > MOST_ATTEMPTS else End.DONE
            self._put_off.pop(entry.key, None)
        self._observe(self._channel, end, (datetime.now(UTC) - entry.received_at).total_seconds())

    def _tries(self, entry: Entry) -> int:
        return entry.attempts - self._put_off.get(entry.key, 0)

    async def _work_on(self, job: _Job) -> float | None:
        """None when the entry is answered, else the seconds after which to try again."""
        if job.reason is not None:
            return 0.0
        job.work = asyncio.create_task(self._answer(job.entry))
        await asyncio.wait([job.work])
        return 0.0 if job.work.cancelled() else job.work.result()

    async def _answer(self, entry: Entry) -> float | None:
        delay = min(RETRY_SECONDS * 2.0 ** max(entry.attempts - 1, 0), LONGEST_RETRY_SECONDS)
        attempts = self._tries(entry)
        try:
            if attempts > MOST_ATTEMPTS + MOST_APOLOGIES:
                log.error("a message was left without an answer", entry=entry.key)
            elif attempts > MOST_ATTEMPTS:
                await self._work.give_up(entry)
            else:
                await self._work.answer(entry)
        except Retry as retry:
            delay = retry.delay if retry.delay is not None else delay
            log.warning("an answer is put back", entry=entry.key, cause=str(retry), seconds=delay)
            if datetime.now(UTC) - entry.received_at < PATIENCE:
                self._put_off[entry.key] = self._put_off.get(entry.key, 0) + 1
            return delay
        except Exception:  # becomes another try
            log.exception("work on an entry failed", entry=entry.key)
            return delay
        return None

    async def _is_withdrawn(self, key: str) -> bool:
        """Deleted, possibly through another process."""
        entry = await asyncio.to_thread(self._inbox.get, key)
        return entry is not None and not entry.payload

    async def _clean_up(self, entry: Entry, reason: Interrupted) -> None:
        for left in reversed(range(MOST_CLEANINGS)):
            try:
                await self._work.interrupted(entry, reason)
            except Retry as retry:
                log.warning("an interrupted answer is not cleaned up yet", entry=entry.key, cause=str(retry))
                await asyncio.sleep(min(retry.delay or RETRY_SECONDS, LONGEST_CLEANING_SECONDS) if left else 0)
            except Exception as error:  # the person wants no answer, and gets none
                log.warning("an interrupted answer was not cleaned up", entry=entry.key, exc_info=error)
                return
            else:
                return

    # Beginning and end

    async def _free_all(self) -> None:
        try:
            await asyncio.to_thread(self._inbox.release_all, self._channel)
        except LorekeeperError as error:
            log.warning(
                "what a former process held is free only in a while", channel=self._channel, cause=error.message
            )

    async def _close(self) -> None:
        await self._put_back_untouched()
        await self._wait(GRACE_SECONDS)
        self._hurry()
        await self._wait(None)
        try:
            await asyncio.to_thread(self._inbox.release, self._worker)
        except LorekeeperError as error:
            log.warning("what was begun is free only in a while", channel=self._channel, cause=error.message)

    def _hurry(self) -> None:
        for job in self._jobs.values():
            job.interrupt(Interrupted.CLOSING)

    async def _put_back_untouched(self) -> None:
        """What was claimed at the moment of the end."""
        if self._claiming is None:
            return
        (entries,) = await asyncio.gather(self._claiming, return_exceptions=True)
        if isinstance(entries, BaseException):
            return
        for entry in entries:
            with suppress(LorekeeperError):
                await asyncio.to_thread(self._inbox.put_back, entry)

    async def _wait(self, seconds: float | None) -> None:
        tasks = [*(job.task for job in self._jobs.values() if job.task is not None), *self._cleaning]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
