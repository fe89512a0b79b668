"""Stored copies, named by their content."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.files import FileStore, Strays
from tests.ingest.library import put


def test_bytes_come_back_by_their_digest(tmp_path: Path) -> None:
    files = FileStore(tmp_path / "files")
    digest = files.put(b"Text.")
    assert digest == hashlib.sha256(b"Text.").hexdigest()
    assert files.get(digest) == b"Text."


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    files = FileStore(tmp_path / "files")
    assert files.put(b"Text.") == files.put(b"Text.")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_copy_that_was_cut_short_is_written_anew(tmp_path: Path) -> None:
    files = FileStore(tmp_path / "files")
    digest = files.put(b"Text.")
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(b"Te")
    files.put(b"Text.")
    assert files.get(digest) == b"Text."


def test_several_may_store_the_same_bytes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = FileStore(tmp_path / "files")
    write = os.fsync

    def another_comes(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", write)
        files.put(b"Text.")
        write(descriptor)

    monkeypatch.setattr(os, "fsync", another_comes)
    digest = files.put(b"Text.")
    assert files.get(digest) == b"Text."
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_unused_are_those_that_nobody_stored_lately(tmp_path: Path) -> None:
    files = FileStore(tmp_path / "files")
    used, old, again, new = (files.put(text) for text in (b"Used.", b"Old.", b"Again.", b"New."))
    for digest in (used, old, again):
        os.utime(tmp_path / "files" / digest[:2] / digest, (0, 0))
    files.put(b"Again.")
    assert files.unused({used}, datetime.now(UTC) - timedelta(hours=1)) == [old]
    assert files.has(new)


class TestStrays:
    NOW = datetime.now(UTC)

    def test_copies_in_their_places_are_none(self, tmp_path: Path) -> None:
        files = FileStore(tmp_path / "files")
        files.put(b"Text.")
        assert files.strays(self.NOW + timedelta(hours=1)) == Strays()

    def test_they_are_told_apart(self, tmp_path: Path) -> None:
        files = FileStore(tmp_path / "files")
        digest = files.put(b"Text.")
        misplaced, unfinished, writing, foreign = (
            put(tmp_path / "files" / "zz" / name, b"Text.")
            for name in (digest, f"{digest}.1.tmp", f"{digest}.2.tmp", "notes.txt")
        )
        os.utime(unfinished, (0, 0))
        found = files.strays(self.NOW - timedelta(hours=1))
        assert found == Strays((misplaced,), (unfinished,), (foreign,))
        assert writing.exists()

    def test_a_misplaced_copy_is_brought_to_its_place(self, tmp_path: Path) -> None:
        files = FileStore(tmp_path / "files")
        digest = hashlib.sha256(b"Text.").hexdigest()
        misplaced = put(tmp_path / "files" / "zz" / digest, b"Text.")
        assert files.put_right(misplaced)
        assert (files.get(digest), misplaced.exists()) == (b"Text.", False)

    def test_one_that_is_not_what_its_name_says_stays(self, tmp_path: Path) -> None:
        files = FileStore(tmp_path / "files")
        misplaced = put(tmp_path / "files" / "zz" / ("ab" * 32), b"Other text.")
        assert not files.put_right(misplaced)
        assert misplaced.exists()
        assert not files.has("ab" * 32)


def test_a_sweep_leaves_what_is_in_use_and_what_is_not_its_own(tmp_path: Path) -> None:
    files = FileStore(tmp_path / "files")
    used, unused = files.put(b"Used."), files.put(b"Unused.")
    unfinished = tmp_path / "files" / used[:2] / f"{used}.123.tmp"
    unfinished.write_bytes(b"Us")
    foreign = tmp_path / "files" / "README"
    foreign.write_text("By hand.")
    files.sweep({used})
    assert (files.get(used), files.get(unused)) == (b"Used.", None)
    assert (unfinished.exists(), foreign.exists()) == (False, True)


def test_a_sweep_before_anything_was_stored_does_nothing(tmp_path: Path) -> None:
    FileStore(tmp_path / "files").sweep({"0" * 64})
    assert list(tmp_path.iterdir()) == []


def test_what_is_discarded_is_gone_and_may_be_discarded_again(tmp_path: Path) -> None:
    files = FileStore(tmp_path / "files")
    digest = files.put(b"Text.")
    files.discard(digest)
    files.discard(digest)
    assert files.get(digest) is None
