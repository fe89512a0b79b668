"""Folders and buckets behave alike: what is written is read, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.backup.destination import Destination, open_destination, read_all
from core.errors import BackupDamaged, InvalidRequest, StorageFailed
from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home, back_up, put_back, rows
from tests.fakes.s3 import FakeS3


@pytest.fixture(params=["folder", "bucket"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """Empty."""
    if request.param == "bucket":
        request.getfixturevalue("s3")
        return open_destination("s3://vault/lore/keeper")
    return open_destination(str(tmp_path / "vault"))


def test_what_is_written_is_listed_read_and_deleted(there: Destination, tmp_path: Path) -> None:
    assert list(there.list("backups")) == []
    assert there.folders() == []
    there.write("backups/a/manifest.json", b"{}")
    there.write("backups/a/manifest.json", b"{1}")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(6 * 2**20))
    there.copy_in("files/ab/abc", large)
    assert {(each.path, each.size) for each in there.list()} == {
        ("backups/a/manifest.json", 3),
        ("files/ab/abc", 6 * 2**20),
    }
    assert there.folders() == ["backups", "files"]
    assert [each.path for each in there.list("backups")] == ["backups/a/manifest.json"]
    assert read_all(there, "backups/a/manifest.json", 3) == b"{1}"
    assert read_all(there, "files/ab/abc", 6 * 2**20) == large.read_bytes()
    there.delete("backups/a/manifest.json")
    there.delete("backups/a/manifest.json")
    assert [each.path for each in there.list()] == ["files/ab/abc"]


def test_what_is_missing_or_larger_than_expected_is_damage(there: Destination) -> None:
    there.write("backups/a/x", b"12345")
    with pytest.raises(BackupDamaged, match="larger"):
        read_all(there, "backups/a/x", 4)
    with pytest.raises(BackupDamaged, match="not there"):
        read_all(there, "backups/a/y", 4)


def test_a_file_that_goes_while_it_is_copied_is_told(there: Destination, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        there.copy_in("files/ab/abc", tmp_path / "gone")
    assert list(there.list()) == []


def a_link(path: Path) -> None:
    (path.parent.parent / "secret").write_text("secret")
    path.symlink_to(path.parent.parent / "secret")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    (path / "x").mkdir(parents=True)


@pytest.mark.parametrize("make", [a_link, a_pipe, a_folder])
def test_only_files_are_read_from_a_folder(tmp_path: Path, make: Callable[[Path], None]) -> None:
    there = open_destination(str(tmp_path))
    (tmp_path / "backups").mkdir()
    make(tmp_path / "backups" / "x")
    assert list(there.list("backups")) == []
    with pytest.raises(BackupDamaged, match="not there"):
        read_all(there, "backups/x", 100)


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_text("secret")
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "backups").symlink_to(tmp_path / "elsewhere")
    there = open_destination(str(tmp_path / "vault"))
    assert there.folders() == []
    with pytest.raises(BackupDamaged, match="not there"):
        read_all(there, "backups/x", 100)


def test_a_folder_that_is_a_link_is_refused_with_what_helps(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "ab").mkdir(parents=True)
    (elsewhere / "ab" / "x").write_text("of somebody else")
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "files").symlink_to(elsewhere)
    there = open_destination(str(tmp_path / "vault"))
    for refused in (
        lambda: list(there.list("files")),
        lambda: list(there.list("files/ab")),
        lambda: there.write("files/ab/y", b"1"),
        lambda: there.copy_in("files/ab/y", elsewhere / "ab" / "x"),
        lambda: there.delete("files/ab/x"),
    ):
        with pytest.raises(StorageFailed, match=r"vault/files is a link.*mount"):
            refused()
    assert [path.name for path in (elsewhere / "ab").iterdir()] == ["x"]


def test_the_place_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "vault").symlink_to(tmp_path / "disk")
    there = open_destination(str(tmp_path / "vault"))
    there.write("files/x", b"1")
    assert [each.path for each in there.list("files")] == ["files/x"]
    there.delete("files/x")
    assert list(there.list()) == []


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = open_destination(str(tmp_path))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed, match="full"):
        there.write("backups/x", b"12345")
    assert list(there.list()) == []


@pytest.mark.parametrize("address", ["ftp://host/x", "https://host/x"])
def test_other_addresses_are_no_destination(address: str) -> None:
    with pytest.raises(InvalidRequest, match="no place for backups"):
        open_destination(address)


def test_a_bucket_that_refuses_is_told(s3: FakeS3) -> None:
    s3.refuse = 403
    with pytest.raises(StorageFailed, match="credentials"):
        open_destination("s3://vault/x").write("a", b"1")


def test_everything_comes_back_from_a_bucket(home_at: OpenHome, filled: Home, s3: FakeS3) -> None:
    with filled.open() as library:
        before = rows(library.engine)
    made = back_up(filled, "s3://vault/lore")
    assert all(key.startswith("lore/") for key in s3.objects)
    written = len(s3.put)
    again = back_up(filled, "s3://vault/lore", keep=1)
    assert again.removed == (made.name,)
    assert not [key for key in s3.put[written:] if "/files/" in key]
    new = home_at("new", "sqlite")
    put_back(new, "s3://vault/lore", again)
    with new.open() as library:
        after = rows(library.engine)
    assert {**after, "sources": []} == {**before, "sources": []}
