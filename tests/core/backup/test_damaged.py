"""Backups that were damaged, or made by somebody who means harm: refused in a sentence, before anything is touched."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.backup import listing, parts
from core.backup.destination import FolderDestination
from core.backup.listing import manifest_of
from core.backup.make import Made
from core.backup.manifest import MANIFEST, Part, Rows
from core.backup.verify import verify
from core.datafolder import STORED_BY
from core.errors import BackupDamaged, InvalidRequest, NotFound, StorageFailed
from core.restoring import refuse_unfinished
from core.retrieval.chroma import ChromaIndex
from core.store.meta import IndexMeta
from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home, answers, back_up, destination, put_back, rows, silent, vectors

Change = Callable[[Path], object]
"""Given the folder of the backup."""


def rewritten(folder: Path, table: str, change: Callable[[list[Any], list[str]], Any]) -> None:
    """The rows of a table (or list) changed, with a manifest that fits them."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    wanted = manifest[table] if table in {"vectors", "files"} else manifest["tables"][table]
    (part,) = wanted["parts"]
    file = folder / part["name"]
    there = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    data = gzip.compress(b"".join(json.dumps(change(row, wanted["columns"])).encode() + b"\n" for row in there))
    file.write_bytes(data)
    part.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    path.write_text(json.dumps(manifest))


def setting(column: str, value: Any) -> Callable[[list[Any], list[str]], Any]:
    return lambda row, columns: [value if name == column else old for name, old in zip(columns, row, strict=True)]


def in_manifest(change: Callable[[dict[str, Any]], object]) -> Change:
    def apply(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text())
        change(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return apply


def truncate(folder: Path) -> None:
    file = folder / "chunks-00001.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-20])


def swap_a_byte(folder: Path) -> None:
    file = folder / "documents-00001.jsonl.gz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def link(folder: Path) -> None:
    file = folder / "documents-00001.jsonl.gz"
    file.rename(folder.parent / "elsewhere")
    file.symlink_to(folder.parent / "elsewhere")


def link_the_folder(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")
    os.mkfifo(folder.parent / "pipe")
    folder.mkdir()
    (folder / MANIFEST).write_bytes((folder.parent / "elsewhere" / MANIFEST).read_bytes())
    (folder / "documents-00001.jsonl.gz").symlink_to(folder.parent / "pipe")


def bomb(folder: Path) -> None:
    rewritten(folder, "documents", lambda row, _: row)
    data = gzip.compress(b"[" + b"1," * 5_000_000)
    manifest = json.loads((folder / MANIFEST).read_text())
    (part,) = manifest["tables"]["documents"]["parts"]
    (folder / part["name"]).write_bytes(data)
    part.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (truncate, "chunks-00001.*damaged"),
        (swap_a_byte, "documents-00001.*damaged"),
        (lambda folder: (folder / "vectors-00001.jsonl.gz").unlink(), "not there"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "cannot be read"),
        (lambda folder: (folder / MANIFEST).write_text('{"format": 2}'), "newer version"),
        (link, "not there"),
        (link_the_folder, "not there"),
        (bomb, "damaged"),
        (in_manifest(lambda said: said.update(revision="9999")), "Update Lorekeeper"),
        (in_manifest(lambda said: said["tables"].update(sqlite_master=said["tables"]["documents"])), "tables"),
        (in_manifest(lambda said: said["tables"].pop("chunks")), "tables"),
        (in_manifest(lambda said: said["tables"]["chunks"]["columns"].append("rowid")), "columns"),
        (in_manifest(lambda said: said["tables"]["chunks"]["parts"][0].update(name="../../x-00001.jsonl.gz")), "manifest"),
        (in_manifest(lambda said: said["tables"]["chunks"]["parts"][0].update(size=10**15)), "manifest"),
        (in_manifest(lambda said: said["tables"]["chunks"]["parts"][0].update(rows=10**6)), "rows"),
        (in_manifest(lambda said: said.update(dimension=3)), "lengths"),
        (lambda folder: rewritten(folder, "documents", setting("sha256", "../../../etc/passwd")), "sha256"),
        (lambda folder: rewritten(folder, "documents", setting("title", None)), "title"),
        (lambda folder: rewritten(folder, "documents", setting("chunks", "many")), "chunks"),
        (lambda folder: rewritten(folder, "documents", setting("chunks", 10**30)), "chunks"),
        (lambda folder: rewritten(folder, "documents", setting("updated_at", "soon")), "updated_at"),
        (lambda folder: rewritten(folder, "documents", lambda row, _: {"id": row[0]}), "cannot be read"),
        (lambda folder: rewritten(folder, "documents", lambda row, _: row[:-1]), "cannot be read"),
        (lambda folder: rewritten(folder, "vectors", setting("vector", "AAAA")), "vector"),
        (lambda folder: rewritten(folder, "files", setting("sha256", "../owner.json")), "list of files"),
    ],
)  # fmt: skip
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    home_at: OpenHome, copy: Made, place: Path, change: Change, says: str
) -> None:
    change(place / copy.name)
    there, new = destination(place), home_at("new", "sqlite")
    with pytest.raises(BackupDamaged, match=says) as caught:
        put_back(new, place, copy)
    assert len(caught.value.message) < 200
    assert not new.folder.exists()
    with pytest.raises(BackupDamaged, match=says):
        verify(there, copy.name, manifest_of(there, copy.name), silent, with_copies=True)


