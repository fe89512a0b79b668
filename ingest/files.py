"""Stored copies of every document's bytes, named by their content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Container
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
        """Returns the sha256, in hex. Raises `StorageFailed`, and leaves nothing half written."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if path.is_file() and path.stat().st_size == len(data):
            return digest
        work = path.with_suffix(f".{os.getpid()}.tmp")
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

    def unused(self, used: Container[str]) -> list[str]:
        """The digests of complete copies that are not in `used`."""
        return [
            name
            for _, _, names in os.walk(self._folder)
            for name in names
            if _OURS.fullmatch(name) and len(name) == DIGEST and name not in used
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
