"""Plain text: paragraphs at empty lines, pages at form feeds, headings only where they are underlined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from core.types import Block, BlockKind, ParsedDocument
from ingest.parse.encoding import decode
from ingest.parse.text import clean, one_line, readable_name

_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_UNDERLINE = re.compile(r"^(={3,}|-{3,}|~{3,})$")
_LEVELS = {"=": 1, "-": 2, "~": 3}
_ITEM = re.compile(r"^\s*(?:[-*+•‣◦–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_MAX_HEADING = 120
_MIN_WRAP, _MAX_WRAP = 50, 110
"""Line lengths, in characters, between which text is taken to have been wrapped by a program."""


class PlainParser:
    """Text as it is; only lines that were wrapped at a fixed width are joined."""

    media_types: Iterable[str] = ("text/plain",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Never fails: any text is plain text."""
        decoded = decode(data)
        pages = decoded.text.replace("\r\n", "\n").split("\f")
        while len(pages) > 1 and not pages[-1].strip():
            pages.pop()
        numbered = len(pages) > 1
        blocks = tuple(
            block for number, page in enumerate(pages, 1) for block in _blocks(page, number if numbered else None)
        )
        return ParsedDocument(readable_name(name), blocks, len(pages) if numbered else None, decoded.losses)


def _blocks(text: str, page: int | None) -> Iterator[Block]:
    for paragraph in _PARAGRAPH_END.split(clean(text)):
        lines = [line.rstrip() for line in paragraph.expandtabs(4).strip("\n").split("\n")]
        if len(lines) > 1 and _is_underlined(lines):
            yield Block(one_line(lines[0]), BlockKind.HEADING, _LEVELS[lines[1].strip()[0]], page)
            lines = lines[2:]
        if any(line.strip() for line in lines):
            kind = BlockKind.LIST if _ITEM.match(lines[0]) else BlockKind.TEXT
            yield Block("\n".join(_unwrapped(lines)).strip("\n"), kind, page=page)


def _is_underlined(lines: list[str]) -> bool:
    """A short line over a rule of about its own length; a rule alone is no underline."""
    title, rule = lines[0].strip(), lines[1].strip()
    if not _UNDERLINE.match(rule) or not 0 < len(title) <= _MAX_HEADING or not re.search(r"\w", title):
        return False
    return abs(len(rule) - len(title)) <= max(2, len(title) // 4)


def _unwrapped(lines: list[str]) -> list[str]:
    """Join lines that a program wrapped: all but the last about equally long, none indented or a list item."""
    body = lines[:-1]
    if not body or any(line[:1].isspace() or _ITEM.match(line) for line in lines):
        return lines
    longest = max(map(len, body))
    if not _MIN_WRAP <= longest <= _MAX_WRAP or min(map(len, body)) < 0.7 * longest or len(lines[-1]) > longest:
        return lines
    return [" ".join(lines)]
