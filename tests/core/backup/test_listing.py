"""Which backups there are, which are kept, and what becomes of those that were never finished."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from core.backup import copies, make
from core.backup.destination import FolderDestination
from core.backup.listing import complete_backups, keep_latest, split_address
from core.backup.make import Made
from core.backup.manifest import MANIFEST, UNFINISHED
from core.backup.verify import verify
from core.errors import InvalidRequest, StorageFailed
from core.store.meta import IndexMeta
from tests.core.backup.installation import Home, back_up, destination, put_back, silent

NAME = "2026-11-22T07-41-32-000001Z"


@pytest.mark.parametrize(
    ("address", "split"),
    [
        ("/srv/backups", ("/srv/backups", "")),
        (f"/srv/backups/{NAME}", ("/srv/backups", NAME)),
        (f"/srv/backups/{NAME}/", ("/srv/backups", NAME)),
        (f"s3://vault/lore/{NAME}", ("s3://vault/lore", NAME)),
        (f"s3://vault/{NAME}", ("s3://vault", NAME)),
        (NAME, (".", NAME)),
    ],
)
def test_an_address_may_name_a_backup(address: str, split: tuple[str, str]) -> None:
    assert split_address(address) == split


def test_only_the_latest_are_kept_and_files_that_only_others_needed_go(filled: Home, place: Path) -> None:
    first = back_up(filled, place)
    with filled.open() as library:
        (pay,) = [document for document in library.documents() if document.title == "Pay"]
        asyncio.run(library.pipeline.versions.purge(pay.id))
    second = back_up(filled, place)
    assert (place / copies.path_of(pay.sha256)).exists(), "the first one needs it"
    third = back_up(filled, place, keep=2)
    assert third.removed == (first.name,)
    assert [each.name for each in complete_backups(destination(place))] == [second.name, third.name]
    assert not (place / first.name).exists()
    assert not (place / copies.path_of(pay.sha256)).exists()
    verify(destination(place), second.name, second.manifest, silent, with_copies=True)


def age(folder: Path) -> None:
    """Two hours."""
    for path in folder.iterdir():
        os.utime(path, (time.time() - 7200, time.time() - 7200))


def unfinish(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / UNFINISHED).touch()


def test_what_was_begun_and_abandoned_goes_with_the_next_backup(filled: Home, copy: Made, place: Path) -> None:
    folder = place / copy.name
    unfinish(folder)
    age(folder)
    made = back_up(filled, place)
    assert not folder.exists()
    assert [each.name for each in complete_backups(destination(place))] == [made.name]


def test_what_somebody_else_is_making_is_left_alone_with_its_files(filled: Home, copy: Made, place: Path) -> None:
    folder = place / copy.name
    unfinish(folder)
    files = {path for path in (place / "files").rglob("*") if path.is_file()}
    back_up(filled, place)
    back_up(filled, place, keep=1)
    assert folder.exists()
    assert files <= {path for path in (place / "files").rglob("*") if path.is_file()}


def test_a_place_that_lets_nobody_delete_still_takes_backups(
    filled: Home, copy: Made, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinish(place / copy.name)
    age(place / copy.name)

    def refuse(*_: object) -> None:
        raise StorageFailed("Nothing can be deleted there.")

    monkeypatch.setattr(FolderDestination, "delete", refuse)
    made = back_up(filled, place)
    assert [each.name for each in complete_backups(destination(place))] == [made.name]


def test_a_copy_that_was_never_written_to_its_end_goes_with_old_backups(filled: Home, copy: Made, place: Path) -> None:
    left = place / "files" / "ab" / f".ab{'0' * 62}.1234abcd.tmp"
    left.parent.mkdir(exist_ok=True)
    left.touch()
    back_up(filled, place, keep=1)
    assert left.exists(), "somebody may be writing it"
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    back_up(filled, place, keep=1)
    assert not left.exists()


def test_files_of_somebody_else_stay_where_they_are(filled: Home, place: Path) -> None:
    names = ("thesis.odt", "photos/a.jpg", f"cd/{'ab' * 32}", "ab/.notes.1234abcd.tmp", f".ab{'0' * 62}.1234abcd.tmp")
    foreign = [place / "files" / name for name in names]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1, 1))
    first = back_up(filled, place)
    assert back_up(filled, place, keep=1).removed == (first.name,)
    assert all(path.exists() for path in foreign)


def test_a_backup_from_after_now_is_told_instead_of_counting_as_the_latest_for_ever(
    filled: Home, copy: Made, place: Path
) -> None:
    (place / copy.name).rename(place / "2931-01-01T00-00-00-000000Z")
    with pytest.raises(InvalidRequest, match=r"2931-01-01.*Set the clock"):
        back_up(filled, place, keep=1)
    assert destination(place).folders() == ["2931-01-01T00-00-00-000000Z", "files"]


def test_what_was_just_made_is_never_removed(filled: Home, place: Path) -> None:
    first, second = back_up(filled, place), back_up(filled, place)
    there, installation = destination(place), first.manifest.installation
    assert keep_latest(there, 1, first.name, installation) == []
    assert keep_latest(there, 1, second.name, installation) == [first.name]


def test_only_backups_of_the_same_database_are_counted_and_removed(
    filled: Home, copy: Made, place: Path, tmp_path: Path
) -> None:
    good = back_up(filled, place)
    wrong = Home(tmp_path / "wrong")
    with wrong.open():
        pass
    first = back_up(wrong, place, keep=1)
    second = back_up(wrong, place, keep=1)
    assert second.removed == (first.name,)
    assert [each.name for each in complete_backups(destination(place))] == [copy.name, good.name, second.name]
    verify(destination(place), good.name, good.manifest, silent, with_copies=True)


def test_a_database_keeps_its_id_when_it_is_restored(filled: Home, place: Path, tmp_path: Path) -> None:
    first = back_up(filled, place)
    put_back(Home(tmp_path / "new"), place, first)
    assert back_up(Home(tmp_path / "new"), place, keep=1).removed == (first.name,)


def test_what_says_not_whose_it_is_stays(filled: Home, copy: Made, place: Path) -> None:
    manifest = place / copy.name / MANIFEST
    said = json.loads(manifest.read_text())
    del said["installation"]
    manifest.write_text(json.dumps(said))
    damaged = back_up(filled, place)
    (place / damaged.name / MANIFEST).write_text("{")
    first = back_up(filled, place)
    assert back_up(filled, place, keep=1).removed == (first.name,)


def test_a_database_that_cannot_be_written_is_backed_up_and_nothing_is_removed(
    filled: Home, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = back_up(filled, place)

    def full(_: IndexMeta) -> str:
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr(IndexMeta, "database_id", full)
    made = back_up(filled, place, keep=1)
    assert made.removed == ()
    assert [each.name for each in complete_backups(destination(place))] == [first.name, made.name]


def test_a_backup_that_fails_leaves_nothing_but_files(
    filled: Home, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(copies, "copy_out", fail)
    with pytest.raises(KeyboardInterrupt):
        back_up(filled, place)
    assert list(destination(place).list()) == []


def test_a_backup_into_the_data_folder_is_refused(filled: Home) -> None:
    for place in (filled.folder, filled.folder / "backups"):
        with pytest.raises(InvalidRequest, match="in the data folder"):
            back_up(filled, place)


def test_nothing_is_begun_without_room(filled: Home, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "SPARE_BYTES", 2**60)
    with pytest.raises(StorageFailed, match="Free some space"):
        back_up(filled, place)
    assert list(destination(place).list()) == []


def test_where_nothing_was_ever_stored_there_is_nothing_to_back_up(tmp_path: Path, place: Path) -> None:
    empty = tmp_path / "empty"
    with pytest.raises(InvalidRequest, match="nothing to back up"):
        back_up(Home(empty), place)
    assert not empty.exists()
    empty.mkdir()
    with pytest.raises(InvalidRequest, match="nothing to back up"):
        back_up(Home(empty), place)


def test_a_copy_that_is_gone_or_damaged_is_left_out_and_counted(filled: Home, place: Path) -> None:
    first, second, *_ = sorted(path for path in (filled.folder / "files").rglob("*") if path.is_file())
    first.unlink()
    second.write_bytes(b"x" * second.stat().st_size)
    made = back_up(filled, place)
    assert made.manifest.missing_files == 2
    assert not (place / copies.path_of(first.name)).exists()
    assert not (place / copies.path_of(second.name)).exists()


@pytest.mark.parametrize("loss", ["gone", "damaged"])
def test_a_copy_that_is_lost_stays_in_the_backups_that_have_it(filled: Home, place: Path, loss: str) -> None:
    back_up(filled, place)
    lost, *_ = sorted(path for path in (filled.folder / "files").rglob("*") if path.is_file())
    if loss == "gone":
        lost.unlink()
    else:
        lost.write_bytes(b"cut")
    made = back_up(filled, place, keep=1)
    assert made.manifest.missing_files == 0
    assert (place / copies.path_of(lost.name)).exists()
    verify(destination(place), made.name, made.manifest, silent, with_copies=True)


def test_a_copy_that_is_lost_and_damaged_in_the_backups_counts_as_missing(filled: Home, place: Path) -> None:
    back_up(filled, place)
    lost, *_ = sorted(path for path in (filled.folder / "files").rglob("*") if path.is_file())
    (place / copies.path_of(lost.name)).write_bytes(b"x" * lost.stat().st_size)
    lost.unlink()
    assert back_up(filled, place).manifest.missing_files == 1
