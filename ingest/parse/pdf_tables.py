"""Tables of a PDF page: from drawn lines and shades, and from columns of text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.parse.pdf_aligned import aligned_grids
from ingest.parse.pdf_cells import PageWords, Word, cell_text, fill, inside, read_words
from ingest.parse.pdf_chars import Box, Characters
from ingest.parse.pdf_columns import ruled_grids
from ingest.parse.pdf_grid import Cell, Grid, find_grids
from ingest.parse.pdf_rulings import read_rulings

_MIN_LINES = 3
_MIN_FILLED, _MIN_CELLS = 0.15, 3
_LONGEST_CELL = 1500
"""Characters on average of the filled cells; more, and the lines are a page's layout."""
_LOW, _HIGH = 0.2, 0.8
"""Of the page's height."""
_WIDE = 8.0
"""Points; an empty column at least so wide is one to be filled in, a narrower one the gap of a double line."""


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` from the top down, the header (if any) first; the lines of a cell are parted as in `pdf_cells`.

    `edges` are those of the columns, in points from the left of the page; `top` and `bottom` from its lower edge.
    """

    rows: tuple[tuple[str, ...], ...]
    edges: tuple[float, ...]
    top: float
    bottom: float
    has_head: bool = False
    """The first row looks unlike the others."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table, and the words that are in it."""

    table: Table
    words: tuple[Word, ...]


class PageTables:
    """Looks for the tables of a `pypdfium2.PdfPage` of that height in points."""

    def __init__(self, page: Any, chars: Characters, height: float) -> None:
        self._page = page
        self._chars = chars
        self._edges = (_LOW * height, _HIGH * height)
        self._text: PageWords | None = None
        self._taken: set[int] = set()
        self.pictures: tuple[Box, ...] = ()
        """Those of the page; known after `drawn`."""

    def drawn(self) -> list[Found]:
        """Those with lines or shades, in the order of the file."""
        rulings = read_rulings(self._page, self._chars.turn)
        self.pictures = tuple(rulings.pictures)
        lines = find_grids(rulings) if len(rulings) >= _MIN_LINES else None
        if not lines or not (lines.grids or lines.rules):
            return []
        text = self._text = read_words(self._chars)
        found = list(_tables(lines.grids, text, self._taken, self._edges))
        return [*found, *_tables(ruled_grids(lines.rules, self._free(text)), text, self._taken)]

    def aligned(self) -> list[Found]:
        """Those without. To be called after `drawn`, whose words are no longer looked at."""
        text = self._text or read_words(self._chars)
        return list(_tables(aligned_grids(self._free(text), text), text, self._taken))

    def _free(self, text: PageWords) -> list[Word]:
        return [word for word in text.words if word.start not in self._taken]


def _tables(
    grids: Iterable[Grid], text: PageWords, taken: set[int], edges: tuple[float, float] = (-math.inf, math.inf)
) -> Iterator[Found]:
    """Those that end lower or begin higher than `edges` may have one row: the others may be on the next page."""
    for grid in grids:
        words = [word for word in inside(grid, text.words) if word.start not in taken]
        least = 1 if grid.ys[-1] < edges[0] or grid.ys[0] > edges[1] else 2
        table = _table(grid, text, words, least) if words else None
        if table:
            taken.update(word.start for word in words)
            yield Found(table, tuple(words))


def _table(grid: Grid, text: PageWords, words: Sequence[Word], least: int) -> Table | None:
    cells = fill(grid, text, words)
    texts = {cell: cell_text(text, found) for cell, found in cells.items()}
    rows = [row for row in range(grid.rows) if any(owner in texts for owner in grid.owners[row])]
    columns = [
        column
        for column in range(grid.columns)
        if grid.xs[column + 1] - grid.xs[column] >= _WIDE or any((row, column) in texts for row in rows)
    ]
    if len(rows) < least or not _is_table(grid, rows, columns, texts):
        return None
    edges = (*(grid.xs[column] for column in columns), grid.xs[columns[-1] + 1])
    filled = tuple(tuple(_value(grid, texts, row, column) for column in columns) for row in rows)
    return Table(filled, edges, grid.ys[0], grid.ys[-1], _has_head(grid, cells, rows, text.chars))


def _value(grid: Grid, texts: Mapping[Cell, str], row: int, column: int) -> str:
    """A cell over several columns stands in the first of them, one over several rows in each."""
    owner = grid.owners[row][column]
    return texts.get(owner, "") if owner[1] == column else ""


def _is_table(grid: Grid, rows: Sequence[int], columns: Sequence[int], texts: Mapping[Cell, str]) -> bool:
    across = {column for _, column in texts}
    cells = {grid.owners[row][column] for row in rows for column in columns}
    characters = sum(map(len, texts.values()))
    return (
        len(columns) > 1
        and len(across) > 1
        and len(texts) >= max(min(_MIN_CELLS, len(rows) + 1), _MIN_FILLED * len(cells))
        and characters <= _LONGEST_CELL * len(texts)
    )


def _has_head(grid: Grid, cells: Mapping[Cell, Sequence[Word]], rows: Sequence[int], chars: Characters) -> bool:
    """Whether the first row is bold and the second one is not."""

    def is_bold(row: int) -> bool:
        words = [cells[owner][0] for owner in dict.fromkeys(grid.owners[row]) if owner in cells]
        return bool(words) and all(chars.is_bold(word.start) for word in words)

    return len(rows) > 1 and is_bold(rows[0]) and not is_bold(rows[1])
