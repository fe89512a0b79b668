"""Drawn lines to grids of cells. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.parse.pdf_rulings import Rulings, Span

_SNAP = 2.5
"""Points between two lines that are meant as one: double lines, the edges of neighbouring shaded cells."""
_TOUCH = 3.0
"""Points by which a line may end short of the one it meets."""
_COVERED = 0.6
"""Of a cell's side, at least, where there is a line between it and its neighbour."""
_MAX_CROSSINGS = 400_000
_MAX_CELLS = 20_000
_MAX_GRIDS = 200
"""On a page; the largest ones are kept."""

Cell = tuple[int, int]
"""Row and column, from 0 at the upper left."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`xs` are the edges of columns from left to right, `ys` those of rows from the top down.

    `owners` gives for each row and column the upper left one of the cell that covers it.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    owners: tuple[tuple[Cell, ...], ...]

    @property
    def columns(self) -> int:
        return len(self.xs) - 1

    @property
    def rows(self) -> int:
        return len(self.ys) - 1

    def contains(self, x: float, y: float) -> bool:
        return self.xs[0] <= x <= self.xs[-1] and self.ys[-1] <= y <= self.ys[0]

    def place(self, x: float, y: float) -> Cell:
        """Row and column of a point inside."""
        return self.row(y), self.column(x)

    def column(self, x: float) -> int:
        return min(max(bisect_right(self.xs, x) - 1, 0), self.columns - 1)

    def row(self, y: float) -> int:
        return min(max(bisect_right(self.ys, -y, key=lambda edge: -edge) - 1, 0), self.rows - 1)


@dataclass(frozen=True, slots=True)
class Lines:
    """What is drawn on a page: grids, and the level lines that belong to none, from the top down."""

    grids: tuple[Grid, ...]
    rules: tuple[Span, ...]


def find_grids(rulings: Rulings) -> Lines:
    level, upright = _merged(rulings.level), _merged(rulings.upright)
    if len(level) * len(upright) > _MAX_CROSSINGS:
        return Lines((), ())
    grids: list[Grid] = []
    rules: list[Span] = []
    for lines, posts in _components(level, upright):
        grid = _grid(lines, posts) if len(posts) > 1 or len(lines) > 1 else None
        if grid is None:
            rules.extend(lines)
        else:
            grids.append(grid)
    grids.sort(key=lambda grid: -grid.rows * grid.columns)
    return Lines(tuple(grids[:_MAX_GRIDS]), tuple(sorted(rules, reverse=True)))


def plain_grid(xs: Sequence[float], ys: Sequence[float]) -> Grid:
    """One without merged cells."""
    owners = tuple(tuple((row, column) for column in range(len(xs) - 1)) for row in range(len(ys) - 1))
    return Grid(tuple(xs), tuple(ys), owners)


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Lines at one place that overlap or nearly touch, as one."""
    result: list[Span] = []
    for group in _clusters(sorted(spans)):
        place = sum(span[0] for span in group) / len(group)
        start, end = 0.0, -1.0
        for _, low, high in sorted(group, key=lambda span: span[1]):
            if end < start or low > end + _TOUCH:
                if end > start:
                    result.append((place, start, end))
                start, end = low, high
            end = max(end, high)
        result.append((place, start, end))
    return result


def _clusters(spans: Sequence[Span]) -> Iterable[list[Span]]:
    group: list[Span] = []
    for span in spans:
        if group and span[0] - group[-1][0] > _SNAP:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _components(level: Sequence[Span], upright: Sequence[Span]) -> list[tuple[list[Span], list[Span]]]:
    """Level and upright lines that meet, directly or through others."""
    parents = list(range(len(level) + len(upright)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for post, (x, low, high) in enumerate(upright, len(level)):
        for line, (y, left, right) in enumerate(level):
            if left - _TOUCH <= x <= right + _TOUCH and low - _TOUCH <= y <= high + _TOUCH:
                parents[root(post)] = root(line)
    groups: defaultdict[int, tuple[list[Span], list[Span]]] = defaultdict(lambda: ([], []))
    for index, span in enumerate([*level, *upright]):
        groups[root(index)][index >= len(level)].append(span)
    return list(groups.values())


def _grid(level: Sequence[Span], upright: Sequence[Span]) -> Grid | None:
    """None where there is but one column or one row."""
    xs = _edges([x for x, _, _ in upright], [(left, right) for _, left, right in level])
    ys = _edges([y for y, _, _ in level], [(low, high) for _, low, high in upright])[::-1]
    if len(xs) < 3 or len(ys) < 2 or len(xs) * len(ys) > _MAX_CELLS:  # noqa: PLR2004
        return None
    return Grid(tuple(xs), tuple(ys), _owners(xs, ys, level, upright))


def _edges(places: Sequence[float], ends: Sequence[tuple[float, float]]) -> list[float]:
    """Places of lines, and where the lines across them reach farther: a table may have no frame."""
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > _SNAP:
            found.append(place)
    low, high = min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=0.0)
    if ends and (not found or low < found[0] - 2 * _TOUCH):
        found.insert(0, low)
    if ends and high > found[-1] + 2 * _TOUCH:
        found.append(high)
    return found


def _owners(
    xs: Sequence[float], ys: Sequence[float], level: Sequence[Span], upright: Sequence[Span]
) -> tuple[tuple[Cell, ...], ...]:
    posts, lines = _at(xs, upright), _at(ys, level)
    owners: list[list[Cell]] = []
    for row, (top, bottom) in enumerate(pairwise(ys)):
        owners.append([])
        for column, (left, right) in enumerate(pairwise(xs)):
            owner = (row, column)
            if column and not _is_covered(posts[column], bottom, top):
                owner = owners[row][column - 1]
            elif row and not _is_covered(lines[row], left, right):
                owner = owners[row - 1][column]
            owners[row].append(owner)
    return tuple(map(tuple, owners))


def _at(places: Sequence[float], spans: Sequence[Span]) -> list[list[Span]]:
    """For each place, the lines that run there."""
    found: list[list[Span]] = [[] for _ in places]
    for span in spans:
        for index, place in enumerate(places):
            if abs(span[0] - place) <= _SNAP:
                found[index].append(span)
    return found


def _is_covered(spans: Sequence[Span], start: float, end: float) -> bool:
    covered = sum(max(0.0, min(high, end) - max(low, start)) for _, low, high in spans)
    return covered >= _COVERED * (end - start)
