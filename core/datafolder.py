"""One process owns the data folder; the others go through it.

The embedded Chroma is not safe for several processes, so the owner holds a lock that dies with it (also by kill -9) and
leaves a note, readable by the same user only, that says how to reach it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import DataFolderInUse, StorageFailed

LOCK = "owner.lock"
NOTE = "owner.json"
STORED = "files"
STORED_BY = "files.databases"
"""The ids of the databases that stored copies there, a line for each."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a data folder. `url` and `token` are empty while it does not serve others."""

    pid: int
    command: str
    url: str = ""
    token: str = ""


class Claim:
    """The right to use a data folder, until `release`."""

    def __init__(self, folder: Path, lock: FileLock, command: str) -> None:
        self._folder = folder
        self._lock = lock
        self._owner = Owner(os.getpid(), command)
        self._write(self._owner)

    def announce(self, url: str) -> str:
        """Tell other commands that they can come through `url`; returns the token they have to bring."""
        token = secrets.token_urlsafe(32)
        self._write(Owner(self._owner.pid, self._owner.command, url, token))
        return token

    def release(self) -> None:
        (self._folder / NOTE).unlink(missing_ok=True)
        self._lock.release()

    def _write(self, owner: Owner) -> None:
        path = self._folder / NOTE
        work = path.with_suffix(".tmp")
        work.unlink(missing_ok=True)
        descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(owner), file)
        work.replace(path)


def claim(folder: Path, command: str, wait_seconds: float = 0.0) -> Claim | Owner:
    """Own the folder, or learn who does.

    Waits up to `wait_seconds` for an owner that serves nobody (another command) to finish. Raises `DataFolderInUse`
    when it does not, `StorageFailed` when the folder cannot be made or written.
    """
    prepare(folder)
    # Opened in one thread and closed in another, by the server.
    lock = FileLock(folder / LOCK, thread_local=False)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            lock.acquire(timeout=0)
            return Claim(folder, lock, command)
        except Timeout:
            owner = read_owner(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        if owner is not None and owner.url:
            return owner
        if time.monotonic() >= deadline:
            raise DataFolderInUse(_explain(folder, owner))
        time.sleep(POLL_SECONDS)


def prepare(folder: Path) -> None:
    """Make the folder, for this user only. Raises `StorageFailed` when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise _unusable(folder, error) from error


def read_owner(folder: Path) -> Owner | None:
    """The note of the present owner, if there is one that can be read."""
    try:
        return Owner(**json.loads((folder / NOTE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def free_bytes(folder: Path) -> int:
    """Free space on the folder's disk, in bytes."""
    return shutil.disk_usage(folder).free


def _unusable(folder: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"The data folder {folder} cannot be used: {error.strerror or error}. "
        "Set LOREKEEPER_DATA_DIR (or data_dir) to a folder that this user may write."
    )


def _explain(folder: Path, owner: Owner | None) -> str:
    who = f"`{owner.command}` (process {owner.pid})" if owner else "another process"
    return f"The data folder {folder} is in use by {who}. Wait until it has finished, or stop it, and try again."


def hand_over(folder: Path, before: str | None, after: str | None) -> None:
    """The copies that one database stored are another's now, which was put in its place. Raises `StorageFailed`."""
    path = folder / STORED_BY
    if before == after or not path.exists():
        return
    try:
        noted = [each for each in path.read_text(encoding="utf-8", errors="replace").split() if each != before]
        work = path.with_name(f"{STORED_BY}.new")
        work.write_text("".join(f"{each}\n" for each in dict.fromkeys([*noted, *([after] if after else [])])))
        work.chmod(0o600)
        work.replace(path)
    except OSError as error:
        raise _unusable(folder, error) from error
