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
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from core.errors import EmbeddingFailed, EndpointUnavailable, StorageFailed
from core.settings import Settings
from core.store.job_rows import BULK, URGENT, Claimed
from core.store.jobs import JobLost
from core.types import ChangeKind, DocumentChange
from ingest.engine import STOPPED, Engine, Stores
from ingest.housekeeping import Housekeeping
from ingest.measuring import Measures
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
# How long a lane rests when the model or the database is away: twice as long each time, up to this by lane.
FIRST_REST_SECONDS = 1.0
LONGEST_URGENT_REST_SECONDS, LONGEST_BULK_REST_SECONDS = 5.0, 60.0
LONGEST_PATIENCE_SECONDS = 600.0
FAULT = "Something went wrong on our side; the log has the cause."
PUBLISHED = frozenset({ChangeKind.ADDED, ChangeKind.REPLACED})
GONE = "Its stored copy is gone. Add the document again."
GIVEN_UP = "{reason} It was tried {times} times."
REFUSED = "{reason} It was tried {times} times, while the embedding model took other texts."
ENDED_WORKERS = "The program ended {times} times while it read this file. Its log may tell why."
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lane:
    """An engine and its thread."""

    engine: Engine
    executor: ThreadPoolExecutor
    most: int
    """The least urgent priority that it takes."""
    longest_rest: float
    """In seconds."""
    wake: threading.Event = field(default_factory=threading.Event)
    troubled: set[str] = field(default_factory=set)
    """Ids of the jobs that met a trouble since the last one got through. Of several, none is to blame."""
    rest: float = 0.0
    """For how many seconds it took nothing after the last of these troubles."""
    is_resting: bool = False
    has_published: bool = False
    """Whether a file got through since the last of these troubles."""

    @property
    def is_in_trouble(self) -> bool:
        """Whether the model or the database seems to be away."""
        return len(self.troubled) > 1

    def meet(self, job_ids: Set[str], *, is_away: bool = False) -> None:
        """A trouble that these had, because the model `is_away` for certain, or for whatever reason."""
        self.troubled |= job_ids
        self.has_published = False
        self.is_resting = is_away or self.is_in_trouble
        if self.is_resting:
            self.rest = self._next_rest()

    def patience(self) -> float:
        """For how many seconds a job waits that found the model away, so that after the rests others have their turn."""
        return min(2 * self._next_rest() * (len(self.troubled) + 1), LONGEST_PATIENCE_SECONDS)

    def _next_rest(self) -> float:
        return min(2 * self.rest or FIRST_REST_SECONDS, self.longest_rest)

    def get_through(self) -> None:
        """One was published, so that nothing is away."""
        self.troubled.clear()
        self.rest = 0.0


