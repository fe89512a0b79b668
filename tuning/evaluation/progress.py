"""How far an evaluation is, on standard error: a bar where somebody looks at it, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS_BETWEEN_LINES = 30.0
Report = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""


@contextmanager
def showing() -> Iterator[Report]:
    """For as long as it is told something."""
    if not sys.stderr.isatty():
        yield lines(sys.stderr.write, time.monotonic)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        stages: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage, total=total, completed=done)
            bar.update(stages[stage], completed=done)

        yield report


def lines(write: Callable[[str], object], clock: Callable[[], float]) -> Report:
    """Writes a line when a stage begins and ends, and between that at most every half a minute."""
    begun: dict[str, tuple[float, int]] = {}
    written = float("-inf")

    def report(stage: str, done: int, total: int) -> None:
        nonlocal written
        now = clock()
        since, before = begun.setdefault(stage, (now, done))
        is_first = (since, before) == (now, done)
        if not is_first and done < total and now - written < SECONDS_BETWEEN_LINES:
            return
        written = now
        fresh = done - before
        left = f", {(now - since) / fresh * (total - done):.0f} seconds left" if fresh and done < total else ""
        write(f"{stage}: {done} of {total}{left}\n")

    return report
