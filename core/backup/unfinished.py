"""What was in work when a backup was made, and how it goes on after it was restored.

Files that were received are indexed: nobody else has their bytes. Messages that waited for an answer are another matter.
The installation went on after the backup and may have answered them, and a second answer, hours later, is worse than
none; whoever got none asks again. So they count as answered, and what was said before the restoration and is not known
is not looked for. But where nothing was at work when the backup was made, and that was a moment ago, somebody moves:
then whatever waits is answered, and what was said meanwhile is found.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.store.inbox import BEGINS, State
from core.store.schema import inbox, jobs, meta, sources
from core.store.upsert import upsert
from core.types import JobStage, JobState

MOVED_WITHIN = timedelta(hours=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def is_moved(created_at: datetime, now: datetime, *, is_at_rest: bool) -> bool:
    """Whether the backup is rather the same installation at another place than an old state of it."""
    return is_at_rest and timedelta(0) <= now - created_at <= MOVED_WITHIN


def go_on(connection: Connection, now: datetime, *, is_moved: bool) -> None:
    """Nobody holds anything any more. The tables are those of this version."""
    running = sa.update(jobs).where(jobs.c.state == JobState.RUNNING.value)
    connection.execute(
        running.values(state=JobState.WAITING.value, stage=JobStage.WAITING.value, worker="", due_at=now)
    )
    connection.execute(sa.update(sources).values(worker="", leased_until=LONG_AGO))
    waiting = sa.update(inbox).where(inbox.c.state == State.WAITING.value)
    if is_moved:
        connection.execute(waiting.values(worker="", due_at=now))
        return
    connection.execute(waiting.values(worker="", state=State.DONE.value))
    upsert(connection, meta, [{"key": BEGINS, "value": now.isoformat()}])
