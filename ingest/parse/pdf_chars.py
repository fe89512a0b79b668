"""The characters of one PDF page with their places, by pdfium's raw interface."""

from __future__ import annotations

import ctypes
import re
import sys
from typing import Any

HYPHENS = frozenset({0x02, 0xFFFE})
"""What pdfium puts for a hyphen at the end of a line; the line break itself is left out then."""
LINE_ENDS = frozenset({0x0A, 0x0D})
BLANK = 0x20
_BULLETS = dict.fromkeys((0xF0B7, 0xF0A7, 0xF0D8, 0xF0FC, 0xF076, 0x25CF, 0x25AA, 0x2022, 0x25A0, 0x2043, 0x2219), "•")
_BULLETS |= {0xF06F: "◦", 0x25E6: "◦", 0x25CB: "◦"}
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_SHOWN = {**_BULLETS, **_LIGATURES, 0: None}
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|semib|demi", re.IGNORECASE)
_GARBLED_SHARE, _MIN_GARBLED = 0.3, 10
_TAB, _REPLACEMENT = 0x09, 0xFFFD
_PRIVATE_USE = range(0xE000, 0xF900)

Matrix = tuple[float, float, float, float, float, float]
"""As in PDF: a point (x, y) goes to (ax + cy + e, bx + dy + f)."""
Box = tuple[float, float, float, float]
"""Left, bottom, right and top edge, in points from the page's lower left corner."""


class Characters:
    """The characters of a page by index, in the order of the file; `codes` are their code points.

    Places are as the page is shown, also where it is shown turned.
    """

    def __init__(self, page: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._text = page.get_textpage()
        self.codes: list[int] = [
            pdfium.FPDFText_GetUnicode(self._text, index) for index in range(self._text.count_chars())
        ]
        self.turn = _turn(page)
        """From the page's own coordinates to those in which it is shown; None where they are the same."""
        self._string = "".join([chr(code) if code <= sys.maxunicode else "\0" for code in self.codes])
        self._numbers = [ctypes.c_double() for _ in range(4)]
        self._places = [ctypes.byref(number) for number in self._numbers]
        self._rectangle = pdfium.FS_RECTF()
        self._rectangle_place = ctypes.byref(self._rectangle)

    def close(self) -> None:
        self._text.close()

    def is_garbled(self) -> bool:
        """Whether the fonts do not map their characters to letters."""
        strange = sum(1 for code in self.codes if _is_strange(code))
        visible = sum(1 for code in self.codes if code > BLANK)
        return strange > _MIN_GARBLED and strange > _GARBLED_SHARE * max(visible, 1)

    def text(self, start: int, end: int) -> str:
        return self._string[start:end].translate(_SHOWN)

    def origin(self, index: int) -> tuple[float, float]:
        """Where a character begins, on its baseline."""
        self._pdfium.FPDFText_GetCharOrigin(self._text, index, *self._places[:2])
        x, y = self._numbers[0].value, self._numbers[1].value
        return turned(self.turn, x, y) if self.turn else (x, y)

    def sides(self, index: int) -> tuple[float, float]:
        """Left and right edge of a character's ink."""
        left, right, bottom, top = self._numbers
        self._pdfium.FPDFText_GetCharBox(self._text, index, *self._places)
        if self.turn:
            (x0, _), (x1, _) = turned(self.turn, left.value, bottom.value), turned(self.turn, right.value, top.value)
            return min(x0, x1), max(x0, x1)
        return left.value, right.value

    def box(self, index: int) -> Box:
        """The character with the room its font gives it."""
        box = self._rectangle
        self._pdfium.FPDFText_GetLooseCharBox(self._text, index, self._rectangle_place)
        if self.turn:
            (x0, y0), (x1, y1) = turned(self.turn, box.left, box.bottom), turned(self.turn, box.right, box.top)
            return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
        return box.left, box.bottom, box.right, box.top

    def size(self, index: int) -> float:
        """Size as drawn: the font's, scaled by the text matrix."""
        matrix = self._pdfium.FS_MATRIX()
        scale = 1.0
        if self._pdfium.FPDFText_GetMatrix(self._text, index, matrix):
            scale = (matrix.b**2 + matrix.d**2) ** 0.5 or 1.0
        return round(float(self._pdfium.FPDFText_GetFontSize(self._text, index)) * scale, 1)

    def is_bold(self, index: int) -> bool:
        if self._pdfium.FPDFText_GetFontWeight(self._text, index) >= _BOLD_WEIGHT:
            return True
        name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
        self._pdfium.FPDFText_GetFontInfo(self._text, index, name, len(name), flags)
        return bool(_BOLD_NAME.search(name.value))


def _turn(page: Any) -> Matrix | None:
    """Of a page that is shown turned clockwise."""
    width, height = page.get_size()
    match page.get_rotation():
        case 90:
            return 0, -1, 1, 0, 0, height
        case 180:
            return -1, 0, 0, -1, width, height
        case 270:
            return 0, 1, -1, 0, width, 0
    return None


def turned(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _is_strange(code: int) -> bool:
    """What a font without a map to Unicode gives: replacement and private-use characters, and control codes."""
    if code < BLANK:
        return code not in LINE_ENDS and code not in HYPHENS and code != _TAB
    return code == _REPLACEMENT or (code in _PRIVATE_USE and code not in _BULLETS)
