"""Where the files of registered adapters lie: a folder or a bucket. They are named by their content and never change.

files/DIGEST/…          what a server loads
about/DIGEST/NAME/…     the data card, the evaluation's report and its pictures
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from core.backup.destination import Destination, open_destination
from core.buckets import is_bucket
from core.errors import BackupDamaged, InvalidRequest, StorageFailed
from core.settings import Settings
from core.store.adapters import files_digest
from core.types.adapters import Adapter
from tuning.training.run import hashes

ADAPTERS, FILES, ABOUT = "adapters", "files", "about"
LONGEST_PATH = 200
ABANDONED_SECONDS = 24 * 3600.0
# Reading one of these runs what is in it.
RUNS = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py", ".so"})
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# As `mkdtemp` makes them of ours.
_WORK = re.compile(r"\.(?:damaged|.+-[0-9]+-[0-9a-f]{12})\.[a-z0-9_]{8}\.tmp")


class AdapterFiles:
    """All methods block, and raise `StorageFailed`."""

    def __init__(self, place: Destination) -> None:
        self._place = place

    def address(self, adapter: Adapter) -> str:
        """Of its files, for a person."""
        return f"{self._place.address}/{_files(adapter.files)}"

    def about_address(self, adapter: Adapter) -> str:
        """Of its data card and report, for a person."""
        return f"{self._place.address}/{_about(adapter)}"

    def put(self, folder: Path, files: Mapping[str, str]) -> None:
        """Copy these files of a folder, and read them again. `files`: hashes by paths. Raises `InvalidRequest`.

        What lies there whole is left alone, so that doing it again ends what was interrupted.
        """
        check_paths(files)
        for path, digest in sorted(files.items()):
            there = f"{_files(files)}/{path}"
            if self._digest_of(there) == digest:
                continue
            self._copy_in(there, folder / path)
            if self._digest_of(there) != digest:
                raise StorageFailed(
                    f"{folder / path} changed while it was copied, or {self._place.address} does not keep what it is given. Try again."
                )

    def put_about(self, adapter: Adapter, texts: Mapping[str, bytes]) -> None:
        """What is known of it; each in the place of what had its name before."""
        check_paths(dict.fromkeys(texts, "0" * 64))
        for name, content in texts.items():
            self._place.write(f"{_about(adapter)}/{name}", content)

    def about(self, adapter: Adapter) -> list[str]:
        """Names of what is known of it."""
        below = f"{_about(adapter)}/"
        return sorted(each.path.removeprefix(below) for each in self._place.list(below.rstrip("/")))

    def fetch(self, adapter: Adapter, folder: Path) -> Path:
        """Its files in `folder`/SERVED_NAME, which is whole or not there. Raises `InvalidRequest`.

        What is there already is looked at, and replaced when it is not what was registered.
        """
        check_paths(adapter.files)
        check_part(adapter.served_as)
        target = folder / adapter.served_as
        if holds(target, adapter.files):
            return target
        with _disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(folder)
            work = Path(tempfile.mkdtemp(prefix=f".{adapter.served_as}.", suffix=".tmp", dir=folder))
            try:
                self._copy_out(adapter, work)
                # The model's server may run as another user.
                work.chmod(0o755)
                _put_in_place(work, target, adapter.files)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return target

    def delete(self, adapter: Adapter, others: Iterable[Adapter] = ()) -> None:
        """All that lies there of it, but for what one of the others has as well."""
        needed = {below for each in others for below in (_about(each), _files(each.files))}
        for below in {_about(adapter), _files(adapter.files)} - needed:
            for each in list(self._place.list(below)):
                self._place.delete(each.path)

    def _copy_out(self, adapter: Adapter, folder: Path) -> None:
        of = _files(adapter.files)
        sizes = {each.path: each.size for each in self._place.list(of)}
        for path, digest in sorted(adapter.files.items()):
            there = f"{of}/{path}"
            hashed = hashlib.sha256()
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with self._whole(adapter), (folder / path).open("wb") as file:
                for piece in self._place.read(there, sizes.get(there, 0)):
                    hashed.update(piece)
                    file.write(piece)
            if hashed.hexdigest() != digest:
                raise _damaged(adapter, self.address(adapter))

    def _copy_in(self, there: str, source: Path) -> None:
        try:
            self._place.copy_in(there, source)
        except OSError as error:
            raise StorageFailed(f"{source} cannot be read: {error.strerror or error}.") from error

    def _digest_of(self, there: str) -> str:
        """Empty where there is no such file."""
        folder = there.rpartition("/")[0]
        size = next((each.size for each in self._place.list(folder) if each.path == there), None)
        if size is None:
            return ""
        hashed = hashlib.sha256()
        try:
            for piece in self._place.read(there, size):
                hashed.update(piece)
        except BackupDamaged:
            return ""
        return hashed.hexdigest()

    @contextmanager
    def _whole(self, adapter: Adapter) -> Iterator[None]:
        try:
            yield
        except BackupDamaged as error:
            raise _damaged(adapter, self.address(adapter)) from error


def open_files(settings: Settings) -> AdapterFiles:
    """As `adapters.store` says. Raises `InvalidRequest`, `MissingExtra`."""
    address = settings.adapters.store or str(settings.data_dir / ADAPTERS)
    if "://" in address and not is_bucket(address):
        raise InvalidRequest(
            f"adapters.store is {address}, which is no place for files. Set it to a folder, or to s3://…, gs://… or az://…."
        )
    return AdapterFiles(open_destination(address))


def check_paths(files: Mapping[str, str]) -> None:
    """Raises `InvalidRequest` for hashes by paths that lead out of their folder, or run something when they are read."""
    for path, digest in files.items():
        for part in path.split("/"):
            check_part(part)
        if len(path) > LONGEST_PATH or _DIGEST.fullmatch(digest) is None:
            raise InvalidRequest(
                f"{path[:LONGEST_PATH]!r} cannot be a file of an adapter: its path or its hash is no such thing."
            )
        if Path(path).suffix.lower() in RUNS:
            raise InvalidRequest(
                f"{path} can run a program when it is read. Save the weights as safetensors, and leave such files out."
            )
    if len({path.lower() for path in files}) != len(files):
        raise InvalidRequest("Two files of an adapter differ only in upper and lower case. Rename one.")


def check_part(name: str) -> None:
    """Raises `InvalidRequest` for what must not be the name of a file or folder."""
    if _PART.fullmatch(name) is None or len(name) > LONGEST_PATH:
        raise InvalidRequest(
            f"{name[:LONGEST_PATH]!r} cannot be the name of an adapter's file or folder, which has letters, digits, dots, "
            "underscores and hyphens and does not begin with a dot. Rename it, or leave it out."
        )


def holds(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether a folder has exactly these files, whole, and no links."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    every = list(folder.rglob("*"))
    there = {path.relative_to(folder).as_posix() for path in every if not path.is_dir()}
    if any(path.is_symlink() for path in every) or there != set(files):
        return False
    return hashes(folder) == files


def _put_in_place(work: Path, target: Path, files: Mapping[str, str]) -> None:
    """Another process may do the same at this moment."""
    if target.is_symlink() or target.is_file():
        target.unlink(missing_ok=True)
    try:
        work.rename(target)
    except OSError:
        if holds(target, files):
            return
        aside = Path(tempfile.mkdtemp(prefix=".damaged.", suffix=".tmp", dir=target.parent))
        target.rename(aside / target.name)
        work.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """What a killed process left. The folder may hold what is not ours."""
    for each in (path for path in folder.glob(".*.tmp") if _WORK.fullmatch(path.name)):
        # One that is at it may have put its own in place meanwhile.
        with suppress(FileNotFoundError):
            if time.time() - each.lstat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(each, ignore_errors=True)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFailed(f"The disk of {folder} is full. Free some space and try again.") from error
        raise StorageFailed(
            f"{folder} cannot be written: {error.strerror or error}. Let this user write there, or name another folder "
            "(for running servers: adapters.folder)."
        ) from error


def _files(files: Mapping[str, str]) -> str:
    return f"{FILES}/{files_digest(files)}"


def _about(adapter: Adapter) -> str:
    return f"{ABOUT}/{files_digest(adapter.files)}/{adapter.name}"


def _damaged(adapter: Adapter, address: str) -> StorageFailed:
    return StorageFailed(
        f"The files of {adapter.id} in {address} are not what was registered, or are gone. Put them back, or register its run again."
    )
