"""One PDF page to lines with their place, size and weight, and to its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingest.parse.pdf_chars import BLANK, HYPHENS, LINE_ENDS, Box, Characters
from ingest.parse.pdf_tables import Found, PageTables, Table
from ingest.parse.text import one_line

if TYPE_CHECKING:
    import pypdfium2

_TYPED = frozenset({3, 20})
"""FPDF_ANNOT_FREETEXT and FPDF_ANNOT_WIDGET in pdfium's fpdf_annot.h."""
_MAX_ANNOTATIONS = 1000
_CELL_GAP, _MAX_CELLS_LINE = 1.5, 100
"""Font sizes between two columns, at least; and characters of a line that is looked at for them."""
_NEXT_LINE = 0.6
"""Font sizes down to the next line, at least; an index stands about a third of one lower."""
_MIN_ROWS = 3
"""Lines with such a gap on a page, for it to be looked at for tables without lines."""
_TAKEN = 0x0A
"""Written over the characters of tables, so that the text around them is not joined."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as drawn. Lengths are points (1/72 inch) from the page's lower left corner; `y` is the lower edge.

    A table is one as well, with all of its text.
    """

    text: str
    x0: float
    x1: float
    y: float
    size: float
    is_bold: bool = False
    is_hyphenated: bool = False
    """A word goes on in the next line."""
    first_cell: str = ""
    """What stands before the first gap that is as wide as between the columns of a table; empty without one."""
    table: Table | None = None

    @property
    def top(self) -> float:
        return self.table.top if self.table else self.y


@dataclass(frozen=True, slots=True)
class Page:
    """A page's lines in the order of the file, which is nearly always the order of reading."""

    number: int
    width: float = 0.0
    height: float = 0.0
    lines: tuple[Line, ...] = ()
    has_pictures: bool = False
    """Something is drawn on it, although there is no text."""
    is_garbled: bool = False
    """There is text, but the fonts do not map it to letters."""
    pictures: tuple[Box, ...] = ()


def read_page(document: pypdfium2.PdfDocument, number: int) -> Page:
    """Page `number`, from 1. Raises `pypdfium2.PdfiumError` for a damaged page."""
    import pypdfium2.raw as pdfium

    _draw_form_fields(pdfium, document, number)
    with closing(document[number - 1]) as page, closing(Characters(page)) as chars:
        width, height = page.get_size()
        if chars.is_garbled():
            return Page(number, width, height, is_garbled=True)
        tables = PageTables(page, chars, height)
        lines = _with_tables(chars, tables)
        drawn = not lines and pdfium.FPDFPage_CountObjects(page) > 0
        return Page(number, width, height, lines, has_pictures=drawn, pictures=tables.pictures)


def _with_tables(chars: Characters, tables: PageTables) -> tuple[Line, ...]:
    """Lines and tables, of which each stands where its first word is in the file."""
    found = tables.drawn()
    _hide(chars, found)
    lines = list(_lines(chars))
    if sum(bool(line.first_cell) for _, line in lines) >= _MIN_ROWS and (aligned := tables.aligned()):
        _hide(chars, aligned)
        found += aligned
        lines = list(_lines(chars))
    placed = [*((each.words[0].start, _table_line(chars, each)) for each in found), *lines]
    return tuple(line for _, line in sorted(placed, key=lambda place: place[0]))


def _hide(chars: Characters, tables: list[Found]) -> None:
    for found in tables:
        for word in found.words:
            chars.codes[word.start : word.end] = [_TAKEN] * (word.end - word.start)


def _table_line(chars: Characters, found: Found) -> Line:
    table = found.table
    text = one_line(" ".join(cell for row in table.rows for cell in row))
    size = chars.size(found.words[len(found.words) // 2].start)
    return Line(
        text, table.edges[0], table.edges[-1], table.bottom, size, first_cell=one_line(table.rows[0][0]), table=table
    )


def _draw_form_fields(pdfium: Any, document: pypdfium2.PdfDocument, number: int) -> None:
    """Make what is filled into a form, and notes typed onto the page, part of the page's text."""
    with closing(document[number - 1]) as page:
        if any(kind in _TYPED for kind in _annotations(pdfium, page)):
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)


def _annotations(pdfium: Any, page: Any) -> Iterator[int]:
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MAX_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if annotation:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            pdfium.FPDFPage_CloseAnnot(annotation)
            yield kind


def _lines(chars: Characters) -> Iterator[tuple[int, Line]]:
    """Each line with the index of its first character."""
    shown: list[int] = []
    codes = chars.codes
    for index, code in enumerate(codes):
        if code > BLANK and code not in HYPHENS:
            shown.append(index)
        elif not shown:
            continue
        elif code in LINE_ENDS or code in HYPHENS:
            yield shown[0], _line(chars, shown, is_hyphenated=code in HYPHENS)
            shown = []
        elif code == BLANK and _goes_to_next_line(chars, index):
            yield shown[0], _line(chars, shown, is_hyphenated=False)
            shown = []
    if shown:
        yield shown[0], _line(chars, shown, is_hyphenated=False)


def _goes_to_next_line(chars: Characters, blank: int) -> bool:
    """Whether a line ends at this blank: pdfium overlooks an end before so small a character as a bullet."""
    codes = chars.codes
    if not 0 < blank < len(codes) - 1 or codes[blank - 1] <= BLANK or codes[blank + 1] <= BLANK:
        return False
    (x_before, y_before), (x_after, y_after) = (chars.origin(index) for index in (blank - 1, blank + 1))
    if x_after >= x_before or y_after >= y_before:
        return False
    size = chars.size(blank + 1)
    return x_before - x_after > size and y_before - y_after > _NEXT_LINE * size


def _line(chars: Characters, shown: list[int], *, is_hyphenated: bool) -> Line:
    """`shown` are the indexes of its visible characters."""
    first, middle, last = shown[0], shown[len(shown) // 2], shown[-1]
    x0, x1 = chars.sides(first)[0], chars.sides(last)[1]
    y0, y1 = chars.origin(first)[1], chars.origin(last)[1]
    sizes = sorted(chars.size(index) for index in (first, middle, last))
    return Line(
        one_line(chars.text(first, last + 1)),
        x0=x0,
        x1=max(x1, x0),
        y=min(y0, y1),
        size=sizes[1],
        is_bold=all(chars.is_bold(index) for index in (first, middle, last)),
        is_hyphenated=is_hyphenated,
        first_cell=_first_cell(chars, shown, sizes[1]),
    )


def _first_cell(chars: Characters, shown: list[int], size: float) -> str:
    if len(shown) > _MAX_CELLS_LINE:
        return ""
    for before, after in pairwise(shown):
        if after > before + 1 and chars.sides(after)[0] - chars.sides(before)[1] > _CELL_GAP * size:
            return one_line(chars.text(shown[0], before + 1))
    return ""
