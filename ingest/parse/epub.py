"""EPUB: the chapters of the book in their order, each through the reader of web pages."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from core.errors import TooLarge, UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse.archive import open_archive, read_member
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.errors import Protected
from ingest.parse.html import write_fragment
from ingest.parse.safe_xml import local, parse_xml, text_of
from ingest.parse.text import counted, keywords, one_line, readable_name

if TYPE_CHECKING:
    from lxml import etree

MAX_CHAPTER = 20_000_000
MAX_TEXT = 60_000_000
"""Bytes of all chapters together."""
_SMALL = 5_000_000
_OF_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_DRM = "The book is protected against copying (DRM), so it cannot be read here."
_DAMAGED = "The file is damaged or not an EPUB book."
_MAX_CHAPTERS = 5000
_SHOWN_AUTHORS = 5
# In HTML, which chapters are read as, only void elements can be closed at once; others would swallow what follows.
_CLOSED_AT_ONCE = re.compile(
    r"<((?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)[A-Za-z][\w:.-]{0,60})((?:\s[^<>]*)?)/>"
)
_PICTURE = re.compile(r"(?i)<(?:img|svg)\b([^<>]*+)")
_ALT = re.compile(r"""(?i)\balt\s*=\s*(?:"\s*[^"\s]|'\s*[^'\s])""")


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    media_type: str
    properties: str


class EpubParser:
    """Chapters in reading order; those without a heading get that of the table of contents."""

    media_types: Iterable[str] = ("application/epub+zip",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected` for books with DRM, `UnreadableDocument` for damaged ones, `TooLarge` over the limits."""
        archive = open_archive(data, "an EPUB book")
        package_path = _package_path(archive)
        package = _xml(archive, package_path)
        if package is None:
            raise UnreadableDocument(_DAMAGED)
        items = _items(package, package_path)
        spine = _spine(package, items)
        _check_drm(archive, spine)
        return _book(archive, package, items, spine, name)


