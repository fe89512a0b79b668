"""What a Prometheus server reads: answers, stages, documents, model, requests, streams and chat platforms.

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

from core.errors import LorekeeperError
from core.types import Answer, DocumentStatus

if TYPE_CHECKING:
    # Only a process that serves needs the library.
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

GENERATORS = frozenset({"chat", "extractive"})
STAGES = frozenset({"rewrite", "retrieve", "judge", "generate"})
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
NONE, OTHER, WHOLE = "none", "other", "whole"
# In seconds: from a search in a small index to the longest time that a question may take.
STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
REQUEST_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
# Prometheus itself gives up after 10 seconds, unless it is told otherwise.
READ_SECONDS = 3.0
WAITING = (DocumentStatus.QUEUED, DocumentStatus.PROCESSING)
Counts = Mapping[DocumentStatus, int]
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Meters:
    registry: CollectorRegistry
    answers: Counter
    stages: Histogram
    requests: Counter
    request_seconds: Histogram
    streams: Gauge
    documents: Gauge
    queue: Gauge
    model: Gauge | None
    channels: Gauge
    messages: Counter
    message_seconds: Histogram
    waiting: Gauge


class Metrics:
    """The metrics of one application. Until `start()`, nothing is counted and the library is not imported.

    `count_documents` and `count_waiting` block; without `ask_model` there is no model, and no metric of it.
    """

    def __init__(
        self,
        count_documents: Callable[[], Counts] | None = None,
        ask_model: Callable[[], Awaitable[bool]] | None = None,
        count_waiting: Callable[[], Mapping[str, int]] | None = None,
        channels: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        """`count_waiting`: messages by channel that are not answered; `channels`: which are connected."""
        self._count_documents = count_documents
        self._ask_model = ask_model
        self._count_waiting = count_waiting
        self._channels = channels
        self._reading: dict[str, asyncio.Task[Any]] = {}
        self._meters: _Meters | None = None

    def start(self) -> None:
        """Count from now on. A second call changes nothing."""
        self._meters = self._meters or _open_meters(has_model=self._ask_model is not None)

    def answered(self, answer: Answer, seconds: float) -> None:
        """A question ended after so many seconds."""
        if self._meters is None:
            return
        self._meters.answers.labels(answer.outcome.value, _generator(answer.generator)).inc()
        self._meters.stages.labels(WHOLE).observe(seconds)
        for stage, milliseconds in (answer.why.milliseconds if answer.why else {}).items():
            self._meters.stages.labels(stage if stage in STAGES else OTHER).observe(milliseconds / 1000)

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

    @property
    def streams_open(self) -> Gauge:
        """To be set, or counted up and down, by whoever holds the streams; only after `start()`."""
        return self._started().streams

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics and their media type, in the format that the client's `Accept` header asks for."""
        from prometheus_client.exposition import choose_encoder

        meters = self._started()
        for channel, is_up in self._channels().items():
            meters.channels.labels(channel).set(is_up)
        await asyncio.gather(self._read_documents(meters), self._read_model(meters), self._read_waiting(meters))
        encode, media_type = choose_encoder(accept)
        return encode(meters.registry), media_type

    async def _read_documents(self, meters: _Meters) -> None:
        if self._count_documents is None:
            return
        count = self._count_documents
        counts = await self._in_time("documents", lambda: asyncio.to_thread(count))
        for status in DocumentStatus:
            meters.documents.labels(status.value).set(math.nan if counts is None else counts[status])
        meters.queue.set(math.nan if counts is None else sum(counts[status] for status in WAITING))

    async def _read_waiting(self, meters: _Meters) -> None:
        if self._count_waiting is None:
            return
        count = self._count_waiting
        counts = await self._in_time("messages", lambda: asyncio.to_thread(count))
        # What has none left is not among them.
        meters.waiting.clear()
        for channel, number in (counts or {}).items():
            meters.waiting.labels(channel).set(number)

    async def _read_model(self, meters: _Meters) -> None:
        if self._ask_model is not None and meters.model is not None:
            is_up = await self._in_time("model", self._ask_model)
            meters.model.set(1 if is_up else 0)

    async def _in_time(self, name: str, read: Callable[[], Awaitable[T]]) -> T | None:
        """What was read; None when it failed or takes too long. The next scrape then waits for the same reading."""
        if name not in self._reading or self._reading[name].done():
            self._reading[name] = asyncio.ensure_future(_awaited(read))
        try:
            result: T = await asyncio.wait_for(asyncio.shield(self._reading[name]), READ_SECONDS)
        except (TimeoutError, LorekeeperError) as error:
            log.warning("a metric could not be read", metric=name, cause=str(error) or "no answer in time")
            return None
        return result

    def _started(self) -> _Meters:
        if self._meters is None:
            raise RuntimeError("the metrics are not started")
        return self._meters


async def _awaited(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def _generator(name: str) -> str:
    """`chat:lore-slm` is a chat: the model's name may be anything, and change often."""
    kind = name.partition(":")[0]
    if not kind:
        return NONE
    return kind if kind in GENERATORS else OTHER


def _open_meters(*, has_model: bool) -> _Meters:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        GCCollector,
        Histogram,
        PlatformCollector,
        ProcessCollector,
    )

    # One for each application; the library's own is shared by all that are in the process.
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)

    def gauge(name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=registry)

    def histogram(name: str, words: str, label: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, words, [label], registry=registry, buckets=buckets)

    return _Meters(
        registry=registry,
        answers=Counter(
            "lorekeeper_answers",
            "Questions that ended, by how they ended and by who wrote the answer.",
            ["outcome", "generator"],
            registry=registry,
        ),
        stages=histogram(
            "lorekeeper_answer_stage_seconds",
            "Time that answering took, by stage; the stage `whole` is from the question to the answer.",
            "stage",
            STAGE_BUCKETS,
        ),
        requests=Counter(
            "lorekeeper_http_requests",
            "HTTP requests that were answered, by the template of their address.",
            ["method", "route", "status"],
            registry=registry,
        ),
        request_seconds=histogram(
            "lorekeeper_http_request_seconds",
            "Time from an HTTP request to the last byte of its answer.",
            "route",
            REQUEST_BUCKETS,
        ),
        streams=gauge("lorekeeper_streams_open", "Streams that are open now."),
        documents=gauge("lorekeeper_documents", "Documents on record, by state.", "status"),
        queue=gauge("lorekeeper_queue", "Documents that wait to be searchable: queued or in work."),
        model=gauge("lorekeeper_model_up", "Whether the language model answers.") if has_model else None,
        channels=gauge("lorekeeper_channel_up", "Whether a chat platform is connected.", "channel"),
        messages=Counter(
            "lorekeeper_messages",
            "Messages of chat platforms on which work ended, by how it ended.",
            ["channel", "end"],
            registry=registry,
        ),
        message_seconds=histogram(
            "lorekeeper_message_seconds",
            "Time from a message of a chat platform to the end of the work on it.",
            "channel",
            REQUEST_BUCKETS,
        ),
        waiting=gauge("lorekeeper_messages_waiting", "Messages of chat platforms that are not answered.", "channel"),
    )