class Worker:
    """The lanes of one process. `changed` is told whenever a job got to its end, or will be tried again."""

    def __init__(
        self,
        stores: Stores,
        open_engine: Callable[[], Engine],
        settings: Settings,
        changed: Signal,
        measures: Measures,
    ) -> None:
        self._stores = stores
        self._measures = measures
        self._settings = settings
        self._changed = changed
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lanes = (
            _open_lane(open_engine(), "urgent", URGENT, LONGEST_URGENT_REST_SECONDS),
            _open_lane(open_engine(), "bulk", BULK, LONGEST_BULK_REST_SECONDS),
        )
        self._bulk = self._lanes[-1]
        self._in_hand: set[tuple[str, int]] = set()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self._housekeeping = Housekeeping(stores, settings, self._closing)
        self.trouble: StorageFailed | None = None
        """Why jobs can be neither taken nor given back now."""

    @property
    def bulk(self) -> Engine:
        """For work that is no job."""
        return self._bulk.engine

    def start(self) -> None:
        """Carry out jobs from now on. A second call changes nothing."""
        with self._starting:
            if self._threads or self._closing.is_set():
                return
            self._threads = [
                *(threading.Thread(target=self._work, args=(lane,), name="jobs", daemon=True) for lane in self._lanes),
                threading.Thread(target=self._stay_alive, name="jobs-alive", daemon=True),
                threading.Thread(target=self._housekeeping.run, name="jobs-housekeeping", daemon=True),
            ]
            for thread in self._threads:
                thread.start()

    def wake(self) -> None:
        """There is work, which may find away no more what was."""
        self.trouble = None
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
            except StorageFailed as error:
                # The next look may find the database again.
                log.warning("jobs could not be looked at", cause=error.message)
                self._report(error)
                found = False
            except Exception:
                # That of an executor which takes nothing any more included.
                if not self._closing.is_set():
                    log.exception("a worker failed")
                found = False
            if lane.is_resting:
                lane.is_resting = False
                self._closing.wait(lane.rest)
            elif not found:
                lane.wake.wait(POLL_SECONDS)

    def _slice(self, lane: Lane) -> bool:
        """Some jobs, one after the other; whether there were any."""
        # One job is enough to find out whether the model is there again.
        first = self._claim(lane, 1 if lane.is_in_trouble else AT_ONCE)
        is_alone = lane.is_in_trouble or any(each.was_tried for each in first)
        if not first:
            return False
        in_hand: dict[str, Work] = {}
        try:
            for change in lane.engine.run(self._files(lane, first, in_hand, is_alone=is_alone)):
                if change.kind in PUBLISHED:
                    lane.get_through()
                    lane.has_published = True
                self._changed.notify()
        except (StorageFailed, EmbeddingFailed) as error:
            is_away = isinstance(error, EmbeddingFailed) and len(in_hand) == 1 and self._is_model_away(lane, error)
            # It may be anybody's: only who meets it alone, while others get through, is to blame for it.
            counts = not is_away and len(lane.troubled | in_hand.keys()) == 1
            patience = lane.patience() if is_away else 0.0
            lane.meet(self._put_back(in_hand.values(), error, counts=counts, patience=patience), is_away=is_away)
        except Exception:
            log.exception("a job failed")
            self._put_back(in_hand.values(), StorageFailed(FAULT), counts=len(in_hand) == 1)
        finally:
            self._in_hand -= {work.claimed.key for work in in_hand.values()}
            self._changed.notify()
        return True

    def _is_model_away(self, lane: Lane, error: EmbeddingFailed) -> bool:
        """If not, each file is to blame for itself that had trouble with it, however many there are."""
        if isinstance(error, EndpointUnavailable):
            # It may answer short requests while it is too busy for files: only another file shows that it is not.
            return not lane.has_published
        if self._closing.is_set() or not lane.engine.is_model_there():
            return True
        lane.get_through()
        return False

    def _files(
        self, lane: Lane, first: Sequence[Claimed], in_hand: dict[str, Work], *, is_alone: bool
    ) -> Iterator[Received]:
        """The files of jobs, as long as there are more; none besides the first if that `is_alone`."""
        waiting: deque[Claimed] = deque()
        begun = time.monotonic()

        def take(claimed: Sequence[Claimed]) -> None:
            waiting.extend(claimed)
            # All that are taken are given back when the run ends early.
            in_hand.update({each.job.id: Work(each) for each in claimed})

        take(first)
        while waiting:
            work = in_hand[waiting.popleft().job.id]
            if (file := self._received(work)) is not None:
                yield file
            if not waiting and not is_alone and time.monotonic() - begun < SLICE_SECONDS:
                take(self._claim(lane, AT_ONCE, untried=True))

    def _claim(self, lane: Lane, limit: int, *, untried: bool = False) -> list[Claimed]:
        if self._closing.is_set():
            return []
        claimed = self._stores.jobs.claim(self._name, limit, LEASE_SECONDS, lane.most, untried=untried)
        self.trouble = None
        self._in_hand |= {each.key for each in claimed}
        return claimed

    def _received(self, work: Work) -> Received | None:
        job = work.claimed.job
        if work.claimed.key not in self._in_hand:
            # It was cancelled, or another worker took it over, before its turn.
            return None
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
        self._measures.ended(change)
        try:
            self._stores.jobs.finish(work.claimed, [*work.changes, change], message, code)
        except JobLost:
            return
        self._stores.documents.settle(job.document_id)

    def _put_back(
        self, works: Collection[Work], error: StorageFailed | EmbeddingFailed, *, counts: bool, patience: float = 0.0
    ) -> set[str]:
        """Those that have not come to their end are tried again later, unless that was often enough; returns their ids.

        `counts`: whether it was an attempt. `patience`: after how many seconds at the earliest.
        """
        back = set()
        for work in works:
            claimed = work.claimed
            try:
                if self._closing.is_set():
                    self._stores.jobs.put_back(claimed)
                elif counts and claimed.attempts >= MOST_ATTEMPTS:
                    why = REFUSED if isinstance(error, EmbeddingFailed) else GIVEN_UP
                    self._fail(work, why.format(reason=error.message, times=MOST_ATTEMPTS), error.code)
                else:
                    delay = max(patience, DELAYS[min(claimed.attempts, len(DELAYS)) - 1])
                    self._measures.put_back(error.code)
                    if self._stores.jobs.put_back(claimed, delay, error.message, error.code, counts=counts):
                        back.add(claimed.job.id)
            except StorageFailed as failure:
                # Nobody says any more that it is in work, so it falls to whoever comes next.
                log.warning("a job could not be given back", job=claimed.job.id, cause=failure.message)
                self._report(failure)
        return back

    def _report(self, error: StorageFailed) -> None:
        self.trouble = error
        self._changed.notify()

    # ── staying alive ────────────────────────────────────────────────────────────────────────────

    def _stay_alive(self) -> None:
        while not self._closing.wait(HOLD_SECONDS):
            try:
                if held := set(self._in_hand):
                    # Those that have come to their end are nobody's any more either.
                    lost = held - self._stores.jobs.hold(self._name, held, LEASE_SECONDS)
                    for lane in self._lanes:
                        lane.engine.give_up(lost)
                    self._in_hand -= lost
                self._stores.jobs.attend()
                if self._stores.jobs.reap():
                    self.wake()
            except StorageFailed as error:
                log.warning("jobs could not be held", cause=error.message)
            except Exception:
                # Whatever it is, jobs in work are held on.
                log.exception("staying alive failed")


def _open_lane(engine: Engine, name: str, most: int, longest_rest: float) -> Lane:
    return Lane(engine, ThreadPoolExecutor(1, thread_name_prefix=f"ingest-{name}"), most, longest_rest)
