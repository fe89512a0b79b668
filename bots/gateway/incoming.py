"""Where an upload lies until it is indexed: on the disk of the data folder, which is the one that has room."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import StorageFailed

FOLDER = "incoming"


class Spool:
    """An empty file there, for one upload. It is deleted by `discard`, or with the last reference to it.

    Raises `OSError`.
    """

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix="upload-")
        os.close(descriptor)
        self.path = Path(name)
        self._delete = weakref.finalize(self, _delete, self.path)

    def discard(self) -> None:
        """Blocking. A second time does nothing."""
        self._delete()


@contextmanager
def incoming(data_dir: Path, *, is_owned: bool) -> Iterator[None]:
    """Temporary files of this process go there; what a crash left is deleted, if no other process can be using it.

    Raises `StorageFailed`.
    """
    folder = data_dir.absolute() / FOLDER
    try:
        if is_owned and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise disk_failed(error) from error
    # The form parser writes large files to Python's folder for temporary files and cannot be given another one.
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def disk_failed(error: OSError) -> StorageFailed:
    """In words that name the disk; the error itself is its cause."""
    failed = StorageFailed(
        f"The disk of the data folder does not take the file: {error.strerror or error}. "
        "Make room there, or make the folder writable, and try again."
    )
    failed.__cause__ = error
    return failed


def _delete(path: Path) -> None:
    # What cannot be deleted now goes with the next start.
    with suppress(OSError):
        path.unlink()
