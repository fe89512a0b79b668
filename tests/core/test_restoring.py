"""The note that a backup is being restored."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import BackupDamaged, StorageFailed
from core.restoring import NOTE, Restoration, forget, noted, refuse_unfinished

NAME = "2026-11-22T07-41-32-000001Z"


def test_while_one_goes_on_nothing_else_is_done_and_afterwards_it_is(tmp_path: Path) -> None:
    with noted(tmp_path, NAME, "old"), pytest.raises(StorageFailed, match=f"{NAME} --replace"):
        refuse_unfinished(tmp_path)
    refuse_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == []


def fail(folder: Path, name: str, database: str | None, *, has_written: bool = False) -> Restoration:
    """A restoration that fails."""
    with suppress(BackupDamaged), noted(folder, name, database) as restoration:
        restoration.has_written = has_written
        raise BackupDamaged("It is damaged.")
    return restoration


@pytest.mark.parametrize("has_written", [False, True])
def test_one_that_fails_is_told_unless_everything_is_as_it_was(tmp_path: Path, has_written: bool) -> None:
    fail(tmp_path, NAME, None, has_written=has_written)
    assert (tmp_path / NOTE).exists() == has_written


def test_one_that_fails_after_one_that_was_killed_changes_nothing_about_that(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text(f"{NAME}\nold\n")
    restoration = fail(tmp_path, "another", "new")
    assert restoration.is_again
    assert restoration.replaced == ("old", "new")
    with pytest.raises(StorageFailed, match="another"):
        refuse_unfinished(tmp_path)
    forget(tmp_path)
    refuse_unfinished(tmp_path)


def test_a_note_that_says_nothing_is_one(tmp_path: Path) -> None:
    (tmp_path / NOTE).touch()
    with pytest.raises(StorageFailed, match="DEST/NAME"):
        refuse_unfinished(tmp_path)


def test_a_note_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / f"{NOTE}.new").mkdir()
    with pytest.raises(StorageFailed, match="cannot be read or written"), noted(tmp_path, NAME, None):
        pass
