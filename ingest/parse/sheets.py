"""Rows of a spreadsheet as blocks: tables told apart, headers found, and every piece with its header and row numbers.

Excel workbooks and delimited text come here as `Row`s; what is written reads `Sheet > rows 2–21` in a citation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.types import Block, BlockKind
from ingest.parse.sheet_headers import Above, find_header
from ingest.parse.sheet_rows import BOLD, TEXT, Layout, Row
from ingest.parse.text import markdown_table, one_line, tidy

BLOCK_ROWS, BLOCK_CHARACTERS = 20, 1200
_WIDE = 30
"""Columns; in tables with more, each piece leaves out those that are empty in it, so that sparse ones stay small."""
_LONGEST_CAPTION, _CAPTION_ROWS, _CAPTION_GAP = 120, 3, 2
_PROSE = 60
"""Characters of an average cell from which a single column is text rather than a list of values."""


@dataclass(frozen=True, slots=True)
class _Table:
    captions: tuple[str, ...]
    header: Mapping[int, str] | None
    """Names of columns; None for lines of text."""
    columns: tuple[int, ...]
    rows: Sequence[Row]


def sheet_blocks(
    rows: Sequence[Row], level: int, layout: Layout | None = None, *, prose: bool = True
) -> Iterator[Block]:
    """The blocks of a sheet; `level` is that of the headings with row numbers.

    With `prose`, single columns of long or few cells are written as text.
    """
    for table in _tables(rows, layout or Layout(), prose=prose):
        below = level
        if table.captions and len(table.captions) == 1 and len(table.captions[0]) <= _LONGEST_CAPTION:
            yield Block(table.captions[0], BlockKind.HEADING, level)
            below = level + 1
        for number, part in enumerate(_parts(table)):
            yield Block(_range(part), BlockKind.HEADING, below)
            if number == 0 and below == level and table.captions:
                yield Block("\n".join(table.captions))
            yield _block(table, part)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def _tables(rows: Sequence[Row], layout: Layout, *, prose: bool) -> Iterator[_Table]:
    above = Above()
    captions: tuple[Row, ...] = ()
    names: list[Row] = []
    groups = list(_groups(rows))
    for place, group in enumerate(groups):
        following = groups[place + 1] if place + 1 < len(groups) else []
        if prose and _is_caption(group, following):
            captions = (*captions, *group)
            continue
        if _is_lone_header(group, following, layout):
            names = group
            continue
        if names:
            group, names, above = [*names, *group], [], Above()  # noqa: PLW2901
        lead, body = _lead(group)
        if lead:
            above = Above()
        is_titled = bool(captions)
        captions, titles = (), (*captions, *lead)
        columns = tuple(sorted({column for row in body for column in row.columns}))
        texts = tuple(one_line(row.texts[0]) for row in titles)
        if prose and len(columns) == 1 and body[0].number not in layout.header_rows and _is_prose(body):
            yield _Table(texts, None, columns, body)
            continue
        header, height = find_header(body, columns, above, layout, is_titled=is_titled)
        above = above.then(header, body[height:])
        filled = {column for row in body[height:] for column in row.columns}
        named = tuple(column for column in columns if height == 0 or column in filled or header.get(column))
        yield _Table(texts, header, named, body[height:] or body)


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows without an empty one between them."""
    group: list[Row] = []
    for row in rows:
        if group and row.number > group[-1].number + 1:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _is_caption(group: Sequence[Row], following: Sequence[Row]) -> bool:
    """A line or two of text closely above a table."""
    is_text = len(group) <= _CAPTION_ROWS and all(len(row.columns) == 1 for row in group)
    if not is_text or not following or following[0].number - group[-1].number > _CAPTION_GAP:
        return False
    return any(len(row.columns) > 1 for row in following[: _CAPTION_ROWS + 1])


def _is_lone_header(group: Sequence[Row], following: Sequence[Row], layout: Layout) -> bool:
    """Names closely above rows of values without names of their own, with an empty row between."""
    if len(group) != 1 or not following or following[0].number - group[0].number > _CAPTION_GAP:
        return False
    row, first = group[0], following[0]
    if first.number in layout.header_rows:
        return False
    is_named = len(row.columns) > 1 and all(kind & ~BOLD == TEXT for kind in row.kinds)
    return is_named and set(first.columns) <= set(row.columns) and any(kind & ~BOLD != TEXT for kind in first.kinds)


def _lead(group: list[Row]) -> tuple[list[Row], list[Row]]:
    """Lines of text at the top of a table, and the table."""
    wide = next((place for place, row in enumerate(group) if len(row.columns) > 1), 0)
    return (group[:wide], group[wide:]) if wide <= _CAPTION_ROWS else ([], group)


def _is_prose(rows: Sequence[Row]) -> bool:
    return len(rows) <= 2 or sum(len(row.texts[0]) for row in rows) > _PROSE * len(rows)  # noqa: PLR2004 - a note


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────


def _parts(table: _Table) -> Iterator[list[Row]]:
    """Rows that stand in a block together."""
    part: list[Row] = []
    size = 0
    for row in table.rows:
        length = sum(map(len, row.texts)) + 3 * len(table.columns[:_WIDE])
        if part and (len(part) >= BLOCK_ROWS or size + length > BLOCK_CHARACTERS):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _range(rows: Sequence[Row]) -> str:
    first, last = rows[0].number, rows[-1].number
    return f"row {first}" if first == last else f"rows {first}–{last}"


def _block(table: _Table, rows: Sequence[Row]) -> Block:
    if table.header is None:
        return Block("\n".join(tidy(row.texts[0]) for row in rows))
    columns: Sequence[int] = table.columns
    if len(columns) > _WIDE:
        columns = sorted({column for row in rows for column in row.columns})
    lines = [[table.header.get(column, "") for column in columns]]
    for row in rows:
        cells = dict(zip(row.columns, row.texts, strict=True))
        lines.append([cells.get(column, "") for column in columns])
    return Block(markdown_table(lines), BlockKind.TABLE)
