"""Where backups lie: a folder, or a bucket. Names in it are made of what this program wrote, and are never trusted."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from core.buckets import explain, is_bucket, is_missing, open_bucket
from core.errors import BackupDamaged, InvalidRequest, StorageFailed

PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Lying:
    """A file there. `path` begins at the destination, with `/` between its parts."""

    path: str
    size: int
    changed_at: datetime


class Destination(Protocol):
    """All methods block, and raise `StorageFailed`."""

    @property
    def address(self) -> str: ...

    def folders(self) -> list[str]:
        """Those right at it, by name; none where there is nothing."""
        ...

    def list(self, below: str = "") -> Iterator[Lying]:
        """What lies below a folder, in any order; nothing where there is none."""
        ...

    def read(self, path: str, size: int) -> Iterator[bytes]:
        """Its bytes. Raises `BackupDamaged` when it is not there, no file, or larger than `size`."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """All of it is there afterwards, or nothing."""
        ...

    def copy_in(self, path: str, source: Path) -> None:
        """The same for the bytes of a file. Raises `FileNotFoundError` when it is gone."""
        ...

    def delete(self, path: str) -> None:
        """Nothing happens when it is not there."""
        ...

    def free_bytes(self) -> int | None:
        """None where there is no limit that can be known."""
        ...


def open_destination(address: str) -> Destination:
    """Raises `InvalidRequest` for an address that is none, `MissingExtra`."""
    if is_bucket(address):
        return BucketDestination(address)
    if "://" in address:
        raise InvalidRequest(f"{address} is no place for backups. Name a folder, or s3://…, gs://… or az://….")
    return FolderDestination(Path(address).expanduser().absolute())


def read_all(destination: Destination, path: str, size: int) -> bytes:
    """Raises `BackupDamaged` when it is not there, no file, or larger than `size`."""
    return b"".join(destination.read(path, size))


class FolderDestination:
    """A folder. What is written is for this user only; links in it are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        return str(self._folder)

    def folders(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("read", error) from error

    def list(self, below: str = "") -> Iterator[Lying]:
        try:
            self._refuse_links(below)
            yield from self._list(self._folder / below, f"{below}/" if below else "")
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise self._failed("read", error) from error

    def _list(self, folder: Path, prefix: str) -> Iterator[Lying]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._list(Path(entry.path), f"{prefix}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        state = entry.stat(follow_symlinks=False)
                        changed_at = datetime.fromtimestamp(state.st_mtime, UTC)
                        yield Lying(prefix + entry.name, state.st_size, changed_at)

    def read(self, path: str, size: int) -> Iterator[bytes]:
        with self._open(path) as file:
            left = size + 1
            try:
                while left > 0 and (piece := file.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
            except OSError as error:
                raise self._failed("read", error) from error
        if left <= 0:
            raise _too_large(path)

    def _open(self, path: str) -> IO[bytes]:
        whole = self._folder
        try:
            for part in path.split("/")[:-1]:
                whole /= part
                if whole.is_symlink():
                    raise _missing(path)
            descriptor = os.open(self._folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}:
                raise _missing(path) from error
            raise self._failed("read", error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _missing(path)
        return os.fdopen(descriptor, "rb")

    def write(self, path: str, data: bytes) -> None:
        try:
            with self._written(path) as file:
                file.write(data)
        except OSError as error:
            raise self._failed("written", error) from error

    def copy_in(self, path: str, source: Path) -> None:
        with source.open("rb") as bytes_of:
            try:
                with self._written(path) as file:
                    shutil.copyfileobj(bytes_of, file, PIECE)
            except OSError as error:
                raise self._failed("written", error) from error

    @contextlib.contextmanager
    def _written(self, path: str) -> Iterator[IO[bytes]]:
        whole = self._folder / path
        self._refuse_links(path)
        self._make_folders(whole.parent)
        work = whole.with_name(f".{whole.name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            work.replace(whole)
        except BaseException:
            work.unlink(missing_ok=True)
            raise

    def _refuse_links(self, path: str) -> None:
        """Whoever can make one there would have files of others listed, overwritten or deleted."""
        whole = self._folder
        for part in path.split("/"):
            whole /= part
            if whole != self._folder and whole.is_symlink():
                raise StorageFailed(
                    f"{whole} is a link, which backups do not follow. Put the folder itself there, or mount the other disk there."
                )

    def _make_folders(self, folder: Path) -> None:
        """Each of them for this user only, from the destination on."""
        if folder.is_dir():
            return
        if folder != self._folder:
            self._make_folders(folder.parent)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def delete(self, path: str) -> None:
        whole = self._folder / path
        try:
            self._refuse_links(path.rpartition("/")[0])
            whole.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed("written", error) from error
        # A folder that holds nothing any more is in the way of who looks at it.
        with contextlib.suppress(OSError):
            for parent in whole.relative_to(self._folder).parents[:-1]:
                (self._folder / parent).rmdir()

    def free_bytes(self) -> int | None:
        folder = next(each for each in (self._folder, *self._folder.parents) if each.exists())
        return shutil.disk_usage(folder).free

    def _failed(self, doing: str, error: OSError) -> StorageFailed:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StorageFailed(f"The disk of {self._folder} is full. Free some space and try again.")
        return StorageFailed(f"{self._folder} cannot be {doing}: {error.strerror or error}.")


class BucketDestination:
    """`s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._store = open_bucket(address)

    @property
    def address(self) -> str:
        return self._address

    def folders(self) -> list[str]:
        with self._errors("read"):
            return sorted(each.rstrip("/") for each in self._store.list_with_delimiter()["common_prefixes"])

    def list(self, below: str = "") -> Iterator[Lying]:
        with self._errors("read"):
            for batch in self._store.list(prefix=below or None):
                for each in batch:
                    yield Lying(each["path"], each["size"], each["last_modified"])

    def read(self, path: str, size: int) -> Iterator[bytes]:
        left = size
        with self._errors("read", path):
            for piece in self._store.get(path).stream():
                data = bytes(memoryview(piece))
                left -= len(data)
                if left < 0:
                    raise _too_large(path)
                yield data

    def write(self, path: str, data: bytes) -> None:
        with self._errors("written"):
            self._store.put(path, data)

    def copy_in(self, path: str, source: Path) -> None:
        with source.open("rb") as file, self._errors("written"):
            self._store.put(path, file)

    def delete(self, path: str) -> None:
        with self._errors("written"):
            try:
                self._store.delete(path)
            except Exception as error:
                if not is_missing(error):
                    raise

    def free_bytes(self) -> int | None:
        return None

    @contextlib.contextmanager
    def _errors(self, doing: str, path: str = "") -> Iterator[None]:
        """`path`: of the file without which a backup is damaged."""
        try:
            yield
        except (BackupDamaged, GeneratorExit):
            raise
        except Exception as error:
            if path and is_missing(error):
                raise _missing(path) from error
            raise StorageFailed(explain(self._address, error, doing=doing)) from error


def _missing(path: str) -> BackupDamaged:
    return BackupDamaged(f"The backup is damaged: {path} is not there.")


def _too_large(path: str) -> BackupDamaged:
    return BackupDamaged(f"The backup is damaged: {path} is larger than it was.")
