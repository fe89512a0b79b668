"""Single values of the database: how long ago it was backed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from core.store.meta import LAST_BACKUP, IndexMeta


def test_the_time_since_the_last_backup_is_known_once_there_was_one(engine: Engine) -> None:
    meta = IndexMeta(engine)
    assert meta.seconds_since_backup() is None
    meta.backed_up(datetime.now(UTC) - timedelta(hours=2))
    assert (meta.seconds_since_backup() or 0) >= 7200


@pytest.mark.parametrize("noted", ["soon", "", "2026-11-22T02:30:00"])
def test_what_is_no_time_is_none(engine: Engine, noted: str) -> None:
    meta = IndexMeta(engine)
    meta.set(LAST_BACKUP, noted)
    assert meta.seconds_since_backup() is None
