"""Files inside files: archives and messages become documents of their own, and follow their container."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from core.types import Attachment, ChangeKind, DocumentChange, ParsedDocument
from ingest.inside import MAX_DEPTH, Allowance, summed_up, unpacked
from ingest.received import Received
from tests.ingest.library import open_library

LEAVE = "# Leave\n\nEmployees have 28 vacation days.\n"
TRAVEL = "# Travel\n\nTrains are booked in second class.\n"


def archive(**files: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, text in files.items():
            made.writestr(name.replace("_", "."), text)
    return out.getvalue()


def received(source: str = "upload:all.zip") -> Received:
    return Received("all.zip", source, "default", b"PK")


def parsed(*names: str, size: int = 1) -> ParsedDocument:
    return ParsedDocument("All", (), attachments=tuple(Attachment(name, b"x" * size) for name in names))


def test_files_inside_have_their_place_as_source() -> None:
    files, document = unpacked(received(), parsed("a/b.md", "c.md"), Allowance())
    assert [file.source for file in files] == ["upload:all.zip!/a/b.md", "upload:all.zip!/c.md"]
    assert [file.name for file in files] == ["all.zip/a/b.md", "all.zip/c.md"]
    assert (document.attachments, document.losses) == ((), ())


def test_too_deep_too_many_and_too_large_ones_are_left_out_and_said_so() -> None:
    deep = received("upload:all.zip" + "!/x.zip" * MAX_DEPTH)
    assert unpacked(deep, parsed("a.md"), Allowance())[1].losses == (
        "1 file inside was left out: more than 3 containers within each other.",
    )
    files, document = unpacked(received(), parsed("a", "b", "c"), Allowance(files=1))
    assert len(files) == 1
    assert document.losses == ("2 files inside were left out: too many or too large.",)
    allowance = Allowance(bytes=10)
    assert len(unpacked(received(), parsed("a", "b", size=6), allowance)[0]) == 1
    assert len(unpacked(received(), parsed("c", size=4), allowance)[0]) == 1


def test_the_change_of_an_upload_tells_of_the_files_inside() -> None:
    change = DocumentChange(ChangeKind.ADDED, "all.zip", message="1 picture is lost.")
    good = DocumentChange(ChangeKind.ADDED, "all.zip/a.md")
    bad = DocumentChange(ChangeKind.FAILED, "all.zip/x.pdf", message="It is damaged.", code="unreadable_document")
    assert summed_up(change, []) == change
    assert summed_up(change, [good]).inside == "1 file inside, which is a document of its own."
    assert summed_up(change, [good, *[bad] * 4]).inside == (
        "5 files inside, which are documents of their own. 4 of them could not be read: all.zip/x.pdf: It is damaged.; "
        "all.zip/x.pdf: It is damaged.; all.zip/x.pdf: It is damaged. (and 1 more)"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "documents"
    path.mkdir()
    return path


def test_members_answer_and_go_with_their_archive(tmp_path: Path, folder: Path) -> None:
    (folder / "all.zip").write_bytes(archive(leave_md=LEAVE, inner_zip=archive(travel_md=TRAVEL)))
    (folder / "other.md").write_text("# Other\n\nNothing of it.\n")
    with open_library(tmp_path / "data") as library:
        assert library.kinds(folder) == {
            "all.zip/leave.md": "added",
            "all.zip/inner.zip/travel.md": "added",
            "all.zip/inner.zip": "added",
            "all.zip": "added",
            "other.md": "added",
        }
        assert library.texts("vacation days")[0] == "Employees have 28 vacation days."
        assert "second class" in library.texts("trains booked")[0]
        assert set(library.kinds(folder).values()) == {"unchanged"}

        (folder / "all.zip").write_bytes(archive(leave_md=LEAVE.replace("28", "30")))
        kinds = library.kinds(folder)
        assert kinds.pop("other.md") == "unchanged"
        assert sorted(kinds.values()) == ["added", "removed", "removed", "replaced"]
        assert library.texts("vacation days")[0] == "Employees have 30 vacation days."

        (folder / "all.zip").unlink()
        library.add(folder)
        assert [document.title for document in library.documents()] == ["Other"]


def test_removing_an_archive_removes_its_members(tmp_path: Path, folder: Path) -> None:
    (folder / "all.zip").write_bytes(archive(leave_md=LEAVE, travel_md=TRAVEL))
    with open_library(tmp_path / "data") as library:
        library.add(folder / "all.zip")
        container = next(each for each in library.documents() if each.source.endswith("all.zip"))
        assert container.chunks == 0
        asyncio.run(library.pipeline.remove(container.id))
        assert library.documents() == []


def test_a_damaged_member_leaves_the_others_alone(tmp_path: Path, folder: Path) -> None:
    (folder / "all.zip").write_bytes(archive(leave_md=LEAVE, bad_pdf=b"%PDF-1.7 nothing else"))
    with open_library(tmp_path / "data") as library:
        kinds = library.kinds(folder / "all.zip")
        assert kinds["all.zip/leave.md"] == "added"
        assert kinds["all.zip/bad.pdf"] == "failed"
        assert kinds["all.zip"] == "added"


def test_what_was_removed_or_failed_inside_is_tried_again(tmp_path: Path, folder: Path) -> None:
    (folder / "all.zip").write_bytes(archive(leave_md=LEAVE, travel_md=TRAVEL, bad_pdf=b"%PDF-1.7 nothing else"))
    with open_library(tmp_path / "data") as library:
        library.add(folder)
        leave = next(each for each in library.documents() if each.title == "Leave")
        asyncio.run(library.pipeline.remove(leave.id))
        assert library.kinds(folder) == {
            "all.zip/leave.md": "added",
            "all.zip/travel.md": "unchanged",
            "all.zip/bad.pdf": "failed",
            "all.zip": "unchanged",
        }
