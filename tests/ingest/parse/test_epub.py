"""EPUB: chapters in reading order, with the titles that the table of contents gives them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pytest

from core.errors import TooLarge, UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import epub, parse
from ingest.parse.errors import Protected

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>Staff handbook</dc:title><dc:creator>Ann Lee</dc:creator><dc:creator>Bob</dc:creator><dc:subject>leave, travel</dc:subject>
</metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="one" href="text/one%20.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="css" href="a.css" media-type="text/css"/>
</manifest><spine><itemref idref="nav"/><itemref idref="two"/><itemref idref="one"/><itemref idref="two"/><itemref idref="lost"/></spine></package>"""
NAV = '<html xmlns="x"><nav><ol><li><a href="text/one%20.xhtml">Leave</a></li><li><a href="text/two.xhtml#a">Travel</a></li></ol></nav></html>'
ONE = '<?xml version="1.0"?><html><head><title/><script src="x"/></head><body><p>Thirty days.<a id="x"/></p><p><img src="a.png"/></p></body></html>'
TWO = "<html><body><h1>Going away</h1><ul><li>rail</li></ul><svg><image/></svg></body></html>"
FILES = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": PACKAGE,
    "OPS/nav.xhtml": NAV,
    "OPS/text/one .xhtml": ONE,
    "OPS/text/two.xhtml": TWO,
}


def read(files: Mapping[str, str]) -> ParsedDocument:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return parse(buffer.getvalue(), "books/handbook.epub")


def test_chapters_title_and_author() -> None:
    document = read(FILES)
    assert (document.title, document.media_type) == ("Staff handbook", "application/epub+zip")
    assert document.keywords == "leave travel"
    assert document.blocks == (
        Block("By Ann Lee, Bob"),
        Block("Going away", BlockKind.HEADING, 1),
        Block("- rail", BlockKind.LIST),
        Block("Leave", BlockKind.HEADING, 1),
        Block("Thirty days."),
    )
    assert document.losses == ("2 pictures have no text that could be read.",)


def test_titles_from_the_older_table_of_contents() -> None:
    ncx = '<ncx><navMap><navPoint><navLabel><text>Your leave</text></navLabel><content src="text/one%20.xhtml#p"/></navPoint></navMap></ncx>'
    files = {**FILES, "OPS/toc.ncx": ncx}
    del files["OPS/nav.xhtml"]
    assert Block("Your leave", BlockKind.HEADING, 1) in read(files).blocks


def test_a_missing_chapter_is_a_loss() -> None:
    files = dict(FILES)
    del files["OPS/text/two.xhtml"]
    assert read(files).losses == ("One picture has no text that could be read.", "One chapter is missing or damaged.")


def test_a_chapter_that_nests_too_deeply_is_read_as_plain_text() -> None:
    deep = f"<html><head><title>No</title></head><body>{'<div>' * 6000}Thirty &amp; more{'</div>' * 6000}</body></html>"
    document = read({**FILES, "OPS/text/two.xhtml": deep})
    assert document.blocks[1:3] == (Block("Travel", BlockKind.HEADING, 1), Block("Thirty & more"))
    assert document.losses[-1] == "One chapter was read without its structure, which is nested too deeply."


def test_a_package_that_nothing_points_to_is_found() -> None:
    assert read({**FILES, "META-INF/container.xml": "<container/>"}).title == "Staff handbook"


ENCRYPTION = (
    '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData><e:EncryptionMethod Algorithm="{}"/>'
    '<e:CipherData><e:CipherReference URI="{}"/></e:CipherData></e:EncryptedData></encryption>'
)


@pytest.mark.parametrize(
    ("algorithm", "path", "is_readable"),
    [
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OPS/text/two.xhtml", False),
        ("http://www.idpf.org/2008/embedding", "OPS/font.otf", True),
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OPS/a.png", True),
    ],
)
def test_books_that_are_protected_against_copying(algorithm: str, path: str, is_readable: bool) -> None:
    files = {**FILES, "META-INF/encryption.xml": ENCRYPTION.format(algorithm, path)}
    if is_readable:
        assert read(files).blocks
    else:
        with pytest.raises(Protected, match="DRM"):
            read(files)


@pytest.mark.parametrize(
    "files",
    [
        {"mimetype": "application/epub+zip"},
        {**FILES, "OPS/book.opf": "no xml"},
        {**FILES, "OPS/book.opf": "<package/>"},
    ],
)
def test_damaged_books_end_in_a_sentence(files: dict[str, str]) -> None:
    with pytest.raises(UnreadableDocument):
        read(files)


def test_the_size_of_the_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epub, "MAX_TEXT", 100)
    with pytest.raises(TooLarge):
        read(FILES)
