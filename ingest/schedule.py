"""When a source is synchronised next, and the loop that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from core.errors import LorekeeperError
from core.types import SyncedSource

LOOK_SECONDS = 5.0
# After a failure, doubled with each, up to the interval of the source, or an hour if that is shorter.
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=1)
# Beyond it, doubling tells nothing more.
_MOST_DOUBLINGS = 16
log = structlog.get_logger(__name__)


def next_time(now: datetime, interval_seconds: int, failures: int) -> datetime | None:
    """`failures`: one after the other, this one included. None: the schedule does not do it."""
    if not interval_seconds:
        return None
    interval = timedelta(seconds=interval_seconds)
    if not failures:
        return now + interval
    waiting: timedelta = FIRST_RETRY * 2 ** min(failures - 1, _MOST_DOUBLINGS)
    return now + min(waiting, max(interval, LONGEST_RETRY))


async def keep(
    due: Callable[[datetime], Awaitable[Sequence[SyncedSource]]],
    sync: Callable[[SyncedSource], Awaitable[object]],
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """Synchronise what is due, one after the other, until cancelled. What fails is logged, and stops nothing."""
    while True:
        try:
            tried: set[str] = set()
            # Asked again after each, because another process may have done the next one meanwhile.
            while source := next((each for each in await due(datetime.now(UTC)) if each.id not in tried), None):
                tried.add(source.id)
                await _do(source, sync)
        except Exception as error:  # noqa: BLE001 - the next look may find the database again
            log.warning("sources could not be looked at", cause=_cause(error))
        await asyncio.sleep(look_seconds)


async def _do(source: SyncedSource, sync: Callable[[SyncedSource], Awaitable[object]]) -> None:
    try:
        await sync(source)
    except Exception as error:  # noqa: BLE001 - the other sources go on
        log.warning("a source was not synchronised", source=source.id, kind=source.kind, cause=_cause(error))


def _cause(error: Exception) -> str:
    return error.message if isinstance(error, LorekeeperError) else f"{type(error).__name__}: {error}"
