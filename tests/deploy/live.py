"""What Lorekeeper really exposes: every metric with every label, read from a registry in which all was counted once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from core.metrics import JobCounts, Metrics, Readings
from core.types import Answer, ChangeKind, DocumentStatus, JobStage, Outcome, Receipt, Signals

# What Prometheus adds to each series, and what is its own.
ADDED = frozenset({"job", "instance"})
OWN: dict[str, frozenset[str]] = {
    "up": frozenset(),
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
}
SELECTOR = re.compile(r"\b((?:lorekeeper|process|python)_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


async def _ready() -> bool:
    return True


def exposed() -> dict[str, dict[str, set[str]]]:
    """By name of a series, the values of each of its labels."""
    metrics = Metrics(
        Readings(
            documents=lambda: dict.fromkeys(DocumentStatus, 1),
            jobs=lambda: JobCounts({}, 0.0),
            messages=lambda: {"slack": 1, "slack:files": 1},
            index=lambda: {"passages": 1, "vectors": 1},
            free_bytes=lambda: 1,
            backup_seconds=lambda: 1.0,
            ask_model=_ready,
            channels=lambda: {"slack": True, "discord": True},
            adapters=lambda: {"served": 1, "missing": 1},
        )
    )
    metrics.start()
    _count_everything(metrics)
    content, _ = asyncio.run(metrics.scrape())
    series: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(content.decode()):
        for sample in family.samples:
            labels = series.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return series


def _count_everything(metrics: Metrics) -> None:
    for outcome in Outcome:
        why = Receipt(Signals(), 1.0, 0.5, (), dict.fromkeys(("rewrite", "retrieve", "judge", "generate"), 1.0))
        metrics.answered(Answer("a1", outcome, "", generator="extractive", why=why), 1.0)
    for end in ("answered", "retried", "unknown", "refused", "failed", "interrupted"):
        metrics.model_replied(end, 1.0)
    for status in (200, 404, 503):
        metrics.requested("GET", "/v1/ask", status, 1.0)
    for end in ("done", "given_up", "interrupted", "put_back"):
        metrics.settled("slack", end, 1.0)
    for kind in ChangeKind:
        metrics.file_ended(kind)
    metrics.file_put_back("embedding_failed")
    for stage in JobStage:
        metrics.worked(stage, 1.0)
    for use in ("documents", "questions"):
        metrics.embedded(use, 1, 1.0)


def mistakes(expression: str, series: dict[str, dict[str, set[str]]]) -> Iterator[str]:
    """What in it there is not: names, labels, and values that are compared with."""
    labels = set(ADDED)
    found = SELECTOR.findall(expression)
    if not found:
        yield "no metric"
    for name, matchers in found:
        if name in OWN:
            labels |= OWN[name]
            continue
        if name not in series:
            yield f"no metric {name}"
            continue
        labels |= set(series[name])
        for label, operator, value in MATCHER.findall(matchers):
            if label not in ADDED | set(series[name]):
                yield f"{name} has no label {label}"
            elif label not in ADDED and not _is_met(operator, value, series[name][label]):
                yield f"{name} never has {label}{operator}{value}"
    for group in GROUPED.findall(expression):
        yield from (f"no label {label}" for label in re.findall(r"\w+", group) if label not in labels)


def _is_met(operator: str, value: str, values: set[str]) -> bool:
    if operator in {"=~", "!~"}:
        return any(re.fullmatch(value, each) for each in values)
    return value in values
