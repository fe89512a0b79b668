"""What goes by itself after a while: old jobs, documents that were removed long ago, copies that nothing refers to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog

from core.errors import StorageFailed
from core.settings import Settings
from ingest.engine import Stores

# Most commands have ended by then.
FIRST_SECONDS = 4.0
HOUSEKEEPING_SECONDS = 3600.0
log = structlog.get_logger(__name__)


class Housekeeping:
    """For a thread of its own: it may take long, and whoever holds jobs has no time for that."""

    def __init__(self, stores: Stores, settings: Settings, closing: threading.Event) -> None:
        """It ends soon after `closing` is set."""
        self._stores = stores
        self._settings = settings
        self._closing = closing

    def run(self) -> None:
        """Now and then, to the end. Raises nothing."""
        pause = FIRST_SECONDS
        while not self._closing.wait(pause):
            pause = HOUSEKEEPING_SECONDS
            try:
                self.clean_up()
            except StorageFailed as error:
                log.warning("housekeeping has to wait", cause=error.message)
            except Exception:
                log.exception("housekeeping failed")

    def clean_up(self) -> None:
        """Forget old jobs, and erase documents that were removed long ago, and copies that nothing refers to.

        Raises `StorageFailed`.
        """
        now = datetime.now(UTC)
        digests = self._stores.jobs.forget(now - timedelta(days=self._settings.jobs.keep_days))
        for document_id in self._stores.history.removed_before(
            now - timedelta(days=self._settings.history.keep_removed_days)
        ):
            digests |= set(self._stores.history.purge(document_id))
        self._discard(digests)
        self._discard(self._stores.unused_copies())

    def _discard(self, digests: Iterable[str]) -> None:
        for digest in digests:
            if self._closing.is_set():
                return
            try:
                self._stores.discard_file(digest)
            except OSError as error:  # it is in nobody's way, and goes another time
                log.warning("a stored copy cannot be deleted", sha256=digest, cause=str(error))
