"""A folder on this machine, or on a disk that is mounted here."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import InvalidRequest, UnreadableDocument
from ingest.sources.base import Entry, Listing, Unreachable
from ingest.sources.files import SourceFile, collect, folder_source, read

# What a disk in trouble answers, and not a file that cannot be read.
_PASSING = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN}
    | {errno.ENETUNREACH, errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENXIO}
)


class Folder:
    """Its readable files, with those in all folders inside it; hidden ones are left out."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    @property
    def root(self) -> str:
        return folder_source(self._path)

    def check(self) -> None:
        if self._path.is_file():
            raise InvalidRequest(
                f"{self._path} is a file. Add its folder, or the file itself by: lorekeeper documents add"
            )
        if not self._path.is_dir():
            raise InvalidRequest(f"There is no folder {self._path}.")

    def list(self) -> Listing:
        self.check()
        collected = collect([self._path])
        entries = [entry for file in collected.files if (entry := _entry(file)) is not None]
        return Listing(entries, [(each.source, each.message) for each in collected.unreadable])

    def read(self, entry: Entry) -> bytes:
        try:
            return read(Path(unquote(urlsplit(entry.source).path)), self._max_bytes)
        except UnreadableDocument as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _PASSING:
                raise Unreachable(f"{self._path} cannot be read: {os.strerror(error.__cause__.errno)}.") from error
            raise


def _entry(file: SourceFile) -> Entry | None:
    try:
        status = file.path.stat()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:  # it went since the walk came by
            return None
        return Entry(file.source, file.name, "")
    # The time of the last change of any kind moves with the rights, too, so that a file that was closed is tried again.
    return Entry(file.source, file.name, f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_size}", status.st_size)