def test_stored_copies_that_are_lost_are_left_out_of_a_restoration(home_at: OpenHome, copy: Made, place: Path) -> None:
    changed, cut, gone, *others = sorted(path for path in (place / "files").rglob("*") if path.is_file())
    changed.write_bytes(b"x" * changed.stat().st_size)
    cut.write_bytes(b"x")
    gone.unlink()
    new = home_at("new", "sqlite")
    assert put_back(new, place, copy).lost_files == 3
    with new.open() as library:
        assert len(library.documents()) == 4
        assert {path.name for path in library.stored_files()} == {path.name for path in others}


def test_a_copy_that_rotted_is_written_again_by_the_backup_after_its_verification(filled: Home, place: Path) -> None:
    back_up(filled, place)
    files = sorted(path for path in (place / "files").rglob("*") if path.is_file())
    for each in files[:2]:
        each.write_bytes(b"x" * each.stat().st_size)
    made, there = back_up(filled, place), destination(place)
    assert made.new_files == 0, "nobody reads all of it every night"
    with pytest.raises(BackupDamaged, match=f"{files[0].name} is not what its name says. 1 other file.* next backup"):
        verify(there, made.name, made.manifest, silent, with_copies=True)
    assert back_up(filled, place).new_files == 2
    verify(there, made.name, made.manifest, silent, with_copies=True)


