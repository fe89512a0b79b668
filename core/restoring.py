"""A note in the data folder that a backup is being restored into this installation.

It stays when that does not come to its end, also by kill -9, so that nobody takes what is there for the restored backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import StorageFailed

NOTE = "restoring"
HALFWAY = "Restoring the backup {name} into this installation has not come to its end."
REMEDY = (
    "If nobody is restoring it any more, restore it again: lorekeeper restore DEST/{name} --replace. "
    "To go on with what is there instead, run: lorekeeper documents check --repair"
)


@dataclass(slots=True)
class Restoration:
    """`is_again`: another one was begun before and did not come to its end. `has_written`: what is there may differ."""

    replaced: tuple[str, ...]
    """Ids of the databases that were there before, also before the other one."""
    is_again: bool
    has_written: bool = False


@contextmanager
def noted(folder: Path, name: str, database: str | None) -> Iterator[Restoration]:
    """Until the end of the block. Where that fails, the note stays unless everything is as it was.

    `name`: of the backup. `database`: the id of the one that is there. Raises `StorageFailed`.
    """
    before = _read(folder)
    known = [*(before[1:] if before else ()), *([database] if database else ())]
    restoration = Restoration(tuple(dict.fromkeys(known)), bool(before))
    _write(folder, [name, *restoration.replaced])
    try:
        yield restoration
    except BaseException:
        if not (restoration.is_again or restoration.has_written):
            with suppress(StorageFailed):
                forget(folder)
        raise
    forget(folder)


def forget(folder: Path) -> None:
    """What is there is whole. Raises `StorageFailed`."""
    try:
        (folder / NOTE).unlink(missing_ok=True)
    except OSError as error:
        raise _failed(folder, error) from error


def refuse_unfinished(folder: Path) -> None:
    """Raises `StorageFailed` while a restoration goes on, and after one that did not come to its end."""
    if noted := _read(folder):
        raise StorageFailed(f"{HALFWAY.format(name=noted[0])} {REMEDY.format(name=noted[0])}")


def _read(folder: Path) -> list[str]:
    """The name of a backup, and the ids of databases; empty without a note."""
    try:
        return (folder / NOTE).read_text(errors="replace").split() or ["NAME"]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _failed(folder, error) from error


def _write(folder: Path, lines: list[str]) -> None:
    try:
        work = folder / f"{NOTE}.new"
        work.write_text("".join(f"{line}\n" for line in lines))
        work.replace(folder / NOTE)
    except OSError as error:
        raise _failed(folder, error) from error


def _failed(folder: Path, error: OSError) -> StorageFailed:
    return StorageFailed(f"The note {folder / NOTE} cannot be read or written: {error.strerror or error}.")
