"""Tells tables of data from tables that only lay out a page, and reads the former."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.parse.html_nodes import contains, inner_text, is_hidden, number
from ingest.parse.text import one_line

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_NOT_IN_DATA = frozenset({"form", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table"})
_ROW_GROUPS = frozenset({"thead", "tbody", "tfoot"})
_MAX_CELL = 2000
"""Characters; a longer cell is an article in a layout table."""
_MAX_SPAN = 100
_MAX_REPEATED = 200
"""Characters of a cell that is repeated in each row it spans."""
_MAX_CHARACTERS = 5_000_000


def data_rows(table: LexborNode) -> list[list[str]]:
    """The cells of a data table, spanned ones filled in; empty for a layout table.

    A cell that spans rows is repeated in each, because each row has to be understood alone; one that spans columns
    is followed by empty cells.
    """
    if _is_layout(table):
        return []
    rows = _rows(table)
    cells = [cell for row in rows for cell in row]
    is_grid = len(rows) > 1 and max(map(len, rows)) > 1
    return rows if is_grid and all(len(cell) <= _MAX_CELL for cell in cells) else []


def caption(table: LexborNode) -> str:
    node = table.child
    while node is not None and node.tag != "caption":
        node = node.next
    return one_line(inner_text(node)) if node is not None else ""


def _is_layout(table: LexborNode) -> bool:
    return (table.attributes.get("role") or "").lower() == "presentation" or contains(table, _NOT_IN_DATA)


def _rows(table: LexborNode) -> list[list[str]]:
    rows: list[list[str]] = []
    reaching_down: dict[int, tuple[int, str]] = {}
    size = 0
    for tr in _row_nodes(table):
        row: list[str] = []
        for cell in _children(tr, frozenset({"td", "th"})):
            _fill_from_above(row, reaching_down)
            _place(cell, row, reaching_down)
        _fill_from_above(row, reaching_down)
        size += sum(map(len, row)) + len(row)
        if size > _MAX_CHARACTERS:
            return []
        rows.append(row)
    return [row for row in rows if any(row)]


def _row_nodes(table: LexborNode) -> list[LexborNode]:
    nodes: list[LexborNode] = []
    for child in _children(table, _ROW_GROUPS | {"tr"}):
        nodes += [child] if child.tag == "tr" else _children(child, frozenset({"tr"}))
    return nodes


def _children(parent: LexborNode, tags: frozenset[str]) -> list[LexborNode]:
    found = []
    node = parent.child
    while node is not None:
        if node.tag in tags and not is_hidden(node):
            found.append(node)
        node = node.next
    return found


def _fill_from_above(row: list[str], reaching_down: dict[int, tuple[int, str]]) -> None:
    while len(row) in reaching_down:
        column = len(row)
        left, text = reaching_down.pop(column)
        row.append(text)
        if left > 1:
            reaching_down[column] = (left - 1, text)


def _place(cell: LexborNode, row: list[str], reaching_down: dict[int, tuple[int, str]]) -> None:
    text = one_line(inner_text(cell))
    down = (number(cell, "rowspan") or 1) - 1
    for offset in range(min(max(number(cell, "colspan") or 1, 1), _MAX_SPAN)):
        shown = text if offset == 0 else ""
        if down > 0:
            reaching_down[len(row)] = (down, shown if len(shown) <= _MAX_REPEATED else "")
        row.append(shown)
