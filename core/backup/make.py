"""Making a backup, while everything runs.

The record is read in one moment, and with it the vectors of its passages; then the stored copies that it needs are
copied, of which nothing is removed that soon. What went meanwhile is left out and told: a restoration makes it anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine

from core.backup import copies, listing, tables, vectors
from core.backup.destination import Destination, FolderDestination
from core.backup.manifest import FORMAT, MANIFEST, UNFINISHED, Manifest, Rows, new_name, program_version
from core.backup.parts import PartWriter
from core.errors import InvalidRequest, LorekeeperError, StorageFailed
from core.identity import EMBEDDING, REBUILDING
from core.retrieval.chroma import LAYOUT
from core.settings import Settings
from core.store.engine import count_others, open_engine, reading
from core.store.meta import IndexMeta
from core.store.migrations import stored_revision
from core.store.schema import meta

COMMAND = "lorekeeper backup"
WAIT_SECONDS = 30.0
SIGN_SECONDS = 300.0
# Of the disk, that nothing else may run into its end.
SPARE_BYTES = 100 * 2**20
# Of a vector, packed.
BYTES_PER_NUMBER = 4
log = structlog.get_logger(__name__)
Report = Callable[[str, int, int], None]
"""Called with what is done, how much of it is, and how much there is."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made. `removed`: the names of older ones that went for it."""

    name: str
    manifest: Manifest
    new_files: int
    new_bytes: int
    removed: tuple[str, ...]
    seconds: float
    is_unreached: bool
    """Whether another command had the index, so that there are no vectors."""


@dataclass(slots=True)
class _Record:
    """What was read in one moment."""

    rows: dict[str, Rows]
    saved: vectors.Saved
    wanted: copies.Needed
    revision: str
    created_at: datetime
    embedding: str
    is_at_rest: bool
    is_unreached: bool
    installation: str


def make(
    settings: Settings, destination: Destination, report: Report, *, keep: int = 0, with_vectors: bool = True
) -> Made:
    """A new backup at the destination. `keep`: how many there may be then; 0 for all.

    Raises `InvalidRequest`, `StorageFailed`.
    """
    if settings.is_embedded and not settings.data_dir.is_dir():
        raise InvalidRequest(tables.NOTHING)
    _refuse_own_folder(settings, destination)
    begun = time.monotonic()
    listing.remove_abandoned(destination)
    writing = _Writing(destination, new_name(datetime.now(UTC)))
    listing.refuse_later(destination, writing.name)
    try:
        writing.sign()
        record = _read_record(settings, destination, writing, report, with_vectors=with_vectors)
        copied = copies.copy_out(
            settings.data_dir, destination, record.wanted, writing.telling(report, "Copying files")
        )
        files = PartWriter(writing.put, copies.FILES, copies.COLUMNS)
        for digest, size in copied.sizes.items():
            files.write((digest, size))
        manifest = _manifest(settings, record, files.finish(), copied)
        writing.put(MANIFEST, manifest.model_dump_json().encode())
    except BaseException:
        writing.undo()
        raise
    listing.remove_abandoned(destination)
    _note_end(settings)
    removed = listing.keep_latest(destination, keep, writing.name, manifest.installation) if keep else []
    return Made(
        writing.name,
        manifest,
        copied.new,
        copied.new_bytes,
        tuple(removed),
        time.monotonic() - begun,
        record.is_unreached,
    )


def _note_end(settings: Settings) -> None:
    """For the metrics. The backup is whole, whether this can be noted or not."""
    engine = open_engine(settings.database_url, settings.data_dir)
    try:
        IndexMeta(engine).backed_up(datetime.now(UTC))
    except StorageFailed as error:
        log.warning("when the last backup was made could not be noted", cause=error.message)
    finally:
        engine.dispose()


class _Writing:
    """The parts of one backup, and the sign that somebody is making it."""

    def __init__(self, destination: Destination, name: str) -> None:
        self.name = name
        self._destination = destination
        self._signed = 0.0

    def path(self, name: str) -> str:
        return f"{self.name}/{name}"

    def put(self, name: str, data: bytes) -> None:
        self._destination.write(self.path(name), data)

    def sign(self) -> None:
        now = time.monotonic()
        if not self._signed or now - self._signed > SIGN_SECONDS:
            self.put(UNFINISHED, b"")
            self._signed = now

    def telling(self, report: Report, what: str) -> Callable[[int, int], None]:
        """Reports how far that is, with a sign of life."""

        def tell(done: int, total: int) -> None:
            self.sign()
            report(what, done, total)

        return tell

    def undo(self) -> None:
        """Nothing of it stays, as far as the destination can be reached; the rest goes with the next backup."""
        with suppress(LorekeeperError):
            for each in listing.all_backups(self._destination):
                if each.name == self.name:
                    listing.remove(self._destination, each)


