"""Metrics of several processes as one set of numbers. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

ANSWERS, SECONDS = "lorekeeper_answers_total", "lorekeeper_answer_stage_seconds_bucket"
Series = tuple[str, frozenset[tuple[str, str]]]
"""A name and its labels."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of all processes together at one moment."""

    values: Mapping[Series, tuple[float, ...]] = field(default_factory=dict)
    """One for each process that has it; what is no number is left out."""

    def largest(self, name: str, **labels: str) -> float | None:
        """Of what each process reads from the same place; None when nobody knows."""
        found = self.of(name, **labels)
        return max(found) if found else None

    def smallest(self, name: str) -> float | None:
        found = self.of(name)
        return min(found) if found else None

    def of(self, name: str, **labels: str) -> list[float]:
        """The numbers of every series that has these labels."""
        wanted = set(labels.items())
        return [
            value for (each, has), values in self.values.items() if each == name and wanted <= has for value in values
        ]

    def by(self, label: str, name: str, **labels: str) -> dict[str, list[float]]:
        """The same by the values of one label."""
        wanted = set(labels.items())
        found: dict[str, list[float]] = {}
        for (each, has), values in self.values.items():
            if each == name and wanted <= has and label in dict(has):
                found.setdefault(dict(has)[label], []).extend(values)
        return found


@dataclass(frozen=True, slots=True)
class Questions:
    """Those that ended within so many `seconds`."""

    seconds: float
    by_outcome: Mapping[str, int]
    half: float | None
    """Half of them took no longer, in seconds; None without any."""
    most: float | None
    """19 of 20 took no longer."""

    @property
    def per_minute(self) -> float:
        return 60 * sum(self.by_outcome.values()) / self.seconds if self.seconds > 0 else 0.0


def numbers_of(texts: Iterable[str]) -> Numbers:
    """What the processes said in Prometheus' text format. Raises `ValueError` for what is none."""
    values: dict[Series, tuple[float, ...]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if not math.isnan(sample.value):
                    series = (sample.name, frozenset(sample.labels.items()))
                    values[series] = (*values.get(series, ()), sample.value)
    return Numbers(values)


def questions_between(before: Numbers, after: Numbers, seconds: float) -> Questions:
    """What was asked between two moments; a process that was started anew meanwhile has counted from nothing."""
    outcomes = {
        outcome: round(grown)
        for outcome, counted in after.by("outcome", ANSWERS).items()
        if (grown := _grown(sum(before.by("outcome", ANSWERS).get(outcome, ())), sum(counted))) > 0
    }
    first, last = _buckets(before), _buckets(after)
    within = {limit: _grown(first.get(limit, 0.0), number) for limit, number in last.items()}
    return Questions(seconds, outcomes, quantile(0.5, within), quantile(0.95, within))


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The number below which this share lies, as Prometheus guesses it from how many are not above each limit."""
    limits = sorted(buckets)
    if not limits or not buckets[limits[-1]]:
        return None
    rank = share * buckets[limits[-1]]
    position = next(index for index, limit in enumerate(limits) if buckets[limit] >= rank)
    low = limits[position - 1] if position else 0.0
    if math.isinf(limits[position]):
        return low
    below = buckets[limits[position - 1]] if position else 0.0
    within = buckets[limits[position]] - below
    return low + (limits[position] - low) * ((rank - below) / within if within else 1.0)


def _buckets(numbers: Numbers) -> dict[float, float]:
    return {float(limit): sum(counted) for limit, counted in numbers.by("le", SECONDS, stage="whole").items()}


def _grown(before: float, after: float) -> float:
    return after - before if after >= before else after
