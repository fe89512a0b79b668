"""The cells of one Excel sheet, as texts. What a sheet claims about its size is never believed; cells are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ingest.parse.ooxml import Package, find, whole
from ingest.parse.safe_xml import local
from ingest.parse.sheet_rows import BOLD, DATE, NUMBER, TEXT, Row
from ingest.parse.xlsx_numbers import general
from ingest.parse.xlsx_workbook import Style, Workbook, elements, forget, rich_text, unescaped

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_CELLS = 2_000_000
"""Of a workbook that hold something."""
MAX_CHARACTERS = 50_000_000
MAX_FILLED = 200_000
"""Cells that get the text of one merged with them."""
_LONGEST_REPEATED = 200
_MAX_EMPTY = 5_000_000
"""Cells without anything in them, which only take time."""
_LAST_COLUMN, _LAST_ROW = 16_384, 1_048_576
_MAX_RANGES = 1000
"""Of hidden columns, of which Excel writes neighbouring ones as one."""
_DIGITS = "0123456789"


class Budget:
    """What may still be read of a workbook."""

    def __init__(self, cells: int, characters: int) -> None:
        self._cells, self._characters, self._empty = cells, characters, _MAX_EMPTY
        self.cells_read = 0
        self.is_spent = False

    def take(self, text: str) -> bool:
        """Whether there is room for one cell more."""
        if text:
            self.cells_read += 1
            self._characters -= len(text)
        else:
            self._empty -= 1
        self.is_spent = self.is_spent or self.cells_read > self._cells or self._characters < 0 or self._empty < 0
        return not self.is_spent


@dataclass(frozen=True, slots=True)
class Sheet:
    rows: Sequence[Row]
    spans: Mapping[tuple[int, int], int]
    uncalculated: int = 0
    """Formulas without a stored result."""
    hidden_columns: int = 0
    hidden_rows: int = 0


def read_sheet(
    package: Package, part: str, workbook: Workbook, budget: Budget, filtered: Sequence[range] = ()
) -> Sheet:
    """Visible rows that hold something, with merged labels repeated downwards; `filtered` are rows of stated tables.

    Rows that a filter or a folded outline hides are a click away, and read. Raises `UnreadableDocument` if the sheet is
    damaged.
    """
    reader = _Reader(workbook, budget, filtered)
    for element in elements(package, part, "c", "row", "col", "mergeCell", "autoFilter"):
        match local(element):
            case "c":
                reader.cell(element)
            case "row":
                reader.row(element)
            case "col":
                reader.column(element)
            case "autoFilter":
                reader.filter(element)
            case _:
                reader.merge(element)
        forget(element)
        if budget.is_spent:
            break
    reader.end_row()
    return reader.sheet()


def place(reference: str) -> tuple[int, int] | None:
    """`B7` is row 7 and column 2."""
    letters = reference.rstrip(_DIGITS)
    row, column = whole(reference[len(letters) :]), _column(letters)
    return (row, column) if 0 < column <= _LAST_COLUMN and 0 < row <= _LAST_ROW else None


@lru_cache(maxsize=_LAST_COLUMN)
def _column(letters: str) -> int:
    """27 for AA; 0 for what names no column."""
    letters = letters.replace("$", "").upper()
    if not letters.isascii() or not letters.isalpha() or len(letters) > len("XFD"):
        return 0
    return sum((ord(letter) - ord("A") + 1) * 26**power for power, letter in enumerate(reversed(letters)))


def filtered_rows(element: _Element) -> range:
    """The rows under a filter that hides some of them now."""
    first, _, last = (element.get("ref") or "").partition(":")
    begin, end = place(first), place(last)
    is_active = find(element, "filterColumn") is not None
    return range(begin[0] + 1, end[0] + 1) if begin and end and is_active else range(0)


class _Reader:
    def __init__(self, workbook: Workbook, budget: Budget, filtered: Sequence[range]) -> None:
        self._workbook = workbook
        self._budget = budget
        self._rows: dict[int, dict[int, tuple[str, int]]] = {}
        self._cells: dict[int, tuple[str, int]] = {}
        self._row, self._column, self._ended = 0, 0, 0
        self._hidden: set[int] = set()
        self._columns = 0
        self._skipped: set[int] = set()
        self._hidden_rows: set[int] = set()
        self._filtered = list(filtered)
        self._merges: list[tuple[int, int, int, int]] = []
        self._uncalculated = 0

    def cell(self, element: _Element) -> None:
        where = place(element.get("r") or "")
        if where is None:  # references may be left out where nothing is skipped
            where = self._number_of(element.getparent()), self._column + 1
        if where[0] != self._row:
            self.end_row()
            self._row = where[0]
        self._column = where[1]
        text, kind = self._value(element) if len(element) else ("", TEXT)
        if self._budget.take(text) and text and self._column <= _LAST_COLUMN:
            if self._column in self._hidden:
                self._skipped.add(self._column)
            else:
                self._cells[self._column] = (text, kind)

    def row(self, element: _Element) -> None:
        """The end of one."""
        self.end_row()
        self._ended = self._number_of(element)
        self._column = 0
        if _is_hidden(element):
            self._hidden_rows.add(self._ended)

    def _number_of(self, row: _Element | None) -> int:
        return whole(row.get("r") if row is not None else None, self._ended + 1)

    def end_row(self) -> None:
        if self._cells:
            self._rows.setdefault(self._row, {}).update(self._cells)
            self._cells = {}

    def column(self, element: _Element) -> None:
        is_hidden = _is_hidden(element)
        self._columns += is_hidden
        if is_hidden and self._columns <= _MAX_RANGES:
            first, last = whole(element.get("min")), whole(element.get("max"))
            self._hidden.update(range(first, min(last, _LAST_COLUMN) + 1))

    def filter(self, element: _Element) -> None:
        self._filtered.append(filtered_rows(element))

    def merge(self, element: _Element) -> None:
        first, _, last = (element.get("ref") or "").partition(":")
        begin, end = place(first), place(last)
        if begin and end and len(self._merges) < MAX_FILLED:
            self._merges.append((*begin, *end))

    def sheet(self) -> Sheet:
        self._repeat_labels()
        hidden = self._take_hidden_rows()
        spans = {(top, left): right for top, left, _, right in self._merges if right > left and top in self._rows}
        rows = []
        for number in sorted(self._rows):
            cells = self._rows.pop(number)
            columns = tuple(sorted(cells))
            texts = tuple(cells[column][0] for column in columns)
            rows.append(Row(number, columns, texts, bytes(cells[column][1] for column in columns)))
        return Sheet(rows, spans, self._uncalculated, len(self._skipped), hidden)

    def _take_hidden_rows(self) -> int:
        """Out of what was read; how many held something."""
        hidden = [
            number
            for number in self._hidden_rows & self._rows.keys()
            if not any(number in filtered for filtered in self._filtered)
        ]
        for number in hidden:
            del self._rows[number]
        return len(hidden)

    def _repeat_labels(self) -> None:
        """A label merged over several rows stands in each of them, because each has to be understood alone."""
        left = MAX_FILLED
        for top, column, bottom, _ in self._merges:
            cell = self._rows.get(top, {}).get(column)
            if cell is None or bottom == top or len(cell[0]) > _LONGEST_REPEATED:
                continue
            for number in range(top + 1, bottom + 1):
                left -= 1
                if left < 0:
                    return
                if (row := self._rows.get(number)) is not None and column not in row:
                    row[column] = cell

    def _value(self, element: _Element) -> tuple[str, int]:
        style = self._style(element)
        bold = BOLD if style.is_bold else 0
        kind = element.get("t") or "n"
        if kind == "inlineStr":
            inline = find(element, "is")
            return (rich_text(inline).strip() if inline is not None else ""), TEXT | bold
        value = find(element, "v")
        if value is None:
            self._uncalculated += find(element, "f") is not None
            return "", TEXT
        stored = value.text or ""
        if kind == "n":
            return _number(stored, style, bold)
        if kind == "d":
            return stored.replace("T", " ").removesuffix(" 00:00:00"), DATE | bold
        return self._text(kind, stored), TEXT | bold

    def _text(self, kind: str, stored: str) -> str:
        if kind == "s":
            return self._shared(stored).strip()
        if kind == "b":
            return "TRUE" if stored.strip() in {"1", "true"} else "FALSE"
        return unescaped(stored).strip()

    def _style(self, element: _Element) -> Style:
        number = whole(element.get("s"))
        styles = self._workbook.styles
        return styles[number] if number < len(styles) else self._workbook.plain

    def _shared(self, stored: str) -> str:
        texts = self._workbook.texts
        number = whole(stored, len(texts))
        return texts[number] if number < len(texts) else ""


def _is_hidden(element: _Element) -> bool:
    """A row or column; those of a folded outline are hidden too, but a click away."""
    return element.get("hidden") in {"1", "true"} and element.get("outlineLevel", "0") == "0"


def _number(stored: str, style: Style, bold: int) -> tuple[str, int]:
    try:
        value = float(stored)
    except ValueError:
        return stored.strip(), TEXT | bold
    if not math.isfinite(value):
        return stored.strip(), NUMBER | bold
    try:
        shown = style.format.show(value)
    except (ArithmeticError, ValueError):
        shown = general(value)
    return shown, (DATE if style.format.is_date else NUMBER) | bold
