"""The straight lines and the edges of shaded areas that are drawn on a PDF page."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ingest.parse.pdf_chars import Box, Matrix, turned

_MAX_OBJECTS, _MAX_POINTS, _MAX_RULINGS = 50_000, 20_000, 10_000
"""A page with more is a drawing, or was made to keep the reader busy."""
_MAX_DEPTH = 4
_THIN = 2.5
"""Points; a filled area so narrow is a line."""
_SHORTEST = 3.0
_LEVEL = 0.6
"""Points that the ends of a level line may differ in height."""
_PATH, _IMAGE, _FORM = 2, 3, 5
"""FPDF_PAGEOBJ_PATH, _IMAGE and _FORM in pdfium's fpdf_edit.h."""
_LINE_TO, _MOVE_TO = 0, 2
"""FPDF_SEGMENT_LINETO and FPDF_SEGMENT_MOVETO."""

_SAME: Matrix = (1, 0, 0, 1, 0, 0)
Span = tuple[float, float, float]
"""Of a level line its height, left and right end; of an upright one its place from the left, lower and upper end."""


@dataclass(slots=True)
class Rulings:
    """Lengths in points from the page's lower left corner."""

    level: list[Span] = field(default_factory=list)
    upright: list[Span] = field(default_factory=list)
    areas: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Shaded rectangles by left, bottom, right and top; their edges are among the lines."""
    pictures: list[Box] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.level) + len(self.upright)

    def line(self, x0: float, y0: float, x1: float, y1: float) -> None:
        if abs(y1 - y0) <= _LEVEL < _SHORTEST <= abs(x1 - x0):
            self.level.append(((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x1 - x0) <= _LEVEL < _SHORTEST <= abs(y1 - y0):
            self.upright.append(((x0 + x1) / 2, min(y0, y1), max(y0, y1)))

    def area(self, left: float, bottom: float, right: float, top: float) -> None:
        if top - bottom <= _THIN:
            self.line(left, (top + bottom) / 2, right, (top + bottom) / 2)
        elif right - left <= _THIN:
            self.line((left + right) / 2, bottom, (left + right) / 2, top)
        else:
            self.areas.append((left, bottom, right, top))
            self.frame(left, bottom, right, top)

    def frame(self, left: float, bottom: float, right: float, top: float) -> None:
        for y in (top, bottom):
            self.line(left, y, right, y)
        for x in (left, right):
            self.line(x, bottom, x, top)


def read_rulings(page: Any, turn: Matrix | None) -> Rulings:
    """Of a `pypdfium2.PdfPage`. No lines where there are too many: that is a drawing and no table."""
    import pypdfium2.raw as pdfium

    rulings = Rulings()
    points = 0
    for number, (matrix, drawn, kind) in enumerate(_objects(pdfium, page.raw, turn or _SAME)):
        if number > _MAX_OBJECTS:
            break
        if kind == _IMAGE:
            rulings.pictures.append(_picture(_times(_matrix(pdfium, drawn), matrix)))
        elif points <= _MAX_POINTS and len(rulings) <= _MAX_RULINGS:
            points += _add_path(pdfium, drawn, matrix, rulings)
    if points > _MAX_POINTS or len(rulings) > _MAX_RULINGS:
        return Rulings(pictures=rulings.pictures)
    return rulings


def _objects(pdfium: Any, page: Any, turn: Matrix) -> Iterator[tuple[Matrix, Any, int]]:
    """Paths and pictures, also those within forms, with what their coordinates are to be multiplied by."""
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _MAX_OBJECTS)):
        yield from _objects_of(pdfium, pdfium.FPDFPage_GetObject(page, index), turn, 1)


def _objects_of(pdfium: Any, drawn: Any, matrix: Matrix, depth: int) -> Iterator[tuple[Matrix, Any, int]]:
    kind = pdfium.FPDFPageObj_GetType(drawn)
    if kind in {_PATH, _IMAGE}:
        yield matrix, drawn, kind
    elif kind == _FORM and depth < _MAX_DEPTH:
        inner = _times(_matrix(pdfium, drawn), matrix)
        for index in range(min(pdfium.FPDFFormObj_CountObjects(drawn), _MAX_OBJECTS)):
            yield from _objects_of(pdfium, pdfium.FPDFFormObj_GetObject(drawn, index), inner, depth + 1)


def _picture(matrix: Matrix) -> Box:
    """A picture is drawn into the square from (0, 0) to (1, 1)."""
    corners = [turned(matrix, x, y) for x in (0, 1) for y in (0, 1)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _add_path(pdfium: Any, path: Any, matrix: Matrix, rulings: Rulings) -> int:
    """How many points were looked at."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not pdfium.FPDFPath_GetDrawMode(path, fill, stroke) or not (fill.value or stroke.value):
        return 1
    whole = _times(_matrix(pdfium, path), matrix)
    count = pdfium.FPDFPath_CountSegments(path)
    if count > _MAX_POINTS:
        return int(count)
    for points, is_straight, is_closed in _parts(pdfium, path, count, whole):
        if stroke.value:
            for before, after in pairwise(points):
                rulings.line(*before, *after)
            if is_closed:
                rulings.line(*points[-1], *points[0])
        elif is_straight and (edges := _rectangle(points)):
            rulings.area(*edges)
        if stroke.value and fill.value and is_straight and (edges := _rectangle(points)):
            rulings.areas.append(edges)
    return int(count)


def _parts(
    pdfium: Any, path: Any, count: int, matrix: Matrix
) -> Iterator[tuple[list[tuple[float, float]], bool, bool]]:
    """The parts of a path: corners, whether all its sides are straight, whether it is closed."""
    x, y = ctypes.c_float(), ctypes.c_float()
    points: list[tuple[float, float]] = []
    is_straight, is_closed = True, False
    for index in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(path, index)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == _MOVE_TO or is_closed:
            if points:
                yield points, is_straight, is_closed
            points, is_straight, is_closed = [], True, False
        if not pdfium.FPDFPathSegment_GetPoint(segment, x, y):
            continue
        if kind not in {_LINE_TO, _MOVE_TO}:
            if is_straight and points:
                yield points, False, False  # the straight sides before a round corner
            points, is_straight = [], False
        points.append(turned(matrix, x.value, y.value))
        is_closed = bool(pdfium.FPDFPathSegment_GetClose(segment)) and is_straight
    if points:
        yield points, is_straight, is_closed


def _rectangle(points: list[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    """Left, bottom, right and top of four corners with level and upright sides."""
    corners = points[:-1] if len(points) == 5 and points[0] == points[-1] else points  # noqa: PLR2004
    if len(corners) != 4:  # noqa: PLR2004
        return None
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    left, bottom, right, top = min(xs), min(ys), max(xs), max(ys)
    square = all(min(x - left, right - x) <= _LEVEL and min(y - bottom, top - y) <= _LEVEL for x, y in corners)
    return (left, bottom, right, top) if square else None


def _matrix(pdfium: Any, drawn: Any) -> Matrix:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(drawn, matrix):
        return _SAME
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)
