"""The kind of a file by what is in it, and what a person is told about the kinds that cannot be read."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from core.errors import UnreadableDocument, UnsupportedFormat
from ingest.parse import detect, formats, ocr, parse, readable_extensions
from ingest.parse.errors import NoText
from ingest.parse.options import ParseOptions
from tests.fakes.compound import Tree, compound_file
from tests.pdf import make_pdf


def archive(*members: str, first: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive_file:
        if first:
            archive_file.writestr("mimetype", first)
        for member in members:
            archive_file.writestr(member, "<x/>")
    return stream.getvalue()


PDF = make_pdf(["Hello there."])
DOCX = archive("[Content_Types].xml", "word/document.xml")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
UNPACK = "Unpack it and add what is inside, or pack that as a ZIP archive."
PAGE = b"<!DOCTYPE html><html><body><p>Hello there.</p></body></html>"


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (PDF, "report.txt", "application/pdf"),
        (b"\n\n" + PDF, "report", "application/pdf"),
        (PAGE, "page", "text/html"),
        (b"<?xml version='1.0'?>\n<!-- made by x -->\n" + PAGE, "page", "text/html"),
        (b"<p>Only a fragment.</p>", "page.html", "text/html"),
        (b"# One\n\nText.\n\n## Two\n", "notes", "text/markdown"),
        (b"# Only one sign.\nText.", "notes", "text/plain"),
        (b"# One\n\n## Two\n", "notes.txt", "text/plain"),
        (b"<b>bold</b> start", "readme.md", "text/markdown"),
        (b"BMW and MZ are makers of motorcycles.", "makers.txt", "text/plain"),
        (b"%PDF-1.4 is how such a file begins.", "notes.txt", "application/pdf"),
        (b"A file begins with %PDF-1.4, as said.", "notes.txt", "text/plain"),
        ("Grüße".encode("utf-16"), "gruss.txt", "text/plain"),
        (b"name,days\nBob,3\n", "leave.csv", "text/csv"),
        (DOCX, "policy.txt", formats.DOCX),
        (DOCX[:-30], "policy.docx", formats.DOCX),
        (archive("[Content_Types].xml", "xl/workbook.xml"), "budget.pdf", formats.XLSX),
        (archive("[Content_Types].xml", "ppt/presentation.xml"), "x", formats.PPTX),
        (archive("[Content_Types].xml", "other.xml"), "x.pptx", formats.PPTX),
        (archive(first=b"application/vnd.oasis.opendocument.text"), "x", formats.ODT),
        (archive("content.xml", "META-INF/manifest.xml"), "x.ods", formats.ODS),
        (archive("a.txt", "inner/word/document.xml"), "texts.md", formats.ZIP),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "scan.pdf", "image/png"),
        (b"{\\rtf1\\ansi Hello}", "letter.txt", formats.RTF),
        (b"<?xml version='1.0'?><feed/>", "feed.txt.xml", "application/xml"),
        (b"<?xml version='1.0'?><svg/>", "picture", formats.SVG),
        (b"Received: from a\nMIME-Version: 1.0\nSubject: Hi\n\nHello", "mail", formats.MAIL),
        (b"Subject: Hi\n\nHello", "mail.eml", formats.MAIL),
        (b"Subject: Hi\n\nHello", "mail.txt", "text/plain"),
    ],
)
def test_readable_kinds_are_told_by_content_before_name(data: bytes, name: str, media_type: str) -> None:
    assert detect(data, name) == media_type


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        # Without the time of day, which would give each of the processes that run the tests a case of another name.
        (gzip.compress(b"text", mtime=0), "notes.txt", f"a gzip archive (.gz), which cannot be read. {UNPACK}"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(26), "notes", f"a 7z archive (.7z), which cannot be read. {UNPACK}"),
        (b"MZ\x90\x00\x03" + bytes(200), "setup.txt", f"a program, which cannot be read. {formats.READABLE}"),
        (b"\x7fELF\x02\x01\x01" + bytes(200), "notes.md", f"a program, which cannot be read. {formats.READABLE}"),
        (
            b"GIF89a" + bytes(20),
            "a.png",
            "a GIF image (.gif), which cannot be read. Save it as a PNG image and add that.",
        ),
        (
            OLE + "WordDocument".encode("utf-16-le"),
            "plan.doc",
            "an old Word document (.doc), which cannot be read. Save it as a Word document (.docx) and add that.",
        ),
        (
            OLE + "Workbook".encode("utf-16-le"),
            "plan",
            "an old Excel workbook (.xls), which cannot be read. Save it as an Excel workbook (.xlsx) and add that.",
        ),
    ],
)
def test_other_kinds_are_named_for_the_person_who_sent_them(data: bytes, name: str, kind: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        parse(data, name)
    assert caught.value.message == f"This is {kind}"


@pytest.mark.parametrize(
    ("streams", "kind"),
    [
        ({"EncryptionInfo": b"x", "EncryptedPackage": b"x"}, formats.ENCRYPTED),
        ({"WordDocument": b"x"}, formats.DOC),
        ({"PowerPoint Document": b"x"}, formats.PPT),
        ({"WORKBOOK": b"x"}, formats.XLS),
        ({"__substg1.0_0037001F": b"x"}, formats.MSG),
        ({"__substg1.0_37010102": compound_file({"EncryptedPackage": b"x" * 5000})}, formats.MSG),
        ({"Other": b"x"}, formats.OLE),
    ],
)
def test_compound_files_are_told_by_what_is_at_their_top(streams: Tree, kind: str) -> None:
    assert detect(compound_file(streams), "x.docx") == kind


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 8,
        b"\x00\x01\x02\xff",
        b"\x01\x00\x02\x00\x03\x00",
        b"".join(number.to_bytes(2, "little") for number in range(30)) * 9,
    ],
    ids=["all bytes", "four bytes", "three small numbers", "small numbers"],
)
@pytest.mark.parametrize("name", ["x.exe", "notes.txt", "notes.md", "x"])
def test_bytes_of_no_known_kind_are_refused_whatever_they_are_called(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="not a kind of file that can be read"):
        parse(data, name)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Hi", "Ünïcode text.\n\tWith a tab.\r\n", "Text \U0001f389 " * 40])
def test_wide_text_without_a_mark_is_text(text: str, encoding: str) -> None:
    assert detect(text.encode(encoding), "x") == "text/plain"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The file is empty."),
        (b" \n\t\r\n", "There is no text in this file."),
        ("\ufeff".encode(), "There is no text in this file."),
        (b"<html><body><script>x()</script></body></html>", "There is no text in this file."),
        (b"---\ntitle: Moved\nredirect_to: /new/\n---\n", "There is no text in this file."),
    ],
)
def test_files_without_text_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(NoText) as caught:
        parse(data, "page.md" if data.startswith(b"---") else "page")
    assert caught.value.message == message


def test_an_empty_pdf_is_no_mere_text_without_text() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse(b"", "Report.PDF")
    assert type(caught.value) is UnreadableDocument


def test_the_document_says_what_it_was_read_as() -> None:
    assert parse(PDF, "x.txt").media_type == "application/pdf"
    assert parse(b"Text.", "x").media_type == "text/plain"


def test_what_is_readable_is_told_in_endings() -> None:
    assert {".pdf", ".html", ".md", ".txt", ".docx", ".eml", ".zip"} <= readable_extensions()
    assert not {".doc", ".7z", ".exe", ".heic"} & readable_extensions()
    assert ".doc" in readable_extensions(ParseOptions(elsewhere=frozenset({formats.DOC})))


def test_pictures_are_readable_where_text_recognition_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    monkeypatch.setattr(ocr, "is_available", lambda: False)
    assert ".png" not in readable_extensions()
    monkeypatch.setattr(ocr, "is_available", lambda: True)
    assert ".png" in readable_extensions()
