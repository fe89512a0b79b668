"""The backups at a destination: which there are, which were never finished, and which are too old."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from core.backup import copies
from core.backup.destination import Destination, Lying, read_all
from core.backup.manifest import LARGEST_MANIFEST, MANIFEST, NAME, UNFINISHED, Manifest, Part, read_manifest
from core.backup.parts import rows_of
from core.errors import BackupDamaged, InvalidRequest, NotFound, StorageFailed

# Who makes a backup gives a sign of life more often.
ABANDONED_AFTER = timedelta(hours=1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    """A backup, whole or not."""

    name: str
    paths: tuple[str, ...]
    changed_at: datetime
    is_complete: bool

    def is_abandoned(self, now: datetime) -> bool:
        return not self.is_complete and now - self.changed_at > ABANDONED_AFTER


def split_address(address: str) -> tuple[str, str]:
    """A destination, and the name of a backup there if the address names one."""
    trimmed = address.rstrip("/")
    before, _, last = trimmed.rpartition("/")
    if not NAME.fullmatch(last):
        return address, ""
    return before or ".", last


def all_backups(destination: Destination) -> list[Listed]:
    """The oldest first. Raises `StorageFailed`."""
    names = [name for name in destination.folders() if NAME.fullmatch(name)]
    found = ((name, list(destination.list(name))) for name in names)
    return [_listed(name, lying) for name, lying in found if lying]


def complete_backups(destination: Destination) -> list[Listed]:
    """The same without those that were never finished."""
    return [each for each in all_backups(destination) if each.is_complete]


def find(destination: Destination, name: str) -> str:
    """The name of this backup, or of the latest. Raises `NotFound`."""
    names = [each.name for each in complete_backups(destination)]
    if name and name not in names:
        raise NotFound(f"There is no complete backup {name} at {destination.address}.")
    if not names:
        raise NotFound(f"There is no complete backup at {destination.address}.")
    return name or names[-1]


def manifest_of(destination: Destination, name: str) -> Manifest:
    """Raises `BackupDamaged`, `StorageFailed`."""
    path = f"{name}/{MANIFEST}"
    return read_manifest(name, read_all(destination, path, LARGEST_MANIFEST))


def remove(destination: Destination, backup: Listed) -> None:
    """The manifest first: what is left is no backup any more."""
    for path in sorted(backup.paths, key=lambda path: not path.endswith(f"/{MANIFEST}")):
        destination.delete(path)


def remove_abandoned(destination: Destination) -> None:
    """What was begun and never finished goes, and so does the sign of life of what was."""
    now = datetime.now(UTC)
    for each in all_backups(destination):
        try:
            if each.is_abandoned(now):
                remove(destination, each)
            elif each.is_complete and (sign := f"{each.name}/{UNFINISHED}") in each.paths:
                destination.delete(sign)
        except StorageFailed as error:
            # A bucket may take what is new and let nobody delete.
            log.warning("what was never finished could not be removed", backup=each.name, cause=error.message)


def refuse_later(destination: Destination, name: str) -> None:
    """Raises `InvalidRequest` when a backup is there from after now: it would count as the latest for ever."""
    later = [each.name for each in complete_backups(destination) if each.name > name]
    if later:
        raise InvalidRequest(
            f"{destination.address} holds the backup {later[-1]}, which is later than now. "
            "Set the clock of this machine, or move that backup to another place."
        )


def keep_latest(destination: Destination, number: int, made: str, installation: str) -> list[str]:
    """Remove all but the latest of an installation, with the copies that only they needed; returns their names.

    `made`: the one that was just made, which stays. Without the id of an installation, none is known to be its own.
    """
    if not installation:
        return []
    own = [each for each in complete_backups(destination) if _installation(destination, each.name) == installation]
    old = [each for each in own[: max(0, len(own) - number)] if each.name != made]
    for each in old:
        remove(destination, each)
    if old:
        _remove_unused_copies(destination)
    return [each.name for each in old]


def _installation(destination: Destination, name: str) -> str:
    try:
        return manifest_of(destination, name).installation
    except BackupDamaged as error:
        log.warning("a backup is kept, because nobody can tell whose it is", backup=name, cause=error.message)
        return ""


def _remove_unused_copies(destination: Destination) -> None:
    there = list(destination.list(copies.FILES))
    used: set[str] = set()
    # In doubt nothing is removed: somebody may count on what is there, or it cannot be told what a backup needs.
    with suppress(BackupDamaged):
        for each in all_backups(destination):
            if not each.is_complete:
                return
            used |= {digest for digest, _ in files_of(destination, each.name, manifest_of(destination, each.name))}
        long_ago = datetime.now(UTC) - ABANDONED_AFTER
        paths = {copies.path_of(digest) for digest in used}
        for lying in there:
            # One that is new may be in work; and what has no name of ours is somebody else's.
            is_left = copies.is_left(lying.path) and lying.changed_at < long_ago
            if is_left or (copies.is_copy(lying.path) and lying.path not in paths):
                destination.delete(lying.path)


def files_of(destination: Destination, name: str, manifest: Manifest) -> Iterator[tuple[str, int]]:
    """Digest and size of each stored copy that a backup needs. Raises `BackupDamaged`."""
    read = reader(destination, name)
    for digest, size in rows_of(manifest.files, read):
        if not (isinstance(digest, str) and copies.is_digest(digest) and type(size) is int and size >= 0):
            raise BackupDamaged("The backup is damaged: its list of files names what is none.")
        yield digest, size


def reader(destination: Destination, name: str) -> Callable[[Part], bytes]:
    """Reads the parts of a backup."""
    return lambda part: read_all(destination, f"{name}/{part.name}", part.size)


def _listed(name: str, lying: list[Lying]) -> Listed:
    paths = tuple(each.path for each in lying)
    return Listed(name, paths, max(each.changed_at for each in lying), f"{name}/{MANIFEST}" in paths)
