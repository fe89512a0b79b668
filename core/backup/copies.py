"""The stored copies of documents: named by their content, so that all backups at one destination share them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.backup.destination import PIECE, Destination
from core.datafolder import STORED
from core.errors import BackupDamaged, StorageFailed
from core.types import JobState

FILES = STORED
COLUMNS = ("sha256", "size")
# Somebody else may remove old backups at the same time, and with them what nobody seemed to need.
ROUNDS = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")
# As a destination names what it is writing.
_LEFT = re.compile(r"\.([0-9a-f]{64})\.[0-9a-f]{8}\.tmp")


@dataclass(frozen=True, slots=True)
class Needed:
    """Digests of stored copies: those that something is made of, and those that would be nice to have."""

    digests: frozenset[str]
    others: frozenset[str]


@dataclass(frozen=True, slots=True)
class Copied:
    """`sizes` in bytes, by digest, of what lies at the destination; `new`: how many came to it."""

    sizes: dict[str, int]
    new: int
    new_bytes: int
    missing: int


def is_digest(text: str) -> bool:
    """Whether a stored copy can be called so."""
    return bool(_DIGEST.fullmatch(text))


def path_of(digest: str) -> str:
    """At the destination, and in the data folder."""
    return f"{FILES}/{digest[:2]}/{digest}"


def needed(connection: Connection, tables: Mapping[str, sa.Table]) -> Needed:
    """What documents, kept versions and jobs refer to; of older tables, only some may be there."""
    documents = tables["documents"]
    digests = set(connection.scalars(sa.select(documents.c.sha256).where(documents.c.chunks > 0)))
    others = set(connection.scalars(sa.select(documents.c.sha256).where(documents.c.chunks == 0)))
    if (history := tables.get("document_history")) is not None:
        digests |= set(connection.scalars(sa.select(history.c.sha256).where(history.c.is_kept)))
    if (jobs := tables.get("jobs")) is not None:
        unfinished = (JobState.WAITING.value, JobState.RUNNING.value)
        digests |= set(connection.scalars(sa.select(jobs.c.sha256).where(jobs.c.state.in_(unfinished))))
        others |= set(connection.scalars(sa.select(jobs.c.sha256).where(jobs.c.state != JobState.DONE.value)))
    return Needed(frozenset(digests - {""}), frozenset(others - digests - {""}))


def is_copy(path: str) -> bool:
    """Whether a complete copy lies there, by the name."""
    digest = path.rpartition("/")[2]
    return is_digest(digest) and path == path_of(digest)


def is_left(path: str) -> bool:
    """Whether a copy lies there, by the name, that was or is being written."""
    folder, _, name = path.rpartition("/")
    found = _LEFT.fullmatch(name)
    return found is not None and path_of(found[1]) == f"{folder}/{found[1]}"


def copy_out(data_dir: Path, destination: Destination, wanted: Needed, report: Callable[[int, int], None]) -> Copied:
    """Bring those to the destination that are not there yet. Raises `StorageFailed`.

    One that is lost in the data folder and whole at the destination is not missing.
    """
    sizes: dict[str, int] = {}
    gone: set[str] = set()
    new: set[str] = set()
    every = sorted(wanted.digests | wanted.others)
    for _ in range(ROUNDS):
        there = lying(destination)
        missing = [each for each in every if each not in gone and (each not in sizes or there.get(each) != sizes[each])]
        if not missing:
            break
        for done, digest in enumerate(missing, 1):
            known = there.get(digest)
            size = _copy_out(data_dir / path_of(digest), destination, digest, known)
            if size is None and known is not None and _is_kept_whole(destination, digest, known):
                size = known
            if size is None:
                gone.add(digest)
                sizes.pop(digest, None)
            else:
                sizes[digest] = size
                if known != size:
                    new.add(digest)
            report(len(every) - len(missing) + done, len(every))
    return Copied(sizes, len(new & sizes.keys()), sum(sizes.get(each, 0) for each in new), len(gone & wanted.digests))


def lying(destination: Destination) -> dict[str, int]:
    """Sizes by digest of what is there."""
    return {each.path.rpartition("/")[2]: each.size for each in destination.list(FILES) if is_copy(each.path)}


def new_bytes(data_dir: Path, destination: Destination, wanted: Needed) -> int:
    """How much `copy_out` is going to write, about."""
    there = lying(destination)
    return sum(_size(data_dir / path_of(each)) for each in wanted.digests | wanted.others if each not in there)


def is_there(data_dir: Path, digest: str, size: int) -> bool:
    """Whether the data folder seems to have it."""
    return _size(data_dir / path_of(digest)) == size


def copy_in(data_dir: Path, source: Destination, digest: str, size: int) -> bool:
    """Bring one into the data folder; False when it was there. Raises `BackupDamaged`, `StorageFailed`."""
    path = data_dir / path_of(digest)
    if _is_whole(path, digest):
        return False
    # The name of a copy that is being written: a start removes what is left of it.
    work = path.with_suffix(f".{uuid.uuid4().int}.tmp")
    hashed = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with work.open("wb") as file:
            for piece in source.read(path_of(digest), size):
                hashed.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if hashed.hexdigest() != digest:
            raise BackupDamaged(f"The backup is damaged: {path_of(digest)} is not what its name says.")
        work.replace(path)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = "the disk is full. Free some space and try again" if full else error.strerror or str(error)
        raise StorageFailed(f"The stored copies could not be restored: {reason}.") from error
    finally:
        work.unlink(missing_ok=True)
    return True


def is_whole_there(destination: Destination, digest: str, size: int) -> bool:
    """Whether the copy at the destination is what its name says. Raises `BackupDamaged` when it is not there."""
    return _digest(destination.read(path_of(digest), size)) == digest


def _is_kept_whole(destination: Destination, digest: str, size: int) -> bool:
    try:
        return is_whole_there(destination, digest, size)
    except BackupDamaged:
        return False


def _copy_out(path: Path, destination: Destination, digest: str, there: int | None) -> int | None:
    """Its size; None when it is gone, or is not what its name says."""
    try:
        size = path.stat().st_size
        if there == size:
            return size
        if not _is_whole(path, digest):
            return None
        destination.copy_in(path_of(digest), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror or error}.") from error
    return size


def _is_whole(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return _digest(iter(lambda: file.read(PIECE), b"")) == digest
    except FileNotFoundError:
        return False


def _digest(pieces: Iterator[bytes]) -> str:
    hashed = hashlib.sha256()
    for piece in pieces:
        hashed.update(piece)
    return hashed.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
