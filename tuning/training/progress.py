"""How far a training is, on standard error: a bar where somebody looks, lines where a file or a log collects them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

LINE_SECONDS = 10.0
MINUTE, HOUR = 60, 3600
LONGEST_IN_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is."""

    step: int
    steps: int
    loss: float | None = None
    validation_loss: float | None = None
    seconds_left: float | None = None


Show = Callable[[Standing], None]


def nowhere(standing: Standing) -> None:
    """Nobody looks."""


def seconds_left(step: int, steps: int, begun_at: int, seconds: float) -> float | None:
    """From how long the steps since `begun_at` took; None before the first."""
    done = step - begun_at
    return seconds / done * (steps - step) if done > 0 else None


def duration(seconds: float) -> str:
    """`1 h 05 min`, `3 min` or `40 s`."""
    whole = round(seconds)
    if whole >= HOUR:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
    return f"{round(whole / MINUTE)} min" if whole >= LONGEST_IN_SECONDS else f"{whole} s"


def line(standing: Standing) -> str:
    """`step 30 of 120, loss 1.2345, validation loss 1.3, about 3 min left`."""
    parts = [f"step {standing.step} of {standing.steps}"]
    if standing.loss is not None:
        parts.append(f"loss {standing.loss:.4f}")
    if standing.validation_loss is not None:
        parts.append(f"validation loss {standing.validation_loss:.4f}")
    if standing.seconds_left is not None and standing.step < standing.steps:
        parts.append(f"about {duration(standing.seconds_left)} left")
    return ", ".join(parts)


class Lines:
    """A line every ten seconds, and the last one."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._next = clock()
        self._written = ""

    def __call__(self, standing: Standing) -> None:
        now = self._clock()
        if now < self._next and standing.step < standing.steps:
            return
        text = line(standing)
        if text != self._written:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        self._written = text
        self._next = now + LINE_SECONDS


@contextmanager
def shown() -> Iterator[Show]:
    """What shows it, for as long as the training takes."""
    if not sys.stderr.isatty():
        yield Lines(sys.stderr)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(standing: Standing) -> None:
            bar.update(task, completed=standing.step, total=standing.steps, description=line(standing))

        yield show
