"""Stored copies of every document's bytes, named by their content."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.datafolder import STORED_BY
from core.errors import StorageFailed
from ingest.owners import Owners

_OURS = re.compile(r"[0-9a-f]{64}(?:\.\d+\.tmp)?")
"""A copy, or one that is being written."""
_COMPLETE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Strays:
    """What lies in the folder and is no copy in its place."""

    misplaced: tuple[Path, ...] = ()
    """Complete copies in another folder than theirs, where nobody looks for them."""
    unfinished: tuple[Path, ...] = ()
    """Copies that somebody began to write, and never finished."""
    foreign: tuple[Path, ...] = ()
    """What was never stored here."""


class FileStore:
    """Content-addressed files in a folder: `ab/abcdef…`. Storing the same bytes twice changes nothing."""

    def __init__(self, folder: Path, database: str = "") -> None:
        """`database`: the id of the one that refers to what is stored here."""
        self.folder = folder
        self.owners = Owners(folder.with_name(STORED_BY), database)

    def put(self, data: bytes) -> str:
        """Returns the sha256, in hex; a copy that was there counts as new. Raises `StorageFailed`, and leaves nothing half written."""
        # Before there is a copy that others could take for nobody's.
        self.owners.join()
        return self._put(data)

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if _renewed(path, len(data)):
            return digest
        # Several may store the same bytes at once.
        work = path.with_suffix(f".{uuid.uuid4().int}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with work.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            work.replace(path)
        except OSError as error:
            work.unlink(missing_ok=True)
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            reason = "the disk is full. Free some space and try again" if full else error.strerror or str(error)
            raise StorageFailed(f"The document could not be stored: {reason}.") from error
        return digest

    def get(self, digest: str) -> bytes | None:
        """The bytes, or None when they are gone."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, digest: str) -> bool:
        """Whether they are there."""
        return self._path(digest).is_file()

    def unused(self, used: Container[str], before: datetime) -> list[str]:
        """The digests of complete copies that are not in `used`, and that nobody has stored since `before`."""
        return [
            path.name
            for path in self._all()
            if self._is_in_place(path) and path.name not in used and _is_older(path, before)
        ]

    def strays(self, before: datetime) -> Strays:
        """What does not belong where it is; of copies that somebody writes, those that nobody went on with since `before`."""
        misplaced, unfinished, foreign = [], [], []
        for path in sorted(self._all()):
            if self._is_in_place(path):
                continue
            if not _OURS.fullmatch(path.name):
                foreign.append(path)
            elif _COMPLETE.fullmatch(path.name):
                misplaced.append(path)
            elif _is_older(path, before):
                unfinished.append(path)
        return Strays(tuple(misplaced), tuple(unfinished), tuple(foreign))

    def put_right(self, path: Path) -> bool:
        """Bring a misplaced copy to its place, if it is what its name says; whether it is there now. Raises `StorageFailed`."""
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != path.name:
                return False
            self._put(data)
            path.unlink()
        except FileNotFoundError:  # somebody else brought it there
            return self.has(path.name)
        except OSError:
            return False
        return True

    def discard(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def sweep(self, used: Container[str]) -> None:
        """Delete the copies whose digest is not in `used`, and unfinished ones; right only while nobody stores any."""
        self.delete(path for path in self._all() if _OURS.fullmatch(path.name) and path.name not in used)

    def delete(self, paths: Iterable[Path]) -> bool:
        """Whether all are gone now."""
        are_gone = True
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError:  # it is in nobody's way, and goes another time
                are_gone = False
        return are_gone

    def _all(self) -> Iterator[Path]:
        return (Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names)

    def _is_in_place(self, path: Path) -> bool:
        return bool(_COMPLETE.fullmatch(path.name)) and path == self._path(path.name)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest


def _renewed(path: Path, size: int) -> bool:
    """Whether the complete copy is there; its time is now."""
    try:
        if path.stat().st_size != size:
            return False
        os.utime(path)
    except OSError:  # it is not there, or somebody has just deleted it
        return False
    return True


def _is_older(path: Path, before: datetime) -> bool:
    try:
        return path.stat().st_mtime < before.timestamp()
    except FileNotFoundError:
        return False
