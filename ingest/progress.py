"""Who waits for documents hears of each change as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from core.ports import Progress
from core.types import DocumentChange


def on_loop(progress: Progress | None) -> Progress:
    """The same callback, called on the running event loop from whatever thread the work is in."""
    if progress is None:
        return lambda change, done, total: None
    loop = asyncio.get_running_loop()

    def report(change: DocumentChange, done: int, total: int) -> None:
        loop.call_soon_threadsafe(progress, change, done, total)

    return report


def reported(changes: Iterable[DocumentChange], report: Progress, total: int) -> list[DocumentChange]:
    """All changes, after each was reported with its number and how many there will be."""
    done = []
    for change in changes:
        done.append(change)
        report(change, len(done), total)
    return done
