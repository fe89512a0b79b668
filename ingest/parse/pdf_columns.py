"""Tables without upright lines: columns are where no word of any row stands. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.parse.pdf_cells import Word, by_height
from ingest.parse.pdf_grid import Grid, plain_grid
from ingest.parse.pdf_rulings import Span

_EQUAL = 6.0
"""Points by which the ends of rules of one table may differ."""
_GAP = 0.55
"""Of the text's height: between two columns in all rows, at least."""
_MIN_RULES = 2
_MAX_COLUMNS = 30
_MAX_GROUPS = 200
"""Of rules on a page."""
_LOOSE = 1.3
"""Times the smallest distance of lines in a table: more parts rows."""
_NEAR = 2.2
"""Heights of a line between a table's outermost rule and a row outside of it, at most."""
_MANY_LINES = 3

Line = list[Word]
Strip = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Band:
    """The text between two rules."""

    top: float
    bottom: float
    lines: tuple[Line, ...]


def ruled_grids(rules: Sequence[Span], words: Sequence[Word]) -> Iterator[Grid]:
    """Grids of the tables whose rows only are ruled or shaded; `words` are those outside of other tables."""
    for group in _groups(rules):
        left, right = min(x0 for _, x0, _ in group), max(x1 for _, _, x1 in group)
        near = [word for word in words if left - _EQUAL <= word.x <= right + _EQUAL]
        yield from _tables(group, (left, right), by_height(near))


def _groups(rules: Sequence[Span]) -> list[list[Span]]:
    """Rules with the same ends, from the top down."""
    groups: list[list[Span]] = []
    for rule in sorted(rules, reverse=True):
        for group in groups:
            if abs(group[0][1] - rule[1]) <= _EQUAL and abs(group[0][2] - rule[2]) <= _EQUAL:
                group.append(rule)
                break
        else:
            if len(groups) < _MAX_GROUPS:
                groups.append([rule])
    return [group for group in groups if len(group) >= _MIN_RULES]


def _tables(rules: Sequence[Span], ends: Strip, lines: Sequence[Line]) -> Iterator[Grid]:
    heights = [-line[0].y for line in lines]
    bands = [
        _Band(top, bottom, tuple(lines[bisect_left(heights, -top) : bisect_right(heights, -bottom)]))
        for (top, _, _), (bottom, _, _) in pairwise(rules)
    ]
    run: list[_Band] = []
    columns: list[Strip] = []
    for band in bands:
        wider = strips([as_line(columns, band.lines[0]), *band.lines]) if run and band.lines else []
        is_tabular = len(strips(band.lines)) > 1
        if run and not (is_tabular and len(wider) > 1):
            yield from _grid(run, ends, lines)
            run = []
        if is_tabular:
            columns = wider if run else strips(band.lines)
            run.append(band)
    yield from _grid(run, ends, lines)


def strips(lines: Sequence[Line]) -> list[Strip]:
    """Left and right ends of the columns that no word leaves."""
    if not lines:
        return []
    spans = sorted((word.x0, word.x1) for line in lines for word in line)
    heights = sorted(word.height for line in lines for word in line)
    gap = _GAP * heights[len(heights) // 2]
    found: list[Strip] = []
    for start, end in spans:
        if found and start - found[-1][1] < gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _grid(run: Sequence[_Band], ends: Strip, lines: Sequence[Line]) -> Iterator[Grid]:
    if not run:
        return
    inside = [line for band in run for line in band.lines]
    columns = strips(inside)
    above = _outside(columns, [line for line in lines if line[0].y > run[0].top][::-1], run[0].top, _MANY_LINES)
    below = _outside(columns, [line for line in lines if line[0].y < run[-1].bottom], run[-1].bottom)
    columns = strips([*above, *inside, *below])
    if not 1 < len(columns) <= _MAX_COLUMNS:
        return
    edges = [*_tops(above[::-1]), *_inner(run, columns), *row_edges(below, columns)[1:]]
    if len(edges) > 2:  # noqa: PLR2004
        xs = [min(ends[0], columns[0][0]), *middles(columns), max(ends[1], columns[-1][1])]
        yield plain_grid(xs, edges)


def _inner(run: Sequence[_Band], columns: Sequence[Strip]) -> list[float]:
    """Edges of the rows between the rules. Where few rules are drawn, they part groups of rows."""
    edges = [run[0].top]
    many = len(run) > _MANY_LINES
    for band in run:
        if not many or _is_group(band.lines, columns):
            edges += row_edges(band.lines, columns)[1:-1]
        edges.append(band.bottom)
    return edges


def _is_group(lines: Sequence[Line], columns: Sequence[Strip]) -> bool:
    """Lines that nearly all have text in every column: rows of which only some are ruled."""
    return len(lines) > _MANY_LINES and sum(filled(line, columns) == len(columns) for line in lines) > 0.75 * len(lines)


def in_rows(lines: Sequence[Line], columns: Sequence[Strip]) -> list[list[Line]]:
    """Lines that are one row each, or several where cells go on: those stand closer, or leave the first column empty."""
    if len(lines) < 2:  # noqa: PLR2004
        return [list(lines)] if lines else []
    gaps = [upper[0].y - lower[0].y for upper, lower in pairwise(lines)]
    loose = _LOOSE * min(gaps)
    rows = [[lines[0]]]
    differ = max(gaps) > loose
    for gap, line in zip(gaps, lines[1:], strict=True):
        starts = line[0].x0 <= columns[0][1]
        begins = gap > loose if differ and not (starts and filled(line, columns) == len(columns)) else starts
        if begins:
            rows.append([line])
        else:
            rows[-1].append(line)
    return rows


def _outside(columns: Sequence[Strip], lines: Sequence[Line], edge: float, most: int | None = None) -> list[Line]:
    """Lines next to the outermost rule that keep to the columns: the first and last row often have no rule beyond."""
    found: list[Line] = []
    for line in lines[:most]:
        if abs(line[0].y - edge) > _NEAR * line[0].height or not keeps(line, columns):
            break
        found.append(line)
        edge = line[0].y
    while found and filled(found[-1], columns) < max(2, (len(columns) + 1) // 2):
        found.pop()
    return found


def row_edges(lines: Sequence[Line], columns: Sequence[Strip]) -> list[float]:
    """Edges of the rows of lines that nothing is drawn between, from the top down."""
    rows = in_rows(lines, columns)
    if not rows:
        return []
    inner = [(_low(upper[-1]) + _high(lower[0])) / 2 for upper, lower in pairwise(rows)]
    return [_high(rows[0][0]), *inner, _low(rows[-1][-1])]


def keeps(line: Line, columns: Sequence[Strip]) -> bool:
    return len(strips([as_line(columns, line), line])) == len(columns)


def as_line(columns: Sequence[Strip], like: Line) -> Line:
    """The columns as words as high as those of a line."""
    return [Word(0, 0, left, like[0].y0, right, like[0].y1) for left, right in columns]


def filled(line: Line, columns: Sequence[Strip]) -> int:
    return len({_column(word, columns) for word in line})


def _column(word: Word, columns: Sequence[Strip]) -> int:
    return bisect_right([left for left, _ in columns], word.x) - 1


def middles(columns: Sequence[Strip]) -> list[float]:
    return [(left[1] + right[0]) / 2 for left, right in pairwise(columns)]


def _tops(lines: Sequence[Line]) -> list[float]:
    """Upper edges of rows above the first rule, from the top down; they are one row, of one or more lines."""
    return [_high(lines[0])] if lines else []


def _low(line: Line) -> float:
    return min(word.y0 for word in line)


def _high(line: Line) -> float:
    return max(word.y1 for word in line)
