"""Sources that stay in sync. Implements `core.ports.Sources`.

A source is synchronised by one process at a time: whoever does it holds it for a minute, and again, while it works.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from core.errors import InvalidRequest, LorekeeperError, StorageFailed
from core.namespace import check_namespace
from core.ports import Progress
from core.settings import Settings
from core.store.sources import SourceStore
from core.types import DocumentChange, NewSource, SyncedSource
from ingest.progress import on_loop
from ingest.schedule import keep, next_time
from ingest.sources.base import Source
from ingest.sources.kinds import open_source, parse_address
from ingest.sync_pass import BATCH, Index, Synchronisation, origin_of

LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0
STOPPED = "Stopped before all files were synchronised. The next synchronisation goes on with the rest."
TAKEN = "Another process is synchronising this source. Try again when it has finished."
T = TypeVar("T")
Open = Callable[[SyncedSource, Settings], Source]
log = structlog.get_logger(__name__)


class SourceKeeper:
    """One synchronisation at a time, in a thread of its own; the index goes on serving uploads in between."""

    def __init__(self, store: SourceStore, index: Index, settings: Settings, opener: Open = open_source) -> None:
        self._store = store
        self._index = index
        self._settings = settings
        self._open = opener
        self._worker_name = uuid.uuid4().hex
        self._closing = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sync")

    def recover(self) -> None:
        """Free what a crash left taken, where no other process can be at work."""
        if self._settings.is_embedded:
            self._store.release_all()

    def stop(self) -> None:
        """Begin to end: the synchronisation in work gives up at its next file."""
        self._closing = True

    def close(self) -> None:
        """Wait for it."""
        self.stop()
        self._worker.shutdown(wait=True, cancel_futures=True)

    # ── what operators call ──────────────────────────────────────────────────────────────────────

    async def register(self, wanted: NewSource) -> SyncedSource:
        check_namespace(wanted.namespace)
        return await asyncio.to_thread(self._register, wanted)

    async def all(self) -> list[SyncedSource]:
        return await asyncio.to_thread(self._store.all)

    async def get(self, source_id: str) -> SyncedSource:
        return await asyncio.to_thread(self._store.get, source_id)

    async def sync(
        self, source_id: str, progress: Progress | None = None, *, again: bool = False, allow_empty: bool = False
    ) -> list[DocumentChange]:
        report = on_loop(progress)
        return await self._run(lambda: self._sync(source_id, report, again=again, allow_empty=allow_empty))

    async def remove(self, source_id: str, *, keep_documents: bool = False) -> SyncedSource:
        return await self._run(lambda: self._remove(source_id, keep_documents=keep_documents))

    async def keep_in_sync(self) -> None:
        """Synchronise each source when its time has come, until cancelled."""

        async def due(now: datetime) -> Sequence[SyncedSource]:
            return await asyncio.to_thread(self._store.due, now)

        await keep(due, lambda source: self.sync(source.id))

    # ── the work ─────────────────────────────────────────────────────────────────────────────────

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _register(self, wanted: NewSource) -> SyncedSource:
        address = parse_address(wanted.address, wanted.arguments)
        source = SyncedSource(
            id=_id(wanted.namespace, address.text),
            namespace=wanted.namespace,
            address=address.text,
            kind=address.kind,
            added_at=datetime.now(UTC),
            added_by=wanted.added_by,
            interval_seconds=wanted.interval_seconds,
            readers=wanted.readers,
            arguments=wanted.arguments,
        )
        opened = self._open(source, self._settings)
        opened.check()
        for other in self._store.all():
            if other.id != source.id and other.namespace == source.namespace:
                _check_apart(source, opened.root, other, self._open(other, self._settings).root)
        self._store.put(source)
        return self._store.get(source.id)

    def _sync(self, source_id: str, report: Progress, *, again: bool, allow_empty: bool) -> list[DocumentChange]:
        record = self._store.get(source_id)
        with self._held(record.id) as check:
            # As it is now that nobody else changes it.
            record = self._store.get(record.id)
            self._store.started(record.id)
            try:
                opened = self._open(record, self._settings)
                run = Synchronisation(
                    record, opened, self._store, self._index, check, report, again=again, allow_empty=allow_empty
                )
                run.run()
            except LorekeeperError as error:
                # What is stopped goes on after the next start: it stays due.
                if not self._closing:
                    self._store.failed(record.id, error.message, self._retry(record))
                raise
            except Exception:
                # Whoever calls tells it, or logs it with its cause.
                message = "Something went wrong on our side; the log has the cause."
                self._store.failed(record.id, message, self._retry(record))
                raise
            self._store.finished(record.id, run.counts, next_time(datetime.now(UTC), record.interval_seconds, 0))
        log.info("a source is in sync", source=record.id, kind=record.kind, **run.counts)
        return run.changes

    def _retry(self, record: SyncedSource) -> datetime | None:
        return next_time(datetime.now(UTC), record.interval_seconds, record.failures + 1)

    def _remove(self, source_id: str, *, keep_documents: bool) -> SyncedSource:
        record = self._store.get(source_id)
        with self._held(record.id) as check:
            # If it ends halfway, the schedule must not bring back what is gone.
            self._store.pause(record.id)
            sources = [] if keep_documents else list(self._store.entries(record.id))
            for start in range(0, len(sources), BATCH):
                check()
                batch = sources[start : start + BATCH]
                self._index.drop(record.namespace, batch, origin_of(record))
                self._store.forget_entries(record.id, batch)
            self._store.remove(record.id)
        return record

    @contextmanager
    def _held(self, source_id: str) -> Iterator[Callable[[], None]]:
        """The source is ours until the block ends; the value is to be called often, and raises when it is not any more.

        Raises `InvalidRequest` when another process has it.
        """
        if not self._store.lease(source_id, self._worker_name, LEASE_SECONDS):
            raise InvalidRequest(TAKEN)
        ended, lost = threading.Event(), threading.Event()

        def renew() -> None:
            while not ended.wait(RENEW_SECONDS):
                try:
                    if not self._store.lease(source_id, self._worker_name, LEASE_SECONDS):
                        lost.set()
                        return
                except StorageFailed as error:
                    # It is ours for some time yet; the work itself finds out whether the database is away.
                    log.warning("a source could not be held", source=source_id, cause=error.message)

        def check() -> None:
            if self._closing:
                raise StorageFailed(STOPPED)
            if lost.is_set():
                raise StorageFailed("The source was removed, or another process took it over.")

        renewing = threading.Thread(target=renew, name="sync-lease", daemon=True)
        renewing.start()
        try:
            yield check
        finally:
            ended.set()
            renewing.join()
            self._store.release(source_id, self._worker_name)


def _id(namespace: str, address: str) -> str:
    return hashlib.blake2b(f"{namespace}\n{address}".encode(), digest_size=6).hexdigest()


def _check_apart(new: SyncedSource, root: str, other: SyncedSource, other_root: str) -> None:
    """A file belongs to one source, which decides who may read it and when it goes."""
    if root.startswith(other_root) and other.kind == new.kind:
        raise InvalidRequest(
            f"{new.address} lies in the source {other.id} ({other.address}), which has its files already."
        )
    if other_root.startswith(root) and other.kind == new.kind:
        raise InvalidRequest(
            f"The source {other.id} ({other.address}) lies in {new.address}. Remove that one first: "
            f"lorekeeper sources remove {other.id}"
        )
