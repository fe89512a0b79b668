"""The sheets of an OpenDocument spreadsheet: cells as they are shown, with the bounds that a spreadsheet needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.types import Block, BlockKind
from ingest.parse.odf_styles import Styles, attribute, whole_number
from ingest.parse.odf_text import Losses, Walk
from ingest.parse.safe_xml import local, text_of
from ingest.parse.sheet_rows import BOLD, DATE, NUMBER, TEXT, Layout, Row
from ingest.parse.sheets import sheet_blocks
from ingest.parse.text import counted, one_line, tidy

if TYPE_CHECKING:
    from lxml import etree

_SHEET = 2
"""Level of the heading with a sheet's name, as for Excel workbooks."""
_MAX_SHEETS = 1000
_MAX_CELLS, _MAX_CHARACTERS = 2_000_000, 50_000_000
_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384
_MAX_REPEATS = 1000
"""Filled rows and cells that repeat are written out so many times; formats only state more to colour a sheet."""
_KINDS = {"float": NUMBER, "percentage": NUMBER, "currency": NUMBER, "date": DATE, "time": DATE}


class Sheets:
    """Reads the visible sheets one after the other."""

    def __init__(self, styles: Styles, losses: Losses) -> None:
        from ingest.parse.blocks import BlockWriter

        self._styles = styles
        self._losses = losses
        self._writer = BlockWriter()
        self._walk = Walk(self._writer, styles, losses)
        self._cells, self._characters = _MAX_CELLS, _MAX_CHARACTERS
        self._spans: dict[tuple[int, int], int] = {}
        self._headers: set[int] = set()
        self._hidden: set[int] = set()
        self._skipped: set[int] = set()

    def blocks(self, spreadsheet: etree._Element) -> Sequence[Block]:
        """All sheets, each under its name."""
        found: list[Block] = []
        tables = [child for child in spreadsheet if local(child) == "table"]
        for table in tables[:_MAX_SHEETS]:
            if attribute(table, "style-name") in self._styles.hidden:
                self._losses.hidden_sheets += 1
                continue
            self._spans, self._headers, self._hidden, self._skipped = {}, set(), _hidden_columns(table), set()
            rows = list(self._rows(table))
            self._losses.hidden_columns += len(self._skipped)
            inner = list(sheet_blocks(rows, _SHEET + 1, Layout(self._headers, self._spans)))
            inner += self._beside()
            if inner:
                name = one_line(attribute(table, "name")) or "Sheet"
                found += [Block(name, BlockKind.HEADING, _SHEET), *inner]
        if self._cells <= 0 or self._characters <= 0:
            self._losses.cut.append(
                f"The spreadsheet is too large to be read whole: only the first {_MAX_CELLS:,} cells were read."
            )
        beyond = len(tables) - _MAX_SHEETS
        self._losses.cut += counted(max(0, beyond), "sheet", f"is left out: only the first {_MAX_SHEETS:,} are read")
        return found

    def _rows(self, table: etree._Element) -> Iterator[Row]:
        number = 1
        for element, is_header, is_folded in _row_elements(table):
            if local(element) == "shapes":
                self._walk.children(element)
                continue
            times = whole_number(element, "number-rows-repeated", _MAX_ROWS)
            if attribute(element, "visibility") == "collapse" and not is_folded:
                number += times
                self._losses.hidden_rows += times if text_of(element).strip() else 0
                continue
            row = self._row(element, number)
            if row.columns:
                if is_header:
                    self._headers.add(number)
                self._losses.repeated_rows += max(0, times - _MAX_REPEATS)
                for offset in range(min(times, _MAX_REPEATS)):
                    if offset:
                        self._cells -= len(row.columns)
                        self._characters -= sum(map(len, row.texts))
                    if self._cells <= 0 or self._characters <= 0:
                        return
                    yield Row(number + offset, row.columns, row.texts, row.kinds)
            number += times
            if number > _MAX_ROWS or self._cells <= 0 or self._characters <= 0:
                return

    def _row(self, element: etree._Element, number: int) -> Row:
        columns: list[int] = []
        texts: list[str] = []
        kinds: list[int] = []
        column = 1
        for cell in element:
            if local(cell) not in {"table-cell", "covered-table-cell"}:
                continue
            times = whole_number(cell, "number-columns-repeated", _MAX_COLUMNS)
            reach = range(column, min(column + times, _MAX_COLUMNS + 1))
            shown = [each for each in reach if each not in self._hidden] if self._hidden else reach
            if len(shown) < len(reach) and (text_of(cell).strip() or _value(cell)):
                self._skipped.update(set(reach) & self._hidden)
            if shown and (text := self._text(cell)):
                kind = self._kind(cell)
                self._losses.repeated_cells += max(0, len(shown) - _MAX_REPEATS)
                for each in shown[:_MAX_REPEATS]:
                    columns.append(each)
                    texts.append(text)
                    kinds.append(kind)
                    self._cells -= 1
                    self._characters -= len(text)
                if (wide := whole_number(cell, "number-columns-spanned", _MAX_COLUMNS)) > 1:
                    self._spans[number, column] = column + wide - 1
            column += times
            if column > _MAX_COLUMNS or self._cells <= 0 or self._characters <= 0:
                break
        return Row(number, tuple(columns), tuple(texts), bytes(kinds))

    def _text(self, cell: etree._Element) -> str:
        if not len(cell):
            return _value(cell)
        lines = []
        for child in cell:
            kind = local(child)
            if kind == "p":
                lines.append(self._walk.inline(child))
            elif kind == "annotation":
                self._losses.comments += 1
            else:
                self._walk.element(child)
        return tidy("\n".join(lines)) or _value(cell)

    def _kind(self, cell: etree._Element) -> int:
        kind = _KINDS.get(attribute(cell, "value-type"), TEXT)
        return kind | BOLD if attribute(cell, "style-name") in self._styles.bold else kind

    def _beside(self) -> list[Block]:
        """Text boxes, which lie over the cells."""
        self._walk.write_later()
        self._writer.close()
        found = list(self._writer.blocks)
        self._writer.blocks.clear()
        return found


