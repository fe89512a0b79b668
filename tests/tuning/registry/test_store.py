"""Files of adapters: what is stored comes back as it was, and nothing leads out of its folder."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from core.backup.destination import open_destination
from core.errors import InvalidRequest, StorageFailed
from core.settings import Adapters, Settings
from core.types.adapters import Adapter
from tests.core.store.samples import adapter
from tests.fakes.s3 import FakeS3
from tests.tuning.registry.runs import contents, write
from tuning.registry.store import AdapterFiles, check_paths, holds, open_files
from tuning.training.run import hashes

HASH = "0" * 64
TEXTS = {"adapter_config.json": "{}", "adapter_model.safetensors": "weights", "extra/tokenizer.json": "[]"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in TEXTS.items():
        write(tmp_path / "source" / name, text)
    return tmp_path / "source"


@pytest.fixture
def stored(files: AdapterFiles, source: Path) -> Adapter:
    """On record, with its files in the store."""
    files.put(source, hashes(source))
    return replace(adapter(files=hashes(source)), id="hr-1", served_as="hr-1-0123456789ab")


@pytest.fixture
def lying(tmp_path: Path) -> tuple[AdapterFiles, Path]:
    """A store in a folder."""
    return AdapterFiles(open_destination(str(tmp_path / "vault"))), tmp_path / "vault"


def test_what_is_put_there_is_fetched_as_it_was(files: AdapterFiles, stored: Adapter, tmp_path: Path) -> None:
    target = files.fetch(stored, tmp_path / "served")
    assert target == tmp_path / "served" / "hr-1-0123456789ab"
    assert contents(target) == TEXTS
    assert [path.name for path in (tmp_path / "served").iterdir()] == [target.name]


def test_files_that_are_there_are_neither_copied_nor_fetched_again(
    files: AdapterFiles, stored: Adapter, source: Path, tmp_path: Path
) -> None:
    target = files.fetch(stored, tmp_path / "served")
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    files.put(source, hashes(source))
    assert files.fetch(stored, tmp_path / "served") == target
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_what_was_changed_where_the_server_sees_it_is_put_right(
    files: AdapterFiles, stored: Adapter, tmp_path: Path
) -> None:
    target = files.fetch(stored, tmp_path / "served")
    (target / "adapter_config.json").write_text("changed")
    write(target / "more.json", "more")
    assert contents(files.fetch(stored, tmp_path / "served")) == TEXTS
    for path in sorted(target.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    target.rmdir()
    target.symlink_to(tmp_path)
    assert contents(files.fetch(stored, tmp_path / "served")) == TEXTS
    assert not target.is_symlink()
    assert [path.name for path in (tmp_path / "served").iterdir()] == [target.name]


def test_several_processes_may_fetch_at_once(files: AdapterFiles, stored: Adapter, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(files.fetch(stored, tmp_path / "served"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "served" / stored.served_as] * 6
    assert [path.name for path in (tmp_path / "served").iterdir()] == [stored.served_as]


def test_a_file_that_changed_in_the_store_is_not_served(source: Path, lying: tuple[AdapterFiles, Path]) -> None:
    files, vault = lying
    files.put(source, hashes(source))
    known = replace(adapter(files=hashes(source)), id="hr-1", served_as="hr-1-x")
    (path,) = vault.rglob("adapter_model.safetensors")
    path.write_text("other!!")
    with pytest.raises(StorageFailed, match=r"hr-1.*not what was registered"):
        files.fetch(known, vault.parent / "served")
    path.unlink()
    with pytest.raises(StorageFailed, match=r"or are gone.*register its run again"):
        files.fetch(known, vault.parent / "served")
    assert list((vault.parent / "served").iterdir()) == []
    files.put(source, hashes(source))
    assert contents(files.fetch(known, vault.parent / "served")) == TEXTS


def test_what_the_store_does_not_keep_is_told(s3: FakeS3, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = AdapterFiles(open_destination("s3://vault"))
    monkeypatch.setattr(files, "_copy_in", lambda there, path: None)
    with pytest.raises(StorageFailed, match="does not keep what it is given"):
        files.put(source, hashes(source))
    s3.refuse = 403
    with pytest.raises(StorageFailed, match="does not let these credentials in"):
        files.put(source, hashes(source))


def test_a_link_in_the_store_is_not_followed(source: Path, lying: tuple[AdapterFiles, Path]) -> None:
    files, vault = lying
    files.put(source, hashes(source))
    (path,) = vault.rglob("adapter_model.safetensors")
    path.unlink()
    path.symlink_to(write(vault.parent / "outside", "weights"))
    known = replace(adapter(files=hashes(source)), id="hr-1", served_as="hr-1-x")
    with pytest.raises(StorageFailed, match="not what was registered"):
        files.fetch(known, vault.parent / "served")


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/passwd",
        "a/../b",
        "",
        "a//b",
        "a\\b",
        ".hidden",
        "a/./b",
        "a\x00b",
        "a\nb",
        "x" * 201,
        "~/x",
        "C:x",
    ],
)
def test_no_name_leads_out_of_its_folder(files: AdapterFiles, tmp_path: Path, path: str) -> None:
    bad = replace(adapter(files={path: HASH}), id="hr-1", served_as="hr-1-x")
    with pytest.raises(InvalidRequest, match="cannot be"):
        files.fetch(bad, tmp_path / "served")
    with pytest.raises(InvalidRequest, match="cannot be"):
        files.put(tmp_path, {path: HASH})
    with pytest.raises(InvalidRequest, match="cannot be"):
        files.fetch(replace(adapter(), id="hr-1", served_as=path), tmp_path / "served")
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize("name", ["adapter_model.bin", "modeling.PY", "sub/optimizer.pt", "x.pkl"])
def test_what_can_run_a_program_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="safetensors"):
        check_paths({name: HASH})


def test_hashes_and_names_are_of_their_form() -> None:
    check_paths({"a/b-c_d.json": HASH, "README.md": HASH})
    with pytest.raises(InvalidRequest):
        check_paths({"a": "../../x"})
    with pytest.raises(InvalidRequest, match="upper and lower case"):
        check_paths({"a": HASH, "A": HASH})


def test_a_disk_that_cannot_be_written_is_named(files: AdapterFiles, stored: Adapter, tmp_path: Path) -> None:
    blocked = write(tmp_path / "served", "a file")
    with pytest.raises(StorageFailed, match=r"served cannot be written.*adapters\.folder"):
        files.fetch(stored, blocked)


def test_what_a_killed_process_left_is_removed(
    files: AdapterFiles, stored: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = write(tmp_path / "served" / ".hr-1-0123456789ab.a1_b2c3d.tmp" / "half", "")
    young = write(tmp_path / "served" / ".hr-2-0123456789ab.a1_b2c3d.tmp" / "half", "")
    theirs = write(tmp_path / "served" / ".editor.tmp" / "draft", "")
    for each in (left, theirs):
        os.utime(each.parent, (0, 0))
    files.fetch(stored, tmp_path / "served")
    assert not left.exists()
    assert young.exists()
    assert theirs.exists(), "the folder may be a person's own"


def test_what_another_process_puts_in_place_meanwhile_is_none_of_them(
    files: AdapterFiles, stored: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "served" / ".hr-2-0123456789ab.a1_b2c3d.tmp"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    assert contents(files.fetch(stored, tmp_path / "served")) == TEXTS


def test_what_is_known_of_it_lies_beside_it(files: AdapterFiles, stored: Adapter) -> None:
    files.put_about(stored, {"dataset/card.md": b"# Card", "evaluation/report.md": b"# Report"})
    files.put_about(stored, {"evaluation/report.md": b"# Another"})
    assert files.about(stored) == ["dataset/card.md", "evaluation/report.md"]
    assert files.about(replace(stored, name="legal")) == []
    assert files.about_address(stored).endswith("/hr")


def test_erasing_leaves_what_another_one_needs(files: AdapterFiles, stored: Adapter, tmp_path: Path) -> None:
    files.put_about(stored, {"dataset/card.md": b"# Card"})
    files.delete(stored, [replace(stored, id="hr-2")])
    assert files.about(stored), "the same files under the same name have the same card"
    files.delete(stored, [replace(stored, name="legal")])
    assert files.about(stored) == []
    assert contents(files.fetch(stored, tmp_path / "one")) == TEXTS
    files.delete(stored, [replace(stored, files={"adapter_config.json": HASH})])
    with pytest.raises(StorageFailed, match="are gone"):
        files.fetch(stored, tmp_path / "two")


def test_a_folder_is_held_against_its_hashes(source: Path) -> None:
    known = hashes(source)
    assert holds(source, known)
    assert not holds(source, {**known, "more": HASH})
    assert not holds(source.parent / "nothing", known)
    (source / "link").symlink_to(source)
    assert not holds(source, known)


def test_it_lies_where_the_settings_say(tmp_path: Path) -> None:
    assert open_files(Settings(data_dir=tmp_path)).address(adapter()).startswith(f"{tmp_path}/adapters/files/")
    elsewhere = Settings(data_dir=tmp_path, adapters=Adapters(store=str(tmp_path / "models")))
    assert open_files(elsewhere).address(adapter()).startswith(f"{tmp_path}/models/files/")
    with pytest.raises(InvalidRequest, match=r"adapters\.store is ftp://x"):
        open_files(Settings(data_dir=tmp_path, adapters=Adapters(store="ftp://x")))