def test_where_nothing_can_be_removed_damage_is_told_all_the_same(
    copy: Made, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = next(path for path in (place / "files").rglob("*") if path.is_file())
    file.write_bytes(b"x" * file.stat().st_size)

    def refuse(*_: object) -> None:
        raise StorageFailed("Nothing can be deleted there.")

    monkeypatch.setattr(FolderDestination, "delete", refuse)
    with pytest.raises(BackupDamaged, match="not what its name says"):
        verify(destination(place), copy.name, copy.manifest, silent, with_copies=True)


def test_rows_that_contradict_others_leave_what_is_there(filled: Home, place: Path) -> None:
    made = back_up(filled, place)
    rewritten(place / made.name, "chunks", setting("document_id", "nobody"))
    with filled.open() as library:
        before = (rows(library.engine), answers(library))
    with pytest.raises(BackupDamaged, match="rows of chunks"):
        put_back(filled, place, made, may_replace=True)
    refuse_unfinished(filled.folder)
    with filled.open() as library:
        assert (rows(library.engine), answers(library)) == before


def test_without_its_manifest_it_is_no_backup(copy: Made, place: Path) -> None:
    (place / copy.name / MANIFEST).unlink()
    assert listing.complete_backups(destination(place)) == []
    with pytest.raises(NotFound, match="no complete backup"):
        listing.find(destination(place), "")


def test_a_row_may_be_longer_than_what_is_unpacked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_STEP", 100)
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    written: dict[str, bytes] = {}
    writer = parts.PartWriter(written.__setitem__, "documents", ("id", "text"))
    sent = [[str(number), "é" * 60 * number] for number in range(20)]
    for row in sent:
        writer.write(row)
    said = writer.finish()
    assert len(said.parts) > 3
    assert list(parts.rows_of(said, lambda part: written[part.name])) == sent


def test_a_row_longer_than_any_is_refused_before_all_of_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_STEP", 100)
    monkeypatch.setattr(parts, "LONGEST_ROW", 1000)
    data = gzip.compress(b'["' + b"a" * 2000 + b'"]\n')
    part = Part(name="chunks-00001.jsonl.gz", rows=1, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(BackupDamaged, match="cannot be read"):
        list(parts.rows_of(Rows(columns=("text",), parts=(part,)), lambda _: data))


def test_what_is_unpacked_is_looked_at_once_however_long_its_row_is(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, real = 0, zlib.decompressobj

    class Unpacked(bytes):
        def split(self, *given: Any) -> list[bytes]:
            nonlocal looked_at
            looked_at += len(self)
            return bytes(self).split(*given)

    class Unpacking:
        def __init__(self, kind: int) -> None:
            self._real = real(kind)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            return Unpacked(self._real.decompress(data, most))

    monkeypatch.setattr(parts, "_STEP", 100)
    monkeypatch.setattr(zlib, "decompressobj", Unpacking)
    lines = b'["' + b"a" * 20_000 + b'"]\n["b"]\n'
    data = gzip.compress(lines)
    part = Part(name="chunks-00001.jsonl.gz", rows=2, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    rows = list(parts.rows_of(Rows(columns=("text",), parts=(part,)), lambda _: data))
    assert rows == [["a" * 20_000], ["b"]]
    assert looked_at == len(lines)


def test_an_installation_with_something_in_it_is_not_replaced_without_being_told(
    home_at: OpenHome, copy: Made, folder: Path, place: Path
) -> None:
    other = home_at("other", "postgres")
    (folder / "x.md").write_text("# Only here\n\nThe gym opens at six.\n")
    with other.open() as library:
        library.add(folder)
    with pytest.raises(InvalidRequest, match="--replace"):
        put_back(other, place, copy)
    with other.open() as library:
        assert library.texts("gym opens") == ["The gym opens at six."]
    put_back(other, place, copy, may_replace=True)
    with other.open() as library:
        assert library.words("gym") == []
        assert "Only here" not in [document.title for document in library.documents()]
        assert library.vectors.count() == len(vectors(library)) + sum(
            bool(each[1]) for each in vectors(library).values()
        )
        assert asyncio.run(library.pipeline.check()) == []
        # The copies that lie there are the restored database's: it may delete those that nobody needs.
        assert (other.folder / STORED_BY).read_text().split() == [IndexMeta(library.engine).database_id()]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_restoration_that_fails_halfway_leaves_what_was_there(
    home_at: OpenHome, copy: Made, folder: Path, place: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = home_at("other", kind)
    (folder / "x.md").write_text("# Only here\n\nThe gym opens at six.\n")
    with other.open() as library:
        library.add(folder)
        before = rows(library.engine)

    def full(*_: object) -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(ChromaIndex, "put_stored", full)
        with pytest.raises(StorageFailed):
            put_back(other, place, copy, may_replace=True)
    with pytest.raises(StorageFailed, match="check --repair"):
        refuse_unfinished(other.folder)
    with other.open() as library:
        assert rows(library.engine) == before
        assert library.texts("gym opens") == ["The gym opens at six."]
        assert library.words("gym")
    put_back(other, place, copy, may_replace=True)
