"""What a Prometheus server reads: answers, files, model, requests, chat platforms, and how large all of it is.

Every label takes its values from a list that is known beforehand, and what is not on it is counted as `other`: a
Prometheus server keeps a series for each value that it ever saw. No label holds anything that a person wrote.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from core import errors
from core.errors import LorekeeperError
from core.meters import Meters, open_meters
from core.types import Answer, ChangeKind, DocumentStatus, JobStage, JobState

if TYPE_CHECKING:
    from prometheus_client import Gauge

GENERATORS = frozenset({"chat", "extractive"})
STAGES = frozenset({"rewrite", "retrieve", "judge", "generate"})
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
CODES = frozenset(kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code"))
NONE, OTHER, WHOLE = "none", "other", "whole"
PUT_BACK = "put_back"
# Prometheus itself gives up after 10 seconds, unless it is told otherwise.
READ_SECONDS = 3.0
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JobCounts:
    """What is on its way into the index."""

    by_state: Mapping[tuple[JobState, JobStage], int]
    """Of those in work by stage; the others are in the stage in which they wait or ended."""
    oldest_seconds: float = 0.0
    """For how long the oldest that did not come to its end has been here; 0 without any."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read when somebody asks for it. All but `ask_model`, `channels` and `adapters` block."""

    documents: Callable[[], Mapping[DocumentStatus, int]] | None = None
    jobs: Callable[[], JobCounts] | None = None
    messages: Callable[[], Mapping[str, int]] | None = None
    """By channel, messages that are not answered."""
    index: Callable[[], Mapping[str, int]] | None = None
    """Passages on record, and vectors."""
    free_bytes: Callable[[], int] | None = None
    backup_seconds: Callable[[], float | None] | None = None
    """How long ago the last backup was made; None when there is none."""
    ask_model: Callable[[], Awaitable[bool]] | None = None
    """None: there is no model, and no metric of it."""
    channels: Callable[[], Mapping[str, bool]] = dict
    """Which are connected."""
    adapters: Callable[[], Mapping[str, int]] = dict
    """By state, namespaces that were promoted to a tuned model."""