def _book(
    archive: zipfile.ZipFile, package: etree._Element, items: Mapping[str, _Item], spine: list[_Item], name: str
) -> ParsedDocument:
    titles = _contents(archive, package, items)
    blocks: list[Block] = []
    pictures, missing, deep, room = 0, 0, 0, MAX_TEXT
    for item in spine:
        if "nav" in item.properties.split():
            continue
        try:
            data = read_member(archive, item.path, min(MAX_CHAPTER, room))
        except (KeyError, UnreadableDocument):
            missing += 1
            continue
        except TooLarge as error:
            raise TooLarge(f"The text of the book is larger than {MAX_TEXT // 1_000_000} MB.") from error
        room -= len(data)
        source = decode(data, declared=True).text
        pictures += sum(1 for picture in _PICTURE.finditer(source) if not _ALT.search(picture[1]))
        chapter, is_whole = _chapter(source)
        deep += not is_whole
        if chapter and item.path in titles and not any(block.kind is BlockKind.HEADING for block in chapter):
            blocks.append(Block(titles[item.path], BlockKind.HEADING, 1))
        blocks += chapter
    title = _metadata(package, "title")
    first = next((block.text for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")
    return ParsedDocument(
        (title[0] if title else "") or first or readable_name(name),
        tuple([*_authors(package), *blocks] if blocks else ()),
        losses=tuple(_losses(pictures, missing, deep)),
        keywords=keywords(" ".join(_metadata(package, "subject"))),
    )


def _losses(pictures: int, missing: int, deep: int) -> Iterator[str]:
    yield from counted(pictures, "picture", "has no text that could be read")
    yield from counted(missing, "chapter", "is missing or damaged")
    yield from counted(deep, "chapter", "was read without its structure, which is nested too deeply")


def _chapter(source: str) -> tuple[list[Block], bool]:
    """The blocks, and whether they have the structure of the chapter."""
    writer = BlockWriter()
    is_whole = write_fragment(_CLOSED_AT_ONCE.sub(r"<\1\2></\1>", source), writer)
    writer.close()
    return writer.blocks, is_whole


# ── the package ──────────────────────────────────────────────────────────────────────────────────


def _package_path(archive: zipfile.ZipFile) -> str:
    container = _xml(archive, "META-INF/container.xml")
    if container is not None:
        for element in container.iter():
            if local(element) == "rootfile" and (path := element.get("full-path")):
                return _path("", path)
    found = next((member for member in archive.namelist() if member.lower().endswith(".opf")), None)
    if found is None:
        raise UnreadableDocument(_DAMAGED)
    return found


def _xml(archive: zipfile.ZipFile, path: str) -> etree._Element | None:
    try:
        return parse_xml(read_member(archive, path, _SMALL))
    except (KeyError, UnreadableDocument):
        return None


def _path(base: str, reference: str) -> str:
    """A member's path: references are relative to the file that they stand in, and percent-encoded."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(urlsplit(reference).path))).lstrip("/")


def _items(package: etree._Element, package_path: str) -> dict[str, _Item]:
    found = {}
    for element in package.iter():
        if local(element) == "item" and (href := element.get("href")) and (key := element.get("id")):
            found[key] = _Item(_path(package_path, href), element.get("media-type", ""), element.get("properties", ""))
    return found


def _spine(package: etree._Element, items: Mapping[str, _Item]) -> list[_Item]:
    """Chapters in their order, each once. Notes and the like, which are not `linear`, stand where the book has them."""
    listed = [element.get("idref", "") for element in package.iter() if local(element) == "itemref"]
    spine = list(dict.fromkeys(items[key] for key in listed if key in items))
    spine = spine or [item for item in items.values() if "html" in item.media_type]
    if len(spine) > _MAX_CHAPTERS:
        raise TooLarge(f"The book has more than {_MAX_CHAPTERS:,} parts.")
    return [
        item for item in spine if "html" in item.media_type or item.path.lower().endswith((".html", ".xhtml", ".htm"))
    ]


def _check_drm(archive: zipfile.ZipFile, spine: Iterable[_Item]) -> None:
    """Fonts are often scrambled, which is no protection of the text (EPUB Open Container Format, section 4)."""
    encryption = _xml(archive, "META-INF/encryption.xml")
    if encryption is None:
        return
    chapters = {item.path for item in spine}
    for entry in encryption.iter():
        if local(entry) != "EncryptedData":
            continue
        methods = [inner.get("Algorithm", "") for inner in entry.iter() if local(inner) == "EncryptionMethod"]
        paths = {_path("", inner.get("URI", "")) for inner in entry.iter() if local(inner) == "CipherReference"}
        if paths & chapters and not any(method in _OF_FONTS for method in methods):
            raise Protected(_DRM)


def _metadata(package: etree._Element, name: str) -> list[str]:
    texts = (
        one_line(text_of(element))
        for element in package.iter()
        if local(element) == name and "purl.org/dc" in str(element.tag)
    )
    return [text for text in texts if text]


def _authors(package: etree._Element) -> Iterator[Block]:
    authors = list(dict.fromkeys(_metadata(package, "creator")))[:_SHOWN_AUTHORS]
    if authors:
        yield Block(f"By {', '.join(authors)}")


# ── the table of contents ────────────────────────────────────────────────────────────────────────


def _contents(archive: zipfile.ZipFile, package: etree._Element, items: Mapping[str, _Item]) -> dict[str, str]:
    """The first title that the table of contents has for each file."""
    titles: dict[str, str] = {}
    for item in items.values():
        is_nav = "nav" in item.properties.split()
        if not is_nav and item.media_type != "application/x-dtbncx+xml":
            continue
        root = _xml(archive, item.path)
        if root is None:
            continue
        for reference, text in _entries(root, is_nav=is_nav):
            if reference and text:
                titles.setdefault(_path(item.path, reference), text)
    return titles


def _entries(root: etree._Element, *, is_nav: bool) -> Iterator[tuple[str, str]]:
    for element in root.iter():
        if is_nav and local(element) == "a":
            yield element.get("href", ""), one_line(text_of(element))
        elif not is_nav and local(element) == "navPoint":
            children = {local(child): child for child in reversed(element)}
            if "navLabel" in children and "content" in children:
                yield children["content"].get("src", ""), one_line(text_of(children["navLabel"]))
