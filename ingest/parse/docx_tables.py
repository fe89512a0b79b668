"""Tables of Word: cells where they stand, merged ones filled in, and tables told apart that only lay out a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.parse.docx_styles import W, is_on, number
from ingest.parse.ooxml import attribute, find
from ingest.parse.safe_xml import local
from ingest.parse.text import one_line

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAX_CELL = 2000
"""Characters; a longer cell is an article in a layout table."""
_MAX_LONE_CELL = 200
"""The same for tables of a single row."""
_MAX_INNER = 300
"""Characters of tables inside a cell; smaller ones are read as its text."""
_LONGEST_REPEATED = 200
_MAX_COLUMNS, _MAX_DEPTH = 200, 10
_HEADER_ROWS = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and the first of the `width` columns that it takes."""

    element: _Element
    column: int
    width: int
    goes_on: bool
    """Whether it is the lower part of a cell merged over rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells row by row; `headers` is how many rows the author marked to be repeated on each page."""

    rows: list[list[Cell]]
    headers: int


def read_table(element: _Element) -> Table:
    rows: list[list[Cell]] = []
    headers = 0
    for row in _inside(element, "tr"):
        if find(row, "trPr", "del") is not None:
            continue
        if headers == len(rows) and is_on(find(row, "trPr", "tblHeader")):
            headers += 1
        rows.append(list(_cells(row)))
    return Table(rows, headers)


def paragraphs_of(element: _Element, depth: int = 0) -> Iterator[_Element]:
    """Paragraphs and tables directly inside, also those in content controls and the like."""
    if depth > _MAX_DEPTH:
        return
    for child in element:
        match local(child):
            case "p" | "tbl":
                yield child
            case "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" | "smartTag":
                yield from paragraphs_of(child, depth + 1)


def is_layout(table: Table, is_heading: Callable[[_Element], bool]) -> bool:
    """Frames around text, and pages laid out in columns: read cell by cell, as text."""
    widest = max((len(row) for row in table.rows), default=0)
    limit = _MAX_CELL if len(table.rows) > 1 else _MAX_LONE_CELL
    return widest <= 1 or any(_is_page(cell.element, limit, is_heading) for row in table.rows for cell in row)


def _is_page(cell: _Element, limit: int, is_heading: Callable[[_Element], bool]) -> bool:
    """Whether there is more in a cell than belongs into one."""
    size = inner = 0
    for each in paragraphs_of(cell):
        length = sum(len(text.text or "") for text in each.iter(W + "t"))
        if local(each) == "tbl":
            inner += length
        elif is_heading(each):
            return True
        size += length
    return size > limit or inner > _MAX_INNER


def filled_rows(table: Table, text_of: Callable[[_Element], str]) -> list[list[str]]:
    """The texts as a grid. A cell over several rows is repeated in each of them, because each has to be understood
    alone; one over several columns is followed by empty ones, except in headers of several rows, which become one.
    """
    width = max((cell.column + cell.width for row in table.rows for cell in row), default=0)
    above: list[str] = [""] * width
    grid: list[list[str]] = []
    tall = table.headers if 1 < table.headers <= _HEADER_ROWS and table.headers < len(table.rows) else 0
    for place, row in enumerate(table.rows):
        texts = [""] * width
        for cell in row:
            text = above[cell.column] if cell.goes_on else one_line(text_of(cell.element))
            last = cell.column + (cell.width if place < tall else 1)
            for column in range(cell.column, min(last, width)):
                texts[column] = text if len(text) <= _LONGEST_REPEATED or not cell.goes_on else ""
        above = texts
        grid.append(texts)
    if tall:
        header = [
            " / ".join(dict.fromkeys(text for text in column if text)) for column in zip(*grid[:tall], strict=True)
        ]
        grid = [header, *grid[tall:]]
    return _without_empty(grid)


def title_row(table: Table) -> Cell | None:
    """A first row of one cell over the whole table, which is its title."""
    if len(table.rows) < 2 or len(table.rows[0]) != 1:  # noqa: PLR2004 - a title and what it is the title of
        return None
    return table.rows[0][0] if max(map(len, table.rows[1:])) > 1 else None


def _without_empty(grid: list[list[str]]) -> list[list[str]]:
    if not grid:
        return []
    kept = [column for column in range(len(grid[0])) if any(row[column] for row in grid)]
    return [[row[column] for column in kept] for row in grid]


def _cells(row: _Element) -> Iterator[Cell]:
    column = min(number(find(row, "trPr", "gridBefore"), 0), _MAX_COLUMNS)
    for cell in _inside(row, "tc"):
        width = max(1, min(number(find(cell, "tcPr", "gridSpan"), 1), _MAX_COLUMNS))
        if column + width > _MAX_COLUMNS:
            return
        merged = find(cell, "tcPr", "vMerge")
        # The second and further cells of what old files merge over columns are empty.
        yield Cell(cell, column, width, merged is not None and attribute(merged, "val") in {"", "continue"})
        column += width


def _inside(parent: _Element, tag: str, depth: int = 0) -> Iterator[_Element]:
    if depth > _MAX_DEPTH:
        return
    for child in parent:
        name = local(child)
        if name == tag:
            yield child
        elif name in {"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"}:
            yield from _inside(child, tag, depth + 1)
