"""Tables to blocks, and those that go on over pages: each page's part gets the header row. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from core.types import Block, BlockKind
from ingest.parse.pdf_cells import BROKEN
from ingest.parse.pdf_lines import Line, Page
from ingest.parse.pdf_tables import Table
from ingest.parse.pdf_words import Words, joined
from ingest.parse.text import markdown_table

_MARGIN = 0.08
"""Of the page's height, at top and bottom, in which there may be lines beside the table that goes on."""
_SAME_EDGE, _SAME_GAP = 6.0, 25.0
"""Points by which the outer edges of a table, and those between its columns, may differ between two pages."""
_NUMBER = re.compile(r"[^\w]*\d[\d.,'’ ]*\W*\w{0,3}")
_NUMERIC_SHARE = 0.7


def table_block(table: Table, page: int, words: Words) -> Block:
    """A single row that goes on nothing is text."""
    rows = [[_cell(cell, words) for cell in row] for row in table.rows]
    if len(rows) > 1:
        return Block(markdown_table(rows), BlockKind.TABLE, page=page)
    return Block("\n".join(cell for cell in rows[0] if cell), page=page)


def _cell(text: str, words: Words) -> str:
    result = ""
    is_broken = False
    for number, piece in enumerate(text.split("\n")):
        line = piece.removesuffix(BROKEN[0])
        result = joined(result, line, words, is_hyphenated=is_broken) if number else line
        is_broken = line != piece
    return result


def with_heads(pages: Sequence[Page]) -> list[Page]:
    """The pages with the header row before the rows that go on from the page before."""
    result: list[Page] = []
    open_table: Table | None = None
    for page in pages:
        first = _outermost(page, is_top=True)
        if open_table and first is not None and page.lines[first].table:
            page = _headed(page, first, open_table)  # noqa: PLW2901
        last = _outermost(page, is_top=False)
        open_table = page.lines[last].table if last is not None else None
        result.append(page)
    return result


def _outermost(page: Page, *, is_top: bool) -> int | None:
    """The index of the table that stands above or below everything else but what is in the margin; None without."""
    tables = [index for index, line in enumerate(page.lines) if line.table]
    if not tables:
        return None
    found = max(tables, key=lambda index: page.lines[index].top if is_top else -page.lines[index].y)
    beside = [line for line in page.lines if not line.table and not _is_margin(line, page)]
    table = page.lines[found]
    beyond = any(line.y > table.top if is_top else line.y < table.y for line in beside)
    return None if beyond else found


def _is_margin(line: Line, page: Page) -> bool:
    return not _MARGIN * page.height < line.y < (1 - _MARGIN) * page.height


def _headed(page: Page, index: int, before: Table) -> Page:
    line = page.lines[index]
    table = line.table
    if table is None or not _goes_on(table, before):
        return page
    whole = replace(line, table=replace(table, rows=(before.rows[0], *table.rows)))
    return replace(page, lines=(*page.lines[:index], whole, *page.lines[index + 1 :]))


def _goes_on(table: Table, before: Table) -> bool:
    """Whether its columns are the same and its first row is no header of its own."""
    if len(table.edges) != len(before.edges):
        return False
    moved = [abs(here - there) for here, there in zip(table.edges, before.edges, strict=True)]
    if max(moved[0], moved[-1]) > _SAME_EDGE or max(moved) > _SAME_GAP:
        return False
    return not table.has_head and table.rows[0] != before.rows[0] and not _is_head_by_numbers(table, before)


def _is_head_by_numbers(table: Table, before: Table) -> bool:
    """A first row of words over columns of numbers."""
    numeric = [
        column
        for column in range(len(before.rows[0]))
        if _share_of_numbers([row[column] for row in before.rows[1:]]) > _NUMERIC_SHARE
    ]
    firsts = [table.rows[0][column] for column in numeric]
    return bool(firsts) and all(firsts) and not any(map(_NUMBER.fullmatch, firsts))


def _share_of_numbers(cells: Sequence[str]) -> float:
    filled = [cell for cell in cells if cell]
    return sum(1 for cell in filled if _NUMBER.fullmatch(cell)) / len(filled) if filled else 0.0
