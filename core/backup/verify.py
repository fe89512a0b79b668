"""Whether a backup is whole, and nothing else than what this program writes: before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import structlog

from core.backup import copies, listing, tables, values, vectors
from core.backup.destination import Destination
from core.backup.manifest import Manifest
from core.backup.parts import rows_of
from core.errors import BackupDamaged, StorageFailed
from core.retrieval.stored import StoredVector

Report = Callable[[str, int, int], None]
STEP = 1000
log = structlog.get_logger(__name__)


def verify(destination: Destination, name: str, manifest: Manifest, report: Report, *, with_copies: bool) -> None:
    """Raises `BackupDamaged`, `StorageFailed`.

    `with_copies`: the stored copies are read, too, and what is no copy any more is removed, so that the next backup
    writes it again. Otherwise only their list is read: a restoration leaves out which are lost.
    """
    _check_shape(name, manifest)
    total = sum(rows.count for rows in manifest.tables.values()) + manifest.vectors.count
    done = 0
    for table in manifest.tables:
        for _ in rows_for(destination, name, manifest, table):
            done += 1
            if done % STEP == 0:
                report("Verifying rows", done, total)
    for _ in vectors_of(destination, name, manifest):
        done += 1
        if done % STEP == 0:
            report("Verifying rows", done, total)
    report("Verifying rows", total, total)
    if with_copies:
        _verify_copies(destination, name, manifest, report)
    else:
        _verify_list(destination, name, manifest)


def rows_for(destination: Destination, name: str, manifest: Manifest, table: str) -> Iterator[list[Any]]:
    """The rows of a table as its columns hold them. Raises `BackupDamaged`, `StorageFailed`."""
    wanted = manifest.tables[table]
    columns = tables.tables_at(manifest.revision)[table].columns
    readers = values.readers([columns[each] for each in wanted.columns])
    for row in rows_of(wanted, listing.reader(destination, name)):
        yield [read(value) for read, value in zip(readers, row, strict=True)]


def vectors_of(destination: Destination, name: str, manifest: Manifest) -> Iterator[StoredVector]:
    """Raises `BackupDamaged`, `StorageFailed`."""
    return vectors.read(rows_of(manifest.vectors, listing.reader(destination, name)), manifest.dimension)


def _check_shape(name: str, manifest: Manifest) -> None:
    if not tables.is_known(manifest.revision):
        raise BackupDamaged(
            f"The backup {name} was made by Lorekeeper {manifest.program}, whose tables this version does not know. Update Lorekeeper, then restore it."
        )
    expected = tables.tables_at(manifest.revision)
    if manifest.tables.keys() != expected.keys():
        raise BackupDamaged(f"The backup {name} is damaged: its tables are not those of Lorekeeper.")
    for table, rows in manifest.tables.items():
        if sorted(rows.columns) != sorted(column.name for column in expected[table].columns):
            raise BackupDamaged(f"The backup {name} is damaged: the columns of {table} are not those of Lorekeeper.")
    if manifest.vectors.columns != vectors.COLUMNS or manifest.files.columns != copies.COLUMNS:
        raise BackupDamaged(f"The backup {name} is damaged: its lists are not those of Lorekeeper.")


def _verify_list(destination: Destination, name: str, manifest: Manifest) -> None:
    for _ in listing.files_of(destination, name, manifest):
        pass


def _verify_copies(destination: Destination, name: str, manifest: Manifest, report: Report) -> None:
    there = copies.lying(destination)
    lost: list[str] = []
    for done, (digest, size) in enumerate(listing.files_of(destination, name, manifest), 1):
        path = copies.path_of(digest)
        if there.get(digest) != size:
            lost.append(f"{path} is not there, or is not as large as it was")
        elif not copies.is_whole_there(destination, digest, size):
            lost.append(f"{path} is not what its name says")
            _remove(destination, path)
        if done % STEP == 0 or done == manifest.files.count:
            report("Verifying files", done, manifest.files.count)
    if lost:
        others = f" {len(lost) - 1} other files are damaged, too." if len(lost) > 1 else ""
        raise BackupDamaged(f"The backup is damaged: {lost[0]}.{others} {_REMEDY}")


_REMEDY = "The next backup writes again what the data folder still has."


def _remove(destination: Destination, path: str) -> None:
    try:
        destination.delete(path)
    except StorageFailed as error:
        # A bucket may be read and let nobody delete.
        log.warning(
            "a damaged file could not be removed, so backups go on counting on it", path=path, cause=error.message
        )
