"""Tables that nothing is drawn around: lines of short texts that stand in columns. Pure.

Columns of prose, lists, forms and tables of contents look alike, so this finds too few tables rather than too many: what is
not found stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from ingest.parse.pdf_cells import PageWords, Word, by_height
from ingest.parse.pdf_columns import Line, Strip, as_line, filled, in_rows, middles, row_edges, strips
from ingest.parse.pdf_grid import Grid, plain_grid

_MIN_ROWS, _MIN_COLUMNS, _MAX_COLUMNS = 3, 3, 30
_WIDE = 0.9
"""Of the text's height: between two columns, at least, in the line that opens a table."""
_FAR = 3.2
"""Heights of a line between two of one table, at most."""
_OUTERMOST = 1
"""Lines above or below, at most, for a table to be at the top or bottom of its page: headers and page numbers."""
_MIN_FILLED = 0.6
_LONGEST_TEXT, _MOST_WORDS = 30, 4
"""The median of cells may have so many characters, and words."""
_FULL_WIDTH, _MAX_FULL = 0.85, 0.6
"""Lines of prose fill so much of their column; tables with more such cells are none."""
_MAX_ALONE = 2
_NUMBER = re.compile(r"\W*\d[\d.,'’/: -]*\W*\w{0,3}")


def aligned_grids(words: Sequence[Word], page: PageWords) -> Iterator[Grid]:
    """Grids of tables among words that are in no other table."""
    lines = by_height(words)
    start = 0
    while start < len(lines):
        end = _run(lines, start)
        columns = strips(lines[start:end])
        is_outermost = start <= _OUTERMOST or end >= len(lines) - _OUTERMOST
        if _is_table(lines[start:end], columns, page, is_outermost=is_outermost):
            edges = row_edges(lines[start:end], columns)
            yield plain_grid([columns[0][0] - 1, *middles(columns), columns[-1][1] + 1], edges)
            start = end
        else:
            start += max(1, (end - start) // 4)  # not one by one, which takes long on a page made to take long


def _run(lines: Sequence[Line], start: int) -> int:
    """One past the last line that may be of a table that begins with the line `start`."""
    columns = _segments(lines[start])
    if len(columns) < _MIN_COLUMNS - 1:
        return start + 1
    end, last, alone = start + 1, start + 1, 0
    while end < len(lines) and _is_near(lines[end - 1], lines[end]):
        wider = strips([as_line(columns, lines[end]), lines[end]])
        if len(wider) < max(len(columns) - 1, _MIN_COLUMNS - 1) or _merges(columns, wider):
            break
        columns = wider
        alone = alone + 1 if len(_segments(lines[end])) == 1 else 0
        if alone > _MAX_ALONE:
            break
        end += 1
        if not alone:
            last = end
    goes_on = alone <= _MAX_ALONE and all(line[0].x0 > columns[0][1] for line in lines[last:end])
    return end if goes_on else last


def _merges(columns: Sequence[Strip], wider: Sequence[Strip]) -> bool:
    """Whether two columns that were apart are one now."""
    return any(sum(left - 0.01 <= column[0] <= right for column in columns) > 1 for left, right in wider)


def _segments(line: Line) -> list[Strip]:
    found = [(line[0].x0, line[0].x1)]
    for word in line[1:]:
        if word.x0 - found[-1][1] >= _WIDE * word.height:
            found.append((word.x0, word.x1))
        else:
            found[-1] = (found[-1][0], max(found[-1][1], word.x1))
    return found


def _is_near(upper: Line, lower: Line) -> bool:
    return upper[0].y - lower[0].y <= _FAR * max(upper[0].height, lower[0].height)


def _is_table(lines: Sequence[Line], columns: Sequence[Strip], page: PageWords, *, is_outermost: bool) -> bool:
    """Two rows without a gap suffice at the top and bottom of a page: the others may be on the next one."""
    if not _MIN_COLUMNS <= len(columns) <= _MAX_COLUMNS or len(lines) < _MIN_ROWS - is_outermost:
        return False
    rows = in_rows(lines, columns)
    shares = [filled([word for line in row for word in line], columns) / len(columns) for row in rows]
    if len(rows) < _MIN_ROWS and not (is_outermost and len(rows) > 1 and min(shares) == 1):
        return False
    if sum(shares) / len(shares) < _MIN_FILLED:
        return False
    return _has_short_cells(lines, columns, page) and not _is_prose(lines, columns)


def _cells(lines: Sequence[Line], columns: Sequence[Strip]) -> Iterator[tuple[Strip, Line]]:
    for line in lines:
        for left, right in columns:
            if words := [word for word in line if left - 1 <= word.x <= right + 1]:
                yield (left, right), words


def _has_short_cells(lines: Sequence[Line], columns: Sequence[Strip], page: PageWords) -> bool:
    cells = [words for _, words in _cells(lines, columns)]
    texts = [" ".join(map(page.text, words)) for words in cells]
    return median(map(len, texts)) <= _LONGEST_TEXT and median(map(len, cells)) <= _MOST_WORDS


def _is_prose(lines: Sequence[Line], columns: Sequence[Strip]) -> bool:
    """Whether in most columns most lines are full of words."""
    return sum(_is_column_of_prose(lines, column) for column in columns) >= len(columns) / 2


def _is_column_of_prose(lines: Sequence[Line], column: Strip) -> bool:
    cells = [words for _, words in _cells(lines, [column])]
    left, right = column
    full = [words for words in cells if len(words) > 2 and words[-1].x1 - words[0].x0 >= _FULL_WIDTH * (right - left)]  # noqa: PLR2004
    return len(full) > _MAX_FULL * len(cells)
