"""What a restoration of an older state leaves behind for the chat channels."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from core.store.engine import open_engine
from core.store.inbox import BEGINS
from core.store.meta import IndexMeta


def restored(database_url: str, data_dir: Path, at: datetime) -> None:
    """As if it had been done then."""
    engine = open_engine(database_url, data_dir)
    IndexMeta(engine).set(BEGINS, at.isoformat())
    engine.dispose()
