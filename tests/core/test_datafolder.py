"""One process owns the data folder; it is given back whatever happens to its owner."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.datafolder import NOTE, Claim, Owner, claim, read_owner
from core.errors import DataFolderInUse, StorageFailed

HOLDER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core.datafolder import claim
held = claim(Path(sys.argv[1]), "lorekeeper documents add")
if sys.argv[2]: held.announce(sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


def hold(folder: Path, url: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def owned(folder: Path) -> Claim:
    held = claim(folder, "test")
    assert isinstance(held, Claim)
    return held


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    try:
        with pytest.raises(DataFolderInUse, match=rf"`lorekeeper documents add` \(process {holder.pid}\)"):
            claim(tmp_path, "test")
    finally:
        end(holder)


def test_a_serving_owner_is_found_with_its_address(tmp_path: Path) -> None:
    holder = hold(tmp_path, "http://127.0.0.1:1")
    try:
        owner = claim(tmp_path, "test")
        assert isinstance(owner, Owner)
        assert owner.url == "http://127.0.0.1:1"
        assert len(owner.token) >= 32
    finally:
        end(holder)


def test_a_killed_owner_does_not_keep_the_folder(tmp_path: Path) -> None:
    end(hold(tmp_path, "http://127.0.0.1:1"))
    owned(tmp_path).release()


def test_the_note_is_for_this_user_only_and_goes_with_its_owner(tmp_path: Path) -> None:
    held = owned(tmp_path)
    held.announce("http://127.0.0.1:1")
    assert stat.S_IMODE((tmp_path / NOTE).stat().st_mode) == 0o600
    held.release()
    assert read_owner(tmp_path) is None


def test_waiting_ends_when_the_owner_does(tmp_path: Path) -> None:
    held = owned(tmp_path)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDER.replace('"lorekeeper documents add")', '"x", wait_seconds=30)'),
            str(tmp_path),
            "",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    held.release()
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    end(holder)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="LOREKEEPER_DATA_DIR"):
        claim(tmp_path / "file" / "data", "test")


def test_a_damaged_note_does_not_hinder(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text("{")
    assert read_owner(tmp_path) is None
    owned(tmp_path).release()


def test_the_folder_is_made_for_its_user_only(tmp_path: Path) -> None:
    owned(tmp_path / "data").release()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_what_was_claimed_in_one_thread_is_given_back_in_another(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as other:
        held = other.submit(owned, tmp_path).result()
    held.release()
    end(hold(tmp_path))
