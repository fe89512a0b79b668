"""Stored copies of every document's bytes, named by their content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import uuid
from collections.abc import Container
from datetime import datetime
from pathlib import Path

from core.errors import StorageFailed

_OURS = re.compile(r"[0-9a-f]{64}(?:\.\d+\.tmp)?")
"""A copy, or one that is being written."""
DIGEST = 64


class FileStore:
    """Content-addressed files in a folder: `ab/abcdef…`. Storing the same bytes twice changes nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Returns the sha256, in hex; a copy that was there counts as new. Raises `StorageFailed`, and leaves nothing half written."""
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
            name
            for folder, _, names in os.walk(self._folder)
            for name in names
            if _OURS.fullmatch(name) and len(name) == DIGEST and name not in used
            if _is_older(Path(folder, name), before)
        ]

    def discard(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def sweep(self, used: Container[str]) -> None:
        """Delete the copies whose digest is not in `used`, and unfinished ones; right only while nobody stores any."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                if _OURS.fullmatch(name) and name not in used:
                    with contextlib.suppress(OSError):  # it is in nobody's way, and goes another time
                        Path(folder, name).unlink()

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


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
