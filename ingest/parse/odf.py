"""OpenDocument texts, presentations and spreadsheets (ISO/IEC 26300), read from their XML."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import ocr
from ingest.parse.archive import open_archive, read_member
from ingest.parse.blocks import BlockWriter
from ingest.parse.errors import Protected
from ingest.parse.odf_sheets import Sheets
from ingest.parse.odf_styles import Styles, attribute
from ingest.parse.odf_text import Losses, Walk
from ingest.parse.pictures_inside import Pictures
from ingest.parse.safe_xml import local, parse_xml, text_of
from ingest.parse.text import keywords, readable_name, tidy
from ingest.parse.titles import LONGEST_TITLE, believed_title, texts_of

if TYPE_CHECKING:
    from lxml import etree

MAX_CONTENT = 200_000_000
_SMALL = 20_000_000
_DAMAGED = "The file is damaged or not an OpenDocument file."
_OWN_SCRIPTS = ("/script-lb.xml", "/script-lc.xml")


class OdfParser:
    """One class for all three, because one document may hold parts of each."""

    media_types: Iterable[str] = (
        "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
    )

    def __init__(self, languages: str = ocr.LANGUAGES, seconds: float = ocr.SECONDS) -> None:
        """For text recognition in pictures that stand instead of text."""
        self._languages = languages
        self._seconds = seconds

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected` for encrypted files, `UnreadableDocument` for damaged ones, `TooLarge` over the limits."""
        archive = open_archive(data, "an OpenDocument file")
        _check_encryption(archive)
        content = _xml(archive, "content.xml", MAX_CONTENT)
        if content is None:
            raise UnreadableDocument(_DAMAGED)
        styles_root = _xml(archive, "styles.xml", _SMALL)
        losses = Losses(macros=_has_macros(archive))
        pictures = Pictures(partial(read_member, archive), self._languages, self._seconds)
        blocks, pages = _blocks(content, styles_root, losses, pictures)
        stated, listed = _properties(archive)
        title = believed_title(stated, texts_of(blocks), name)
        first = next((block.text for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")
        return ParsedDocument(
            title or first[:LONGEST_TITLE] or readable_name(name),
            tuple(blocks),
            pages,
            (*losses.lines(), *pictures.losses()),
            keywords=listed,
        )


def _blocks(
    content: etree._Element, styles_root: etree._Element | None, losses: Losses, pictures: Pictures
) -> tuple[Sequence[Block], int | None]:
    """The blocks and, of a presentation, the number of slides."""
    styles = Styles(root for root in (styles_root, content) if root is not None)
    body = next((child for child in content if local(child) == "body"), None)
    whole = (
        next((child for child in body if local(child) in {"text", "presentation", "spreadsheet", "drawing"}), None)
        if body is not None
        else None
    )
    if whole is None:
        raise UnreadableDocument(_DAMAGED)
    if local(whole) == "spreadsheet":
        return Sheets(styles, losses).blocks(whole), None
    if local(whole) in {"presentation", "drawing"}:
        return _slides(whole, styles, losses, pictures)
    writer = BlockWriter()
    walk = Walk(writer, styles, losses, pictures)
    for text in _running(styles_root, walk):
        writer.paragraph(text)
    walk.children(whole)
    walk.finish()
    return writer.blocks, None


def _slides(whole: etree._Element, styles: Styles, losses: Losses, pictures: Pictures) -> tuple[Sequence[Block], int]:
    blocks: list[Block] = []
    pages = [child for child in whole if local(child) == "page"]
    for number, page in enumerate(pages, 1):
        if attribute(page, "style-name") in styles.hidden:
            losses.hidden_slides += 1
            continue
        writer = BlockWriter()
        walk = Walk(writer, styles, losses, pictures)
        walk.slide(page)
        walk.finish()
        blocks += [replace(block, page=number) for block in writer.blocks]
    return blocks, len(pages)


def _running(styles_root: etree._Element | None, walk: Walk) -> Iterable[str]:
    """Headers and footers, each once; numbers of pages tell nothing."""
    if styles_root is None:
        return []
    found: dict[str, None] = {}
    for master in styles_root.iter():
        if local(master) in {"header", "footer", "header-left", "footer-left", "header-first", "footer-first"}:
            lines = (walk.inline(each) for each in master.iter() if local(each) in {"p", "h"})
            text = tidy("\n".join(line for line in lines if line.strip()))
            if any(character.isalpha() for character in text):
                found.setdefault(text)
    return found


def _check_encryption(archive: zipfile.ZipFile) -> None:
    manifest = _xml(archive, "META-INF/manifest.xml", _SMALL)
    if manifest is not None and any(local(element) == "encryption-data" for element in manifest.iter()):
        raise Protected("The file is protected by a password. Save a copy without it and add that.")


def _xml(archive: zipfile.ZipFile, path: str, limit: int) -> etree._Element | None:
    try:
        data = read_member(archive, path, limit)
    except KeyError:
        return None
    return parse_xml(data)


def _properties(archive: zipfile.ZipFile) -> tuple[str, str]:
    """Title and keywords; a file can be read without them."""
    try:
        meta = _xml(archive, "meta.xml", _SMALL)
    except UnreadableDocument:
        meta = None
    if meta is None:
        return "", ""
    title, listed = "", []
    for element in meta.iter():
        if local(element) == "title" and not title:
            title = text_of(element)
        elif local(element) in {"keyword", "subject"}:
            listed.append(text_of(element))
    return title, keywords(" ".join(listed))


def _has_macros(archive: zipfile.ZipFile) -> bool:
    return any(
        name.startswith(("Basic/", "Scripts/"))
        and name.endswith((".xml", ".py", ".js", ".bsh"))
        and not name.endswith(_OWN_SCRIPTS)
        for name in archive.namelist()
    )
