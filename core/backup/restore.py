"""Putting a backup in the place of what is there.

Everything is verified first. The stored copies come next, which harms nothing, then all tables in one transaction: what
was there before goes, or all of it stays. The vectors are written before that transaction ends, so that they are there
when the passages are. A note in the data folder says until the end that somebody is at it, so that what was killed
halfway is not taken for the backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

import structlog
from sqlalchemy.engine import Connection, Engine

from core import restoring
from core.backup import copies, listing, tables, unfinished, vectors
from core.backup.destination import Destination
from core.backup.manifest import Manifest
from core.backup.verify import rows_for, vectors_of, verify
from core.datafolder import Owner, claim, free_bytes, hand_over, prepare
from core.errors import BackupDamaged, DataFolderInUse, StorageFailed
from core.restoring import Restoration
from core.retrieval.chroma import LAYOUT, ChromaIndex, open_chroma
from core.settings import Settings
from core.store.engine import count_others, open_engine, reading

COMMAND = "lorekeeper restore"
# Of the disk, that nothing else may run into its end.
SPARE_BYTES = 100 * 2**20
# How much larger than its packed rows a database is, with its word index and its log.
GROWTH = 8
log = structlog.get_logger(__name__)
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What is there now. `missing_vectors`: of passages, which have to be embedded; `lost_files`: left out."""

    name: str
    manifest: Manifest
    missing_vectors: int
    lost_files: int
    is_moved: bool
    """Whether messages that waited are answered; otherwise they count as answered."""


def restore(
    settings: Settings, destination: Destination, name: str, report: Report, *, may_replace: bool = False
) -> Restored:
    """Of the backup of this name. `may_replace`: what is there may be lost.

    Raises `BackupDamaged`, `InvalidRequest`, `DataFolderInUse` while somebody is at work, `StorageFailed`.
    """
    manifest = listing.manifest_of(destination, name)
    verify(destination, name, manifest, report, with_copies=False)
    prepare(settings.data_dir)
    held = claim(settings.data_dir, COMMAND) if settings.is_embedded else None
    if isinstance(held, Owner):
        raise DataFolderInUse(f"The data folder is in use by `{held.command}` (process {held.pid}). {_STOP}")
    try:
        engine = open_engine(settings.database_url, settings.data_dir)
        try:
            tables.check_place(engine, may_replace=may_replace)
            _check_alone(engine)
            _check_room(settings, destination, name, manifest)
            with restoring.noted(settings.data_dir, name, tables.database_id(engine)) as noted:
                lost = _restore_copies(settings, destination, name, manifest, report)
                restored = _restore_record(settings, engine, destination, name, manifest, report, noted)
                # One that was killed left vectors that nobody needs, even where nothing else was.
                if may_replace or noted.is_again:
                    _drop_orphans(settings, engine, manifest)
                for before in noted.replaced or (None,):
                    hand_over(settings.data_dir, before, tables.database_id(engine))
            return replace(restored, lost_files=lost)
        finally:
            engine.dispose()
    finally:
        if held is not None:
            held.release()


_STOP = "Stop Lorekeeper, restore, and start it again."


def _check_alone(engine: Engine) -> None:
    with reading(engine) as connection:
        if others := count_others(connection):
            raise DataFolderInUse(f"The database is in use by Lorekeeper ({others} connections). {_STOP}")


def _check_room(settings: Settings, destination: Destination, name: str, manifest: Manifest) -> None:
    files = listing.files_of(destination, name, manifest)
    size = sum(size for digest, size in files if not copies.is_there(settings.data_dir, digest, size))
    if settings.database_url.startswith("sqlite"):
        size += GROWTH * sum(rows.size for rows in manifest.tables.values())
    if not settings.chroma.url:
        size += 3 * manifest.vectors.size
    free = free_bytes(settings.data_dir)
    if free < size + SPARE_BYTES:
        needs, has = (f"{number / 2**20:,.0f} MB" for number in (size + SPARE_BYTES, free))
        raise StorageFailed(
            f"The disk of {settings.data_dir} has {has} free, and the backup needs about {needs}. Free some space first."
        )


def _restore_copies(settings: Settings, destination: Destination, name: str, manifest: Manifest, report: Report) -> int:
    """How many are lost: without them, everything else is still worth having."""
    lost = 0
    for done, (digest, size) in enumerate(listing.files_of(destination, name, manifest), 1):
        try:
            copies.copy_in(settings.data_dir, destination, digest, size)
        except BackupDamaged as error:
            log.warning("a stored copy is left out", cause=error.message)
            lost += 1
        report("Restoring files", done, manifest.files.count)
    return lost


def _restore_record(
    settings: Settings,
    engine: Engine,
    destination: Destination,
    name: str,
    manifest: Manifest,
    report: Report,
    noted: Restoration,
) -> Restored:
    now = datetime.now(UTC)
    is_moved = unfinished.is_moved(manifest.created_at, now, is_at_rest=manifest.is_at_rest)
    with _index(settings, manifest) as index, tables.replacing(engine) as connection:
        _fill(connection, destination, name, manifest, report)
        unfinished.go_on(connection, now, is_moved=is_moved)
        noted.has_written = True
        if index is not None:
            total = manifest.vectors.count
            saved = vectors_of(destination, name, manifest)
            vectors.restore(connection, index, saved, lambda done: report("Restoring vectors", done, total))
    missing = manifest.rows("chunks") if index is None else manifest.missing_vectors
    return Restored(name, manifest, missing, 0, is_moved)


@contextmanager
def _index(settings: Settings, manifest: Manifest) -> Iterator[ChromaIndex | None]:
    """Vectors that lie otherwise than this version looks for them are made anew: then None."""
    index = open_chroma(settings, manifest.embedding) if manifest.embedding and manifest.layout == LAYOUT else None
    try:
        yield index
    finally:
        if index is not None:
            index.close()


def _drop_orphans(settings: Settings, engine: Engine, manifest: Manifest) -> None:
    with _index(settings, manifest) as index, reading(engine) as connection:
        if index is not None:
            vectors.drop_orphans(connection, index)


def _fill(connection: Connection, destination: Destination, name: str, manifest: Manifest, report: Report) -> None:
    total = sum(rows.count for rows in manifest.tables.values())
    done = 0
    filled = tables.create_tables(connection, manifest.revision)
    for each, table in filled.items():
        rows = rows_for(destination, name, manifest, each)
        while batch := list(islice(rows, tables.ROWS_AT_ONCE)):
            tables.fill(connection, table, manifest.tables[each].columns, batch)
            done += len(batch)
            report("Restoring the database", done, total)
    report("Building the word index", 0, 0)
    tables.bring_up_to_date(connection, filled.values())
