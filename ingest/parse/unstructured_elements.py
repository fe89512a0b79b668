"""The elements of an Unstructured API server as blocks. Pure; nothing that they say is trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import groupby
from typing import Any

from core.errors import TooLarge
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import MAX_CHARACTERS
from ingest.parse.text import clean, counted, markdown_table, one_line, readable_name, tidy

MAX_ELEMENTS = 500_000
_MAX_PAGE = 100_000
_MAX_SPAN = 100
_RUNNING = frozenset({"Header", "Footer"})
"""Stand on every page; what they say is taken once."""
_SILENT = frozenset({"PageBreak", "PageNumber"})
_HEADINGS = frozenset({"Title", "Headline", "Subheadline"})
_LISTED = frozenset({"ListItem", "List-item", "List"})
_CODE = frozenset({"CodeSnippet"})
_PICTURES = frozenset({"Image", "Picture", "Figure"})


def arranged(elements: Iterable[Any], name: str) -> ParsedDocument:
    """Raises `TooLarge` for more than a document may hold."""
    walk = _Walk()
    for number, element in enumerate(elements):
        if number >= MAX_ELEMENTS or walk.size > MAX_CHARACTERS:
            raise TooLarge("This file holds more text than can be taken. Split it and add the parts.")
        if isinstance(element, dict):
            walk.take(element)
    blocks = tuple(_with_lists(walk.blocks))
    pages = max((block.page for block in blocks if block.page), default=None)
    top = next((block.text for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")
    losses = counted(walk.pictures, "picture", "has no text that could be read", "pictures")
    return ParsedDocument(top or readable_name(name), blocks, pages, tuple(losses))


@dataclass(slots=True)
class _Walk:
    blocks: list[Block] = field(default_factory=list)
    size: int = 0
    pictures: int = 0
    _sheet: str = ""
    _running: set[str] = field(default_factory=set)

    def take(self, element: dict[str, Any]) -> None:
        kind, text = str(element.get("type")), _text(element.get("text"))
        about = element.get("metadata")
        about = about if isinstance(about, dict) else {}
        if kind in _SILENT or (kind in _RUNNING and text in self._running):
            return
        if kind in _RUNNING:
            self._running.add(text)
        if kind in _PICTURES and not text.strip():
            self.pictures += 1
        self._enter(about)
        block = _block(kind, text, about)
        if block.text:
            self._put(replace(block, page=None if self._sheet else _page(about)))

    def _enter(self, about: dict[str, Any]) -> None:
        """The name of a sheet, which the server gives with each element of it."""
        sheet = one_line(_text(about.get("page_name")))
        if sheet and sheet != self._sheet:
            self._sheet = sheet
            self._put(Block(sheet, BlockKind.HEADING, level=2))

    def _put(self, block: Block) -> None:
        self.size += len(block.text)
        self.blocks.append(block)


def _block(kind: str, text: str, about: dict[str, Any]) -> Block:
    if kind in _HEADINGS:
        depth = about.get("category_depth")
        level = min(max(depth, 0), 5) + 1 if isinstance(depth, int) else 1
        return Block(one_line(text), BlockKind.HEADING, level=level)
    if kind == "Table" and (rows := _rows(_text(about.get("text_as_html")))):
        return Block(markdown_table(rows), BlockKind.TABLE)
    if kind in _LISTED:
        return Block(tidy(text).replace("\n", "\n  "), BlockKind.LIST)
    if kind in _CODE:
        return Block(clean(text).expandtabs(4).strip("\n"), BlockKind.CODE)
    return Block(tidy(text))


def _with_lists(blocks: Sequence[Block]) -> Iterator[Block]:
    """Items that follow each other on a page become one list."""
    for key, group in groupby(blocks, lambda block: (block.kind is BlockKind.LIST, block.page)):
        if key[0]:
            items = [block.text for block in group if block.text]
            yield Block("\n".join(f"- {item}" for item in items), BlockKind.LIST, page=key[1])
        else:
            yield from group


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _page(about: dict[str, Any]) -> int | None:
    page = about.get("page_number")
    return page if isinstance(page, int) and 0 < page <= _MAX_PAGE else None


def _rows(html: str) -> list[list[str]]:
    reader = _Rows()
    reader.feed(html)
    reader.close()
    return [row for row in reader.rows if any(cell.strip() for cell in row)]


class _Rows(HTMLParser):
    """The cells of a table without anything in them but text; a cell over several columns is followed by empty ones."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_in_cell = False
        self._place = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr" or (tag in {"td", "th"} and not self.rows):
            self.rows.append([])
        if tag in {"td", "th"}:
            self._is_in_cell = True
            self._place = len(self.rows[-1])
            self.rows[-1] += [""] * _width(dict(attrs).get("colspan"))
        elif tag == "br" and self._is_in_cell:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th", "tr"}:
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.rows[-1][self._place] += data


def _width(span: str | None) -> int:
    return min(int(span), _MAX_SPAN) if span and re.fullmatch("[1-9][0-9]{0,3}", span) else 1
