"""The kind of a file by what is in it, and what a person is told about the kinds that cannot be read."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from core.errors import UnreadableDocument, UnsupportedFormat
from ingest.parse import detect, parse, readable_extensions
from ingest.parse.errors import NoText
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
        (b"name,days\nBob,3\n", "leave.csv", "text/plain"),
    ],
)
def test_readable_kinds_are_told_by_content_before_name(data: bytes, name: str, media_type: str) -> None:
    assert detect(data, name) == media_type


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (DOCX, "policy.txt", "a Word document (.docx)"),
        (DOCX[:-30], "policy.docx", "a Word document (.docx)"),
        (archive("[Content_Types].xml", "xl/workbook.xml"), "budget.pdf", "an Excel workbook (.xlsx)"),
        (archive("[Content_Types].xml", "ppt/presentation.xml"), "x", "a PowerPoint presentation (.pptx)"),
        (archive(first=b"application/vnd.oasis.opendocument.text"), "x", "an OpenDocument text (.odt)"),
        (archive("a.txt"), "texts.md", "a ZIP archive (.zip)"),
        (gzip.compress(b"text"), "notes.txt", "a gzip archive (.gz)"),
        (b"MZ\x90\x00\x03" + bytes(200), "setup.txt", "a program"),
        (b"\x7fELF\x02\x01\x01" + bytes(200), "notes.md", "a program"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "scan.pdf", "a PNG image (.png)"),
        (b"{\\rtf1\\ansi Hello}", "letter.txt", "an RTF document (.rtf)"),
        (b"<?xml version='1.0'?><feed/>", "feed.txt.xml", "an XML file (.xml)"),
        (b"Received: from a\nMIME-Version: 1.0\nSubject: Hi\n\nHello", "mail", "an e-mail message (.eml)"),
    ],
)
def test_other_kinds_are_named_for_the_person_who_sent_them(data: bytes, name: str, kind: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        parse(data, name)
    assert caught.value.message == (
        f"This is {kind}, which cannot be read yet; readable are PDF, HTML, Markdown and text."
    )


def test_a_protected_office_document_is_told_from_an_old_one() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    with pytest.raises(UnsupportedFormat, match="protected by a password"):
        parse(ole + "EncryptedPackage".encode("utf-16-le"), "plan.docx")
    with pytest.raises(UnsupportedFormat, match=r"an old Word document \(\.doc\)"):
        parse(ole + "WordDocument".encode("utf-16-le"), "plan.doc")


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
    assert {".pdf", ".html", ".md", ".txt"} <= readable_extensions()
    assert ".docx" not in readable_extensions()
