"""Every metric by name, labels and meaning. `core.metrics` counts with them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Only a process that serves needs the library.
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# In seconds: from a search in a small index to the longest time that a question may take.
STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
REQUEST_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
# From a small text file to the longest time that reading one file may take.
WORK_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 600)


@dataclass(frozen=True, slots=True)
class Meters:
    """Of one application."""

    registry: CollectorRegistry
    answers: Counter
    stages: Histogram
    requests: Counter
    request_seconds: Histogram
    streams: Gauge
    model: Gauge | None
    model_requests: Counter
    model_seconds: Histogram
    adapters: Gauge
    channels: Gauge
    messages: Counter
    message_seconds: Histogram
    waiting: Gauge
    documents: Gauge
    queue: Gauge
    jobs: Gauge
    oldest_job: Gauge
    files: Counter
    work_seconds: Histogram
    passages: Counter
    embedded: Counter
    embedding_seconds: Histogram
    indexed: Gauge
    free_bytes: Gauge
    backup_seconds: Gauge


def open_meters(*, has_model: bool) -> Meters:
    """New ones, all at nothing. Without a model there is no metric of whether it answers."""
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

    def counter(name: str, words: str, *labels: str) -> Counter:
        return Counter(f"lorekeeper_{name}", words, labels, registry=registry)

    def gauge(name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"lorekeeper_{name}", words, labels, registry=registry)

    def histogram(name: str, words: str, labels: Sequence[str], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"lorekeeper_{name}", words, labels, registry=registry, buckets=buckets)

    build = gauge("build_info", "Always 1; the labels say which version runs on which Python.", "version", "python")
    build.labels(version("lorekeeper"), platform.python_version()).set(1)
    return Meters(
        registry=registry,
        answers=counter(
            "answers", "Questions that ended, by how they ended and by who wrote the answer.", "outcome", "generator"
        ),
        stages=histogram(
            "answer_stage_seconds",
            "Time that answering took, by stage; the stage `whole` is from the question to the answer.",
            ["stage"],
            STAGE_BUCKETS,
        ),
        requests=counter(
            "http_requests",
            "HTTP requests that were answered, by the template of their address.",
            "method",
            "route",
            "status",
        ),
        request_seconds=histogram(
            "http_request_seconds",
            "Time from an HTTP request to the last byte of its answer.",
            ["route"],
            REQUEST_BUCKETS,
        ),
        streams=gauge("streams_open", "Streams that are open now."),
        model=gauge("model_up", "Whether the language model answers.") if has_model else None,
        model_requests=counter("model_requests", "Requests to the language model, by how they ended.", "end"),
        model_seconds=histogram(
            "model_first_token_seconds",
            "Time from a request to the language model to the first word of its reply.",
            [],
            STAGE_BUCKETS,
        ),
        adapters=gauge(
            "adapters", "Namespaces that were promoted to a tuned model, by whether it is what answers.", "state"
        ),
        channels=gauge("channel_up", "Whether a chat platform is connected.", "channel"),
        messages=counter(
            "messages", "Messages of chat platforms on which work ended, by how it ended.", "channel", "end"
        ),
        message_seconds=histogram(
            "message_seconds",
            "Time from a message of a chat platform to the end of the work on it.",
            ["channel"],
            REQUEST_BUCKETS,
        ),
        waiting=gauge("messages_waiting", "Messages of chat platforms that are not answered.", "channel"),
        documents=gauge("documents", "Documents on record, by state.", "status"),
        queue=gauge("queue", "Files that wait to be searchable, or are in work."),
        jobs=gauge(
            "jobs", "Files on their way into the index, by state and, while in work, by stage.", "state", "stage"
        ),
        oldest_job=gauge("oldest_job_seconds", "For how long the oldest file that waits or is in work has been here."),
        files=counter("files", "Files on which work ended, by how it ended and by what failed.", "end", "code"),
        work_seconds=histogram(
            "work_seconds", "Time that work on files took, by stage, of one file or one batch.", ["stage"], WORK_BUCKETS
        ),
        passages=counter("passages_indexed", "Passages of documents that were made searchable."),
        embedded=counter("embedded_texts", "Texts that became vectors, by what they were for.", "use"),
        embedding_seconds=histogram(
            "embedding_seconds", "Time that embedding some texts took, by what they were for.", ["use"], WORK_BUCKETS
        ),
        indexed=gauge("index_size", "What is indexed: passages on record, and vectors.", "kind"),
        free_bytes=gauge("disk_free_bytes", "Free space on the disk of the data folder."),
        backup_seconds=gauge("backup_age_seconds", "How long ago the last backup ended; NaN when there is none."),
    )
