"""Stored copies, named by their content."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.files import FileStore


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
