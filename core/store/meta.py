"""Single values that belong to the database: what the index was built with."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading, transaction
from core.store.schema import meta
from core.store.upsert import insert_missing, upsert

LAST_BACKUP = "backup.ended_at"
"""ISO 8601, in UTC."""
DATABASE = "database.id"


class IndexMeta:
    """Texts by key."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, key: str) -> str | None:
        """The value, or None. Raises `StorageFailed`."""
        with reading(self._engine) as connection:
            return connection.scalar(sa.select(meta.c.value).where(meta.c.key == key))

    def set(self, key: str, value: str) -> None:
        """Raises `StorageFailed`."""
        with transaction(self._engine) as connection:
            upsert(connection, meta, [{"key": key, "value": value}])

    def database_id(self) -> str:
        """What tells this database from every other; the first who asks gives it. Raises `StorageFailed`."""
        if (known := self.get(DATABASE)) is not None:
            return known
        with transaction(self._engine) as connection:
            # Of several who ask at once, one gives it.
            insert_missing(connection, meta, [{"key": DATABASE, "value": uuid.uuid4().hex}])
            given: str = connection.execute(sa.select(meta.c.value).where(meta.c.key == DATABASE)).scalar_one()
            return given

    def backed_up(self, at: datetime) -> None:
        """A backup ended then. Raises `StorageFailed`."""
        self.set(LAST_BACKUP, at.astimezone(UTC).isoformat())

    def seconds_since_backup(self) -> float | None:
        """How long ago the last backup ended; None without one, or when that is no time. Raises `StorageFailed`."""
        try:
            at = datetime.fromisoformat(self.get(LAST_BACKUP) or "")
        except ValueError:
            return None
        return None if at.tzinfo is None else (datetime.now(UTC) - at).total_seconds()