def _read_record(
    settings: Settings, destination: Destination, writing: _Writing, report: Report, *, with_vectors: bool
) -> _Record:
    engine = open_engine(settings.database_url, settings.data_dir)
    is_waiting = with_vectors and not settings.chroma.url
    try:
        installation = _installation(engine)
        with (
            vectors.surroundings(settings, COMMAND, WAIT_SECONDS if is_waiting else 0.0) as around,
            tables.snapshot(engine) as connection,
        ):
            revision = tables.check_revision(stored_revision(connection))
            created_at = datetime.now(UTC)
            is_at_rest = around.is_at_rest or (not settings.is_embedded and not count_others(connection))
            every = tables.saved_tables(connection, revision)
            wanted = copies.needed(connection, every)
            embedding = _embedding(connection) if with_vectors else ""
            index = around.open(embedding) if embedding else None
            _check_room(settings, destination, connection, wanted, has_vectors=index is not None)
            rows = _write_tables(connection, every, writing, report)
            saved = vectors.save(connection, index, writing.put, writing.telling(report, "Reading vectors"))
            is_unreached = bool(embedding) and index is None
            used = embedding if index is not None else ""
            return _Record(rows, saved, wanted, revision, created_at, used, is_at_rest, is_unreached, installation)
    finally:
        engine.dispose()


def _installation(engine: Engine) -> str:
    """The id of the database, which is given before the record is read, so that a restored one has it, too."""
    with reading(engine) as connection:
        tables.check_revision(stored_revision(connection))
    try:
        return IndexMeta(engine).database_id()
    except StorageFailed as error:
        # Who cannot write any more needs a backup most.
        log.warning("the database could get no id, so old backups are kept", cause=error.message)
        return ""


def _write_tables(
    connection: Connection, every: Mapping[str, sa.Table], writing: _Writing, report: Report
) -> dict[str, Rows]:
    total = sum(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in every.values())
    tell = writing.telling(report, "Reading the database")
    done = 0
    rows: dict[str, Rows] = {}
    for name, table in every.items():
        writer = PartWriter(writing.put, name, [column.name for column in table.columns])
        for row in tables.rows_of_table(connection, table):
            writer.write(row)
            done += 1
            if done % tables.ROWS_AT_ONCE == 0:
                tell(done, total)
        rows[name] = writer.finish()
    tell(total, total)
    return rows


def _embedding(connection: Connection) -> str:
    """Of the model that made the index; empty while that is made anew, or was never made."""
    stored = connection.scalar(sa.select(meta.c.value).where(meta.c.key == EMBEDDING))
    return "" if stored in {None, REBUILDING} else str(stored)


def _manifest(settings: Settings, record: _Record, files: Rows, copied: copies.Copied) -> Manifest:
    return Manifest(
        format=FORMAT,
        created_at=record.created_at,
        program=program_version(),
        revision=record.revision,
        database="sqlite" if settings.database_url.startswith("sqlite") else "postgresql",
        is_at_rest=record.is_at_rest,
        embedding=record.embedding,
        layout=LAYOUT,
        dimension=record.saved.dimension,
        tables=record.rows,
        vectors=record.saved.rows,
        files=files,
        file_bytes=sum(copied.sizes.values()),
        missing_vectors=record.saved.missing,
        missing_files=copied.missing,
        installation=record.installation,
    )


def _check_room(
    settings: Settings, destination: Destination, connection: Connection, wanted: copies.Needed, *, has_vectors: bool
) -> None:
    free = destination.free_bytes()
    if free is None:
        return
    size = copies.new_bytes(settings.data_dir, destination, wanted) + _database_bytes(connection)
    if has_vectors:
        size += vectors.count_passages(connection) * _dimension(connection) * BYTES_PER_NUMBER * 2
    if free < size + SPARE_BYTES:
        needs, has = (f"{number / 2**20:,.0f} MB" for number in (size + SPARE_BYTES, free))
        raise StorageFailed(
            f"The disk of {destination.address} has {has} free, and the backup needs about {needs}. Free some space, or name another place."
        )


def _dimension(connection: Connection) -> int:
    """Which is the last part of an identity."""
    last = _embedding(connection).rpartition("/")[2]
    return int(last) if last.isdigit() else 0


def _database_bytes(connection: Connection) -> int:
    """More than its rows take when they are packed."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()) // 2
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one()) // 2


def _refuse_own_folder(settings: Settings, destination: Destination) -> None:
    if isinstance(destination, FolderDestination):
        folder, own = Path(destination.address).resolve(), settings.data_dir.resolve()
        if folder == own or own in folder.parents:
            raise InvalidRequest(
                f"{destination.address} is in the data folder, and would be lost with it. Name another folder."
            )
