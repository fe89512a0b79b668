"""The calibration of the no-answer that belongs to an index, kept with it."""

from __future__ import annotations

import structlog

from core.abstention import BUILT_IN, Calibration
from core.store.meta import IndexMeta

PREFIX = "calibration/"
log = structlog.get_logger(__name__)


class Calibrations:
    """One for each embedding model: cosines of different models mean different things."""

    def __init__(self, meta: IndexMeta, embedding: str) -> None:
        self._meta = meta
        self._key = PREFIX + embedding

    def get(self) -> Calibration:
        """The stored one, else the one that comes with the program. Raises `StorageFailed`."""
        stored = self._meta.get(self._key)
        if stored is None:
            return BUILT_IN
        try:
            return Calibration.from_json(stored)
        except (ValueError, TypeError, KeyError):
            log.warning("the stored calibration is of another version and is not used", key=self._key)
            return BUILT_IN

    def set(self, calibration: Calibration) -> None:
        """Raises `StorageFailed`."""
        self._meta.set(self._key, calibration.to_json())
