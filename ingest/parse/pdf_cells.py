"""Words of a PDF page, and which cell of a grid they stand in. Pure but for the reading of places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.parse.pdf_chars import BLANK, HYPHENS, Box, Characters
from ingest.parse.pdf_grid import Cell, Grid

BROKEN = "\u00ad\n"
"""Between two lines of a cell with a word across them."""
_APART = 0.12
"""Of the height: between the letters left and right of a line, at least, for them to be two words."""
_JUMP = 1.0
"""Of the height: a gap within a word; it is two, although the file has no blank there."""
_SAME_LINE = 0.5


@dataclass(frozen=True, slots=True)
class Word:
    """Characters `start` to before `end`, and the room they take."""

    start: int
    end: int
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def x(self) -> float:
        return (self.x0 + self.x1) / 2

    @property
    def y(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def height(self) -> float:
        return self.y1 - self.y0


@dataclass(frozen=True, slots=True)
class PageWords:
    """The words of a page in the order of the file, and the place of each character."""

    chars: Characters
    words: tuple[Word, ...]
    boxes: Mapping[int, Box]

    def text(self, word: Word) -> str:
        return self.chars.text(word.start, word.end)


def read_words(chars: Characters) -> PageWords:
    boxes: dict[int, Box] = {}
    words: list[Word] = []
    start: int | None = None
    for index, code in enumerate(chars.codes):
        if code <= BLANK or code in HYPHENS:
            if start is not None:
                words.append(_word(start, index, boxes))
                start = None
            continue
        box = boxes[index] = chars.box(index)
        if start is not None and _jumps(boxes[index - 1], box):
            words.append(_word(start, index, boxes))
            start = None
        if start is None:
            start = index
    if start is not None:
        words.append(_word(start, len(chars.codes), boxes))
    return PageWords(chars, tuple(words), boxes)


def _word(start: int, end: int, boxes: Mapping[int, Box]) -> Word:
    found = [boxes[index] for index in range(start, end)]
    lefts, bottoms, rights, tops = zip(*found, strict=True)
    return Word(start, end, min(lefts), min(bottoms), max(rights), max(tops))


def _jumps(before: Box, after: Box) -> bool:
    height = max(before[3] - before[1], after[3] - after[1])
    return after[0] - before[2] > _JUMP * height or abs(after[1] - before[1]) > _JUMP * height


def inside(grid: Grid, words: Sequence[Word]) -> list[Word]:
    return [word for word in words if grid.contains(word.x, word.y)]


def fill(grid: Grid, page: PageWords, words: Sequence[Word]) -> dict[Cell, list[Word]]:
    """The words of each cell, under its upper left row and column."""
    cells: defaultdict[Cell, list[Word]] = defaultdict(list)
    for word in words:
        for part in _parts(grid, page, word):
            row, column = grid.place(part.x, part.y)
            cells[grid.owners[row][column]].append(part)
    return dict(cells)


def _parts(grid: Grid, page: PageWords, word: Word) -> list[Word]:
    """The word, or its parts where lines run through gaps between its letters."""
    row = grid.row(word.y)
    first, last = grid.column(word.x0), grid.column(word.x1)
    if grid.owners[row][first] == grid.owners[row][last]:
        return [word]
    cuts = [index for edge in grid.xs[first + 1 : last + 1] if (index := _cut(page, word, edge)) is not None]
    ends = [word.start, *dict.fromkeys(cuts), word.end]
    return [_word(start, end, page.boxes) for start, end in pairwise(ends)]


def _cut(page: PageWords, word: Word, edge: float) -> int | None:
    """The first character right of the edge, if there is a gap before it."""
    for index in range(word.start + 1, word.end):
        before, after = page.boxes[index - 1], page.boxes[index]
        if before[2] <= edge + 1 and after[0] >= edge - 1 and after[0] - before[2] >= _APART * word.height:
            return index
    return None


def cell_text(page: PageWords, words: Sequence[Word]) -> str:
    """Lines of a cell, parted by line ends or `BROKEN`."""
    lines = in_lines(words)
    parts: list[str] = []
    for index, line in enumerate(lines):
        parts.append(_line_text(page, line))
        if _is_broken(page, line[-1]):
            goes_on = index + 1 < len(lines) and lines[index + 1][0].start <= line[-1].end + 3
            parts.append(BROKEN if goes_on else "-\n")
        else:
            parts.append("\n")
    return "".join(parts).strip("\n")


def _line_text(page: PageWords, line: Sequence[Word]) -> str:
    text = page.text(line[0])
    for before, word in pairwise(line):
        text += ("" if before.end == word.start else " ") + page.text(word)
    return text


def _is_broken(page: PageWords, word: Word) -> bool:
    return word.end < len(page.chars.codes) and page.chars.codes[word.end] in HYPHENS


def in_lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words by line from the top down; in each from left to right, unless the file has them in another order."""
    lines: list[list[Word]] = []
    for word in words:
        line = lines[-1] if lines else None
        if line and abs(line[-1].y - word.y) <= _SAME_LINE * max(word.height, line[-1].height):
            line.append(word)
        else:
            lines.append([word])
    if all(upper[0].y >= lower[0].y for upper, lower in pairwise(lines)):
        return lines
    return by_height(words)


def by_height(words: Sequence[Word]) -> list[list[Word]]:
    """Words by line from the top down, each from left to right, whatever their order in the file."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: -word.y):
        line = lines[-1] if lines else None
        if line and abs(line[0].y - word.y) <= _SAME_LINE * min(word.height, line[0].height):
            line.append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda word: word.x0) for line in lines]
