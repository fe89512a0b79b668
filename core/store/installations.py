"""Workspaces that installed the bot themselves, with what they granted. The tokens are kept as they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading, transaction
from core.store.schema import installations
from core.store.upsert import upsert

Json = dict[str, Any]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Installation:
    """`details` is the platform's; never logged or printed."""

    team: str
    details: Json

    def __repr__(self) -> str:
        return f"Installation(team={self.team!r})"


class Installations:
    """Of one channel. All methods block, and raise `StorageFailed`."""

    def __init__(self, engine: Engine, channel: str) -> None:
        self._engine = engine
        self._channel = channel

    def all(self) -> list[Installation]:
        query = sa.select(installations).where(installations.c.channel == self._channel).order_by(installations.c.team)
        with reading(self._engine) as connection:
            return [Installation(row["team"], row["details"]) for row in connection.execute(query).mappings()]

    def put(self, installation: Installation) -> None:
        """Add a workspace, or replace what it granted before."""
        row = {
            "channel": self._channel,
            "team": installation.team,
            "details": installation.details,
            "installed_at": datetime.now(UTC),
            "renewed_until": NEVER,
        }
        with transaction(self._engine) as connection:
            upsert(connection, installations, [row], keep=("installed_at",))

    def remove(self, team: str) -> bool:
        """False when it was not there."""
        with transaction(self._engine) as connection:
            return connection.execute(sa.delete(installations).where(*self._is(team))).rowcount > 0

    def to_renew(self, team: str, seconds: float) -> Installation | None:
        """The workspace as it is now, whose token the caller alone may exchange for so many seconds; None: another does."""
        now = datetime.now(UTC)
        statement = (
            sa.update(installations)
            .where(*self._is(team), installations.c.renewed_until < now)
            .values(renewed_until=now + timedelta(seconds=seconds))
        )
        with transaction(self._engine) as connection:
            if connection.execute(statement).rowcount == 0:
                return None
            details: Json = connection.execute(sa.select(installations.c.details).where(*self._is(team))).scalar_one()
        return Installation(team, details)

    def _is(self, team: str) -> tuple[sa.ColumnElement[bool], ...]:
        return installations.c.channel == self._channel, installations.c.team == team
