"""One PDF page to lines with their place, size and weight, by pdfium's raw interface."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingest.parse.text import one_line

if TYPE_CHECKING:
    import pypdfium2

_HYPHENS = frozenset({0x02, 0xFFFE})
"""What pdfium puts for a hyphen at the end of a line; the line break itself is left out then."""
_LINE_ENDS = frozenset({0x0A, 0x0D})
_BULLETS = dict.fromkeys((0xF0B7, 0xF0A7, 0xF0D8, 0xF0FC, 0xF076, 0x25CF, 0x25AA, 0x2022, 0x25A0, 0x2043, 0x2219), "•")
_BULLETS |= {0xF06F: "◦", 0x25E6: "◦", 0x25CB: "◦"}
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_TYPED = frozenset({3, 20})
"""FPDF_ANNOT_FREETEXT and FPDF_ANNOT_WIDGET in pdfium's fpdf_annot.h."""
_MAX_ANNOTATIONS = 1000
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|semib|demi", re.IGNORECASE)
_CELL_GAP, _MAX_CELLS_LINE = 1.5, 100
"""Font sizes between two columns, at least; and characters of a line that is looked at for them."""
_NEXT_LINE = 0.6
"""Font sizes down to the next line, at least; an index stands about a third of one lower."""
_GARBLED_SHARE, _MIN_GARBLED = 0.3, 10
_TAB, _BLANK, _REPLACEMENT = 0x09, 0x20, 0xFFFD
_PRIVATE_USE = range(0xE000, 0xF900)


@dataclass(frozen=True, slots=True)
class Line:
    """One line as drawn. Lengths are points (1/72 inch) from the page's lower left corner; `y` is the lower edge."""

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


def read_page(document: pypdfium2.PdfDocument, number: int) -> Page:
    """Page `number`, from 1. Raises `pypdfium2.PdfiumError` for a damaged page."""
    import pypdfium2.raw as pdfium

    _draw_form_fields(pdfium, document, number)
    with closing(document[number - 1]) as page, closing(page.get_textpage()) as text:
        width, height = page.get_size()
        codes = [pdfium.FPDFText_GetUnicode(text, index) for index in range(text.count_chars())]
        if _is_garbled(codes):
            return Page(number, width, height, is_garbled=True)
        lines = tuple(line for line in _lines(pdfium, text, codes) if line.text)
        drawn = not lines and pdfium.FPDFPage_CountObjects(page) > 0
        return Page(number, width, height, lines, has_pictures=drawn)


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


def _is_garbled(codes: list[int]) -> bool:
    strange = sum(1 for code in codes if _is_strange(code))
    visible = sum(1 for code in codes if code > _BLANK)
    return strange > _MIN_GARBLED and strange > _GARBLED_SHARE * max(visible, 1)


def _is_strange(code: int) -> bool:
    """What a font without a map to Unicode gives: replacement and private-use characters, and control codes."""
    if code < _BLANK:
        return code not in _LINE_ENDS and code not in _HYPHENS and code != _TAB
    return code == _REPLACEMENT or (code in _PRIVATE_USE and code not in _BULLETS)


def _lines(pdfium: Any, text: Any, codes: list[int]) -> Iterator[Line]:
    start = 0
    for index, code in enumerate(codes):
        if code in _LINE_ENDS or code in _HYPHENS:
            yield _line(pdfium, text, codes, start, index, is_hyphenated=code in _HYPHENS)
            start = index + 1
        elif code == _BLANK and _goes_to_next_line(pdfium, text, codes, index):
            yield _line(pdfium, text, codes, start, index, is_hyphenated=False)
            start = index + 1
    yield _line(pdfium, text, codes, start, len(codes), is_hyphenated=False)


def _goes_to_next_line(pdfium: Any, text: Any, codes: list[int], blank: int) -> bool:
    """Whether a line ends at this blank: pdfium overlooks an end before so small a character as a bullet."""
    if not 0 < blank < len(codes) - 1 or codes[blank - 1] <= _BLANK or codes[blank + 1] <= _BLANK:
        return False
    (x_before, y_before), (x_after, y_after) = (_origin(pdfium, text, index) for index in (blank - 1, blank + 1))
    if x_after >= x_before or y_after >= y_before:
        return False
    size = _size(pdfium, text, blank + 1)
    return x_before - x_after > size and y_before - y_after > _NEXT_LINE * size


def _line(pdfium: Any, text: Any, codes: list[int], start: int, end: int, *, is_hyphenated: bool) -> Line:
    shown = [index for index in range(start, end) if codes[index] > _BLANK]
    if not shown:
        return Line("", 0, 0, 0, 0)
    first, middle, last = shown[0], shown[len(shown) // 2], shown[-1]
    x0, x1 = _sides(pdfium, text, first)[0], _sides(pdfium, text, last)[1]
    y0, y1 = _origin(pdfium, text, first)[1], _origin(pdfium, text, last)[1]
    sizes = sorted(_size(pdfium, text, index) for index in (first, middle, last))
    return Line(
        one_line("".join(map(_character, codes[start:end]))),
        x0=x0,
        x1=max(x1, x0),
        y=min(y0, y1),
        size=sizes[1],
        is_bold=all(_is_bold(pdfium, text, index) for index in (first, middle, last)),
        is_hyphenated=is_hyphenated,
        first_cell=_first_cell(pdfium, text, codes, shown, sizes[1]),
    )


def _first_cell(pdfium: Any, text: Any, codes: list[int], shown: list[int], size: float) -> str:
    if len(shown) > _MAX_CELLS_LINE:
        return ""
    for before, after in pairwise(shown):
        if after > before + 1 and _sides(pdfium, text, after)[0] - _sides(pdfium, text, before)[1] > _CELL_GAP * size:
            return one_line("".join(map(_character, codes[shown[0] : before + 1])))
    return ""


def _character(code: int) -> str:
    return _BULLETS.get(code) or _LIGATURES.get(code) or (chr(code) if 0 < code <= sys.maxunicode else "")


def _origin(pdfium: Any, text: Any, index: int) -> tuple[float, float]:
    """Where a character begins, on its baseline."""
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(text, index, x, y)
    return x.value, y.value


def _sides(pdfium: Any, text: Any, index: int) -> tuple[float, float]:
    """Left and right edge of a character's ink."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    pdfium.FPDFText_GetCharBox(text, index, left, right, bottom, top)
    return left.value, right.value


def _size(pdfium: Any, text: Any, index: int) -> float:
    """Size as drawn: the font's, scaled by the text matrix."""
    matrix = pdfium.FS_MATRIX()
    scale = 1.0
    if pdfium.FPDFText_GetMatrix(text, index, matrix):
        scale = (matrix.b**2 + matrix.d**2) ** 0.5 or 1.0
    return round(float(pdfium.FPDFText_GetFontSize(text, index)) * scale, 1)


def _is_bold(pdfium: Any, text: Any, index: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(text, index) >= _BOLD_WEIGHT:
        return True
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(text, index, name, len(name), flags)
    return bool(_BOLD_NAME.search(name.value))