class Metrics:
    """The metrics of one application. Until `start()`, nothing is counted and the library is not imported.

    `readings` may be set until then.
    """

    def __init__(self, readings: Readings | None = None) -> None:
        self.readings = readings or Readings()
        self._reading: dict[str, asyncio.Task[Any]] = {}
        self._meters: Meters | None = None

    def start(self) -> None:
        """Count from now on. A second call changes nothing."""
        self._meters = self._meters or open_meters(has_model=self.readings.ask_model is not None)

    # ── what is counted when it happens, from any thread ─────────────────────────────────────────

    def answered(self, answer: Answer, seconds: float) -> None:
        """A question ended after so many seconds."""
        if self._meters is None:
            return
        self._meters.answers.labels(answer.outcome.value, _generator(answer.generator)).inc()
        self._meters.stages.labels(WHOLE).observe(seconds)
        for stage, milliseconds in (answer.why.milliseconds if answer.why else {}).items():
            self._meters.stages.labels(stage if stage in STAGES else OTHER).observe(milliseconds / 1000)

    def model_replied(self, end: str, seconds: float | None) -> None:
        """A request to the language model came to an `end`; `seconds` to its first word, if there was one."""
        if self._meters is None:
            return
        self._meters.model_requests.labels(end).inc()
        if seconds is not None:
            self._meters.model_seconds.observe(seconds)

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered, to the last byte. `route` is the template of the address, never the address itself."""
        if self._meters is None:
            return
        self._meters.requests.labels(method if method in METHODS else OTHER, route, str(status)).inc()
        self._meters.request_seconds.labels(route).observe(seconds)

    def settled(self, channel: str, end: str, seconds: float) -> None:
        """Work on a message of a chat platform came to an `end`, so many seconds after the message was written down."""
        if self._meters is None:
            return
        self._meters.messages.labels(channel, end).inc()
        self._meters.message_seconds.labels(channel).observe(seconds)

    def file_ended(self, kind: ChangeKind, code: str = "", passages: int = 0) -> None:
        """A file came to its end; `passages`: how many of it were indexed."""
        if self._meters is None:
            return
        self._meters.files.labels(kind.value, _code(code)).inc()
        self._meters.passages.inc(passages)

    def file_put_back(self, code: str) -> None:
        """Work on a file failed, and is tried again."""
        if self._meters is not None:
            self._meters.files.labels(PUT_BACK, _code(code)).inc()

    def worked(self, stage: JobStage, seconds: float) -> None:
        """One stage of the work on a file, or on a batch of them, took so long."""
        if self._meters is not None:
            self._meters.work_seconds.labels(stage.value).observe(seconds)

    def embedded(self, use: str, texts: int, seconds: float) -> None:
        """So many texts became vectors, for questions or for documents."""
        if self._meters is None:
            return
        self._meters.embedded.labels(use).inc(texts)
        self._meters.embedding_seconds.labels(use).observe(seconds)

    @property
    def streams_open(self) -> Gauge:
        """To be set, or given a function to read, by whoever holds the streams; only after `start()`."""
        return self._started().streams

    # ── what is read when somebody asks ──────────────────────────────────────────────────────────

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics and their media type, in the format that the client's `Accept` header asks for."""
        from prometheus_client.exposition import choose_encoder

        meters, readings = self._started(), self.readings
        for channel, is_up in readings.channels().items():
            meters.channels.labels(channel).set(is_up)
        for state, number in readings.adapters().items():
            meters.adapters.labels(state).set(number)
        (documents, jobs, messages, model), (index, free, backup) = await asyncio.gather(
            asyncio.gather(
                self._in_thread("documents", readings.documents),
                self._in_thread("jobs", readings.jobs),
                self._in_thread("messages", readings.messages),
                self._in_time("model", readings.ask_model),
            ),
            asyncio.gather(
                self._in_thread("index", readings.index),
                self._in_thread("disk", readings.free_bytes),
                self._in_thread("backup", readings.backup_seconds),
            ),
        )
        if readings.documents is not None:
            for status in DocumentStatus:
                meters.documents.labels(status.value).set(math.nan if documents is None else documents[status])
        if readings.jobs is not None:
            _set_jobs(meters, jobs)
        # What has none left is not among them.
        meters.waiting.clear()
        for channel, number in (messages or {}).items():
            meters.waiting.labels(channel).set(number)
        for kind, size in (index or {}).items():
            meters.indexed.labels(kind).set(size)
        meters.free_bytes.set(math.nan if free is None else free)
        meters.backup_seconds.set(math.nan if backup is None else backup)
        if meters.model is not None:
            meters.model.set(1 if model else 0)
        encode, media_type = choose_encoder(accept)
        return encode(meters.registry), media_type

    async def _in_thread(self, name: str, read: Callable[[], T] | None) -> T | None:
        return None if read is None else await self._in_time(name, lambda: asyncio.to_thread(read))

    async def _in_time(self, name: str, read: Callable[[], Awaitable[T]] | None) -> T | None:
        """What was read; None when it failed or takes too long. The next scrape then waits for the same reading."""
        if read is None:
            return None
        if name not in self._reading or self._reading[name].done():
            self._reading[name] = asyncio.ensure_future(_awaited(read))
        try:
            result: T = await asyncio.wait_for(asyncio.shield(self._reading[name]), READ_SECONDS)
        except (TimeoutError, LorekeeperError, OSError) as error:
            log.warning("a metric could not be read", metric=name, cause=str(error) or "no answer in time")
            return None
        return result

    def _started(self) -> Meters:
        if self._meters is None:
            raise RuntimeError("the metrics are not started")
        return self._meters


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def _set_jobs(meters: Meters, counts: JobCounts | None) -> None:
    """Of those in work by stage, also of stages in which none is; those that came to a good end are not counted."""
    by_state = counts.by_state if counts is not None else {}

    def number(state: JobState, *stages: JobStage) -> float:
        wanted = stages or tuple(JobStage)
        return math.nan if counts is None else sum(by_state.get((state, stage), 0) for stage in wanted)

    for stage in (JobStage.WAITING, JobStage.READING, JobStage.EMBEDDING, JobStage.PUBLISHING):
        meters.jobs.labels(JobState.RUNNING.value, stage.value).set(number(JobState.RUNNING, stage))
    for state in (JobState.WAITING, JobState.FAILED):
        meters.jobs.labels(state.value, NONE).set(number(state))
    meters.queue.set(number(JobState.RUNNING) + number(JobState.WAITING))
    meters.oldest_job.set(math.nan if counts is None else counts.oldest_seconds)


def _generator(name: str) -> str:
    """`chat:lore-slm` is a chat: the model's name may be anything, and change often."""
    kind = name.partition(":")[0]
    if not kind:
        return NONE
    return kind if kind in GENERATORS else OTHER


def _code(code: str) -> str:
    if not code:
        return NONE
    return code if code in CODES else OTHER
