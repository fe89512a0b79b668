"""Who carries out jobs: two lanes in each process, one for what people wait for and one for everything.

Each process holds its jobs for a while and says every few seconds that it is alive; when it dies, another takes them.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog

from core.errors import EmbeddingFailed, StorageFailed
from core.settings import Settings
from core.store.job_rows import BULK, URGENT, Claimed
from core.store.jobs import JobLost
from core.types import ChangeKind, DocumentChange
from ingest.engine import STOPPED, Engine, Stores
from ingest.received import Received, Work
from ingest.signal import Signal

LEASE_SECONDS = 15.0
HOLD_SECONDS = 4.0
# Jobs of other processes, and those whose next attempt has come, are found so late at most.
POLL_SECONDS = 1.0
# Taken at once; a job that is taken and not begun is nobody else's.
AT_ONCE = 8
# Then synchronisations and re-indexing get their turn.
SLICE_SECONDS = 30.0
# Before the second, third … attempt.
DELAYS = (5.0, 20.0, 60.0, 300.0)
MOST_ATTEMPTS = len(DELAYS) + 1
HOUSEKEEPING_SECONDS = 3600.0
FAULT = "Something went wrong on our side; the log has the cause."
GONE = "Its stored copy is gone. Add the document again."
ENDED_WORKERS = "The program ended {times} times while it read this file. Its log may tell why."
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """An engine and its thread."""

    engine: Engine
    executor: ThreadPoolExecutor
    most: int
    """The least urgent priority that it takes."""
    wake: threading.Event


class Worker:
    """The lanes of one process. `changed` is told whenever a job got to its end, or will be tried again."""

    def __init__(self, stores: Stores, open_engine: Callable[[], Engine], settings: Settings, changed: Signal) -> None:
        self._stores = stores
        self._settings = settings
        self._changed = changed
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lanes = tuple(
            _open_lane(open_engine(), name, most) for name, most in (("urgent", URGENT), ("bulk", BULK))
        )
        self._bulk = self._lanes[-1]
        self._in_hand: set[tuple[str, int]] = set()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self.trouble: StorageFailed | None = None
        """Why jobs can be neither taken nor given back now."""

    @property
    def bulk(self) -> Engine:
        """For work that is no job."""
        return self._bulk.engine

    @property
    def parser_pids(self) -> list[int]:
        """Of the processes that read files now."""
        return [pid for lane in self._lanes if (pid := lane.engine.parser_pid) is not None]

    def start(self) -> None:
        """Carry out jobs from now on. A second call changes nothing."""
        with self._starting:
            if self._threads or self._closing.is_set():
                return
            self._threads = [
                *(threading.Thread(target=self._work, args=(lane,), name="jobs", daemon=True) for lane in self._lanes),
                threading.Thread(target=self._stay_alive, name="jobs-alive", daemon=True),
            ]
            for thread in self._threads:
                thread.start()

    def wake(self) -> None:
        """There is work."""
        for lane in self._lanes:
            lane.wake.set()

    def do(self, work: Callable[[], T]) -> T:
        """Something that is no job, in the bulk lane's thread. Blocking. Raises `StorageFailed` when it is closing."""
        try:
            return self._bulk.executor.submit(work).result()
        except (CancelledError, RuntimeError) as error:
            if self._closing.is_set():
                raise StorageFailed(STOPPED) from error
            raise

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    def stop(self) -> None:
        """Begin to end: a file that is being read is given up, and goes on after the next start."""
        self._closing.set()
        self.wake()
        for lane in self._lanes:
            lane.engine.stop()

    def close(self) -> None:
        """Wait for the batches in work."""
        self.stop()
        for lane in self._lanes:
            lane.executor.shutdown(wait=True, cancel_futures=True)
        for thread in self._threads:
            thread.join()
        for lane in self._lanes:
            lane.engine.close()
        self._changed.notify()

    # ── a lane's own thread, which waits for the one that works ──────────────────────────────────

    def _work(self, lane: Lane) -> None:
        while not self._closing.is_set():
            lane.wake.clear()
            try:
                found = lane.executor.submit(self._slice, lane).result()
            except (CancelledError, RuntimeError):
                if self._closing.is_set():
                    return
                raise
            except StorageFailed as error:
                # The next look may find the database again.
                log.warning("jobs could not be looked at", cause=error.message)
                self._report(error)
                found = False
            except Exception:
                log.exception("a worker failed")
                found = False
            if not found:
                lane.wake.wait(POLL_SECONDS)

    def _slice(self, lane: Lane) -> bool:
        """Some jobs, one after the other; whether there were any."""
        first = self._claim(lane)
        if not first:
            return False
        apart: deque[Claimed] = deque()
        self._run(lane, first, apart)
        while apart:
            self._run(lane, [apart.popleft()])
        return True

    def _run(self, lane: Lane, first: Sequence[Claimed], apart: deque[Claimed] | None = None) -> None:
        in_hand: dict[str, Work] = {}
        try:
            for _ in lane.engine.run(self._files(lane, first, in_hand, apart)):
                self._changed.notify()
        except (StorageFailed, EmbeddingFailed) as error:
            self._put_back(in_hand.values(), error)
        except Exception:
            log.exception("a job failed")
            self._put_back(in_hand.values(), StorageFailed(FAULT))
        finally:
            self._in_hand -= {_key(work.claimed) for work in in_hand.values()}
            self._changed.notify()

    def _files(
        self, lane: Lane, first: Sequence[Claimed], in_hand: dict[str, Work], apart: deque[Claimed] | None
    ) -> Iterator[Received]:
        """The files of jobs, as long as there are more. One that was tried before goes `apart`: it may be to blame."""
        waiting: deque[Claimed] = deque()
        begun = time.monotonic()

        def take(claimed: Sequence[Claimed]) -> None:
            for each in claimed:
                (apart if apart is not None and each.attempts > 1 else waiting).append(each)
            # All that are taken are given back when the run ends early.
            in_hand.update({each.job.id: Work(each) for each in waiting})

        take(first)
        while waiting:
            work = in_hand[waiting.popleft().job.id]
            if (file := self._received(work)) is not None:
                yield file
            if not waiting and apart is not None and time.monotonic() - begun < SLICE_SECONDS:
                take(self._claim(lane))

    def _claim(self, lane: Lane) -> list[Claimed]:
        if self._closing.is_set():
            return []
        claimed = self._stores.jobs.claim(self._name, AT_ONCE, LEASE_SECONDS, lane.most)
        self.trouble = None
        self._in_hand |= {_key(each) for each in claimed}
        return claimed

    def _received(self, work: Work) -> Received | None:
        job = work.claimed.job
        if work.claimed.attempts > MOST_ATTEMPTS:
            self._fail(work, ENDED_WORKERS.format(times=MOST_ATTEMPTS))
            return None
        data = self._stores.files.get(job.sha256)
        if data is None:
            self._fail(work, GONE)
            return None
        return Received(
            job.name,
            job.source,
            job.namespace,
            data,
            job.readers,
            may_be_empty=job.may_be_empty,
            title=job.title,
            url=job.url,
            origin=job.origin,
            of_version=job.of_version,
            work=work,
        )

    def _fail(self, work: Work, message: str, code: str = "") -> None:
        job = work.claimed.job
        change = DocumentChange(ChangeKind.FAILED, job.name, message=message, code=code)
        try:
            self._stores.jobs.finish(work.claimed, [*work.changes, change], message, code)
        except JobLost:
            return
        self._stores.documents.settle(job.document_id)

    def _put_back(self, works: Iterable[Work], error: StorageFailed | EmbeddingFailed) -> None:
        """Those that have not come to their end are tried again later, unless that was often enough."""
        for work in works:
            claimed = work.claimed
            try:
                if self._closing.is_set():
                    self._stores.jobs.put_back(claimed)
                elif claimed.attempts >= MOST_ATTEMPTS:
                    self._fail(work, error.message, error.code)
                else:
                    delay = DELAYS[claimed.attempts - 1]
                    self._stores.jobs.put_back(claimed, delay, error.message, error.code)
            except StorageFailed as failure:
                # Nobody says any more that it is in work, so it falls to whoever comes next.
                log.warning("a job could not be given back", job=claimed.job.id, cause=failure.message)
                self._report(failure)

    def _report(self, error: StorageFailed) -> None:
        self.trouble = error
        self._changed.notify()

    # ── staying alive ────────────────────────────────────────────────────────────────────────────

    def _stay_alive(self) -> None:
        cleaned = 0.0
        while not self._closing.wait(HOLD_SECONDS):
            try:
                if held := set(self._in_hand):
                    lost = held - self._stores.jobs.hold(self._name, LEASE_SECONDS)
                    for lane in self._lanes:
                        lane.engine.give_up(lost)
                if self._stores.jobs.reap():
                    self.wake()
                if time.monotonic() - cleaned > HOUSEKEEPING_SECONDS:
                    cleaned = time.monotonic()
                    self._clean_up()
            except StorageFailed as error:
                log.warning("jobs could not be held", cause=error.message)

    def _clean_up(self) -> None:
        """Forget old jobs, and erase documents that were removed long ago."""
        now = datetime.now(UTC)
        digests = self._stores.jobs.forget(now - timedelta(days=self._settings.jobs.keep_days))
        for document_id in self._stores.history.removed_before(
            now - timedelta(days=self._settings.history.keep_removed_days)
        ):
            digests |= set(self._stores.history.purge(document_id))
        for digest in digests:
            self._stores.discard_file(digest)


def _open_lane(engine: Engine, name: str, most: int) -> Lane:
    return Lane(engine, ThreadPoolExecutor(1, thread_name_prefix=f"ingest-{name}"), most, threading.Event())


def _key(claimed: Claimed) -> tuple[str, int]:
    return claimed.job.id, claimed.attempts
