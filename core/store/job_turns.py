"""Whose turn it is, and by which clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.store.schema import jobs
from core.types import JobState


def now_of(connection: Connection) -> datetime:
    """By the clock of the database where hosts share it: theirs may differ, and what one holds is due for no other."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now


def count_ahead(connection: Connection, row: Any) -> int:
    """How many have their turn before this row."""
    if row["state"] != JobState.WAITING.value:
        return 0
    before = sa.or_(
        jobs.c.priority < row["priority"],
        sa.and_(jobs.c.priority == row["priority"], jobs.c.position < row["position"]),
    )
    waiting = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == JobState.WAITING.value, before)
    return connection.execute(waiting).scalar_one()


def ahead_of(connection: Connection, rows: Sequence[Any]) -> dict[int, int]:
    """How many have their turn before those of these rows that wait, by their positions."""
    waiting = [row["position"] for row in rows if row["state"] == JobState.WAITING.value]
    if not waiting:
        return {}
    turn = sa.func.row_number().over(order_by=(jobs.c.priority, jobs.c.position))
    turns = (
        sa.select(jobs.c.position, (turn - 1).label("ahead"))
        .where(jobs.c.state == JobState.WAITING.value)
        .subquery("turns")
    )
    query = sa.select(turns).where(turns.c.position.between(min(waiting), max(waiting)))
    return {row.position: row.ahead for row in connection.execute(query)}