def _row_elements(
    parent: etree._Element, *, is_header: bool = False, is_folded: bool = False
) -> Iterator[tuple[etree._Element, bool, bool]]:
    """Rows, whether they are headers, and whether they are in a folded outline, which hides them but is a click away."""
    for child in parent:
        kind = local(child)
        if kind in {"table-row", "shapes"}:
            yield child, is_header, is_folded
        elif kind in {"table-header-rows", "table-rows", "table-row-group"}:
            is_closed = is_folded or attribute(child, "display") == "false"
            yield from _row_elements(child, is_header=is_header or kind == "table-header-rows", is_folded=is_closed)


def _hidden_columns(table: etree._Element) -> set[int]:
    hidden: set[int] = set()
    number = 1
    for column, is_folded in _column_elements(table):
        times = whole_number(column, "number-columns-repeated", _MAX_COLUMNS)
        if attribute(column, "visibility") == "collapse" and not is_folded:
            hidden.update(range(number, min(number + times, _MAX_COLUMNS + 1)))
        number += times
        if number > _MAX_COLUMNS:
            break
    return hidden


def _column_elements(parent: etree._Element, *, is_folded: bool = False) -> Iterator[tuple[etree._Element, bool]]:
    for child in parent:
        kind = local(child)
        if kind == "table-column":
            yield child, is_folded
        elif kind in {"table-header-columns", "table-columns", "table-column-group"}:
            yield from _column_elements(child, is_folded=is_folded or attribute(child, "display") == "false")


def _value(cell: etree._Element) -> str:
    """What a cell holds that some programs write without the text that it shows."""
    kind = attribute(cell, "value-type")
    if kind in {"float", "percentage", "currency"}:
        return attribute(cell, "value")
    return attribute(cell, f"{kind}-value") if kind in {"date", "time", "boolean", "string"} else ""
