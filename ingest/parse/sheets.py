"""Rows of a spreadsheet as blocks: tables told apart, headers found, and every piece with its header and row numbers.

Excel workbooks and delimited text come here as `Row`s; what is written reads `Sheet > rows 2–21` in a citation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.types import Block, BlockKind
from ingest.parse.text import markdown_table, one_line, tidy

TEXT, NUMBER, DATE, BOLD = 0, 1, 2, 4
"""What a cell holds; `BOLD` is added to one of the others."""
BLOCK_ROWS, BLOCK_CHARACTERS = 20, 1200
_WIDE = 30
"""Columns; in tables with more, each piece leaves out those that are empty in it, so that sparse ones stay small."""
_LONGEST_NAME = 200
_LONGEST_CAPTION, _CAPTION_ROWS, _CAPTION_GAP = 120, 3, 2
_PROSE = 60
"""Characters of an average cell from which a single column is text rather than a list of values."""
_HEADER_ROWS = 4
_LOOKED_AT = 20
"""Rows below a possible header that are compared with it."""
_YEAR = re.compile(r"(?:1[89]|20|21)\d\d")
_NUMBER = re.compile(
    r"[-+(]?\s?[$€£¥]?\s?(?:\d{1,3}(?:[ ,.'’ ]\d{3})+|\d+)?(?:[.,]\d+)?(?:[eE][-+]?\d+)?\s?[%$€£¥]?\)?"
)
_DATE = re.compile(
    r"(?:\d{4}-\d\d?-\d\d?|\d{4}/\d\d?/\d\d?|\d\d?[./-]\d\d?[./-]\d{2,4})(?:[ T]\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d\d?:\d\d(?::\d\d)?"
)
_LONGEST_VALUE = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells that hold something: their columns (from 1, ascending), texts and kinds, one byte each."""

    number: int
    columns: tuple[int, ...]
    texts: tuple[str, ...]
    kinds: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """What a workbook knows beyond the cells: rows stated to be headers, and how far merged cells reach to the right."""

    header_rows: Collection[int] = ()
    spans: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """The last column of what is merged from a row and column on."""


@dataclass(frozen=True, slots=True)
class _Table:
    captions: tuple[str, ...]
    header: Mapping[int, str] | None
    """Names of columns; None for lines of text."""
    columns: tuple[int, ...]
    rows: Sequence[Row]


def kind_of(text: str) -> int:
    """What a cell without a type holds, by how it is written."""
    if len(text) > _LONGEST_VALUE or not any(character.isdigit() for character in text):
        return TEXT
    if _NUMBER.fullmatch(text):
        return NUMBER
    return DATE if _DATE.fullmatch(text) else TEXT


def column_name(number: int) -> str:
    """1 is A, 27 is AA."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


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
    previous: Mapping[int, str] = {}
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
            group, names, previous = [*names, *group], [], {}  # noqa: PLW2901
        lead, body = _lead(group)
        captions, titles = (), (*captions, *lead)
        columns = tuple(sorted({column for row in body for column in row.columns}))
        texts = tuple(one_line(row.texts[0]) for row in titles)
        if prose and len(columns) == 1 and body[0].number not in layout.header_rows and _is_prose(body):
            yield _Table(texts, None, columns, body)
            continue
        header, height = _header(body, columns, previous if not lead else {}, layout)
        previous = header
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


# ── headers ──────────────────────────────────────────────────────────────────────────────────────


def _header(
    rows: Sequence[Row], columns: Sequence[int], previous: Mapping[int, str], layout: Layout
) -> tuple[Mapping[int, str], int]:
    """The names of the columns and how many rows they take; 0 if the rows go on under the table above or have none."""
    below = rows[1 : _LOOKED_AT + 1]
    stated = rows[0].number in layout.header_rows
    is_strong = bool(below) and _stands_out(rows[0], below)
    if not stated:
        goes_on = bool(previous) and set(columns) <= set(previous)
        if goes_on and _named(rows[0]) == {c: n for c, n in previous.items() if c in rows[0].columns} and below:
            return previous, 1
        if goes_on and not is_strong:
            return previous, 0
        if not _looks_like_header(rows[0], below, len(columns)):
            return {column: column_name(column) for column in columns}, 0
    height = _height(rows, layout)
    return _names(rows[:height], layout), height


def _looks_like_header(row: Row, below: Sequence[Row], width: int) -> bool:
    """Distinct short texts over most columns; years and dates too, where those below are something else."""
    if not below or len(row.columns) < max(min(width, 2), width // 2):
        return False
    names = [text.casefold() for text in row.texts]
    if len(set(names)) < len(names) or max(map(len, names)) > _LONGEST_NAME:
        return False
    keys = [other.texts[0] for other in (row, *below) if other.texts]
    if width <= 2 and sum(key.rstrip().endswith(":") for key in keys) * 2 > len(keys):  # noqa: PLR2004 - names and values
        return False
    kinds = [kind & ~BOLD for kind in row.kinds]
    if TEXT not in kinds:
        return False
    return all(
        kind == TEXT or ((kind == DATE or _YEAR.fullmatch(text)) and not _is_like(column, kind, text, below))
        for column, text, kind in zip(row.columns, row.texts, kinds, strict=True)
    )


def _is_like(column: int, kind: int, text: str, below: Sequence[Row]) -> bool:
    """Whether most cells below hold the same kind of thing."""
    cells = [(each, row.kinds[i] & ~BOLD) for row in below for i, each in enumerate(row.columns) if each == column]
    texts = [row.texts[i] for row in below for i, each in enumerate(row.columns) if each == column]
    if kind == NUMBER and _YEAR.fullmatch(text):
        return sum(bool(_YEAR.fullmatch(other)) for other in texts) * 2 > len(texts)
    return sum(other == kind for _, other in cells) * 2 > len(cells)


def _stands_out(row: Row, below: Sequence[Row]) -> bool:
    """A header in the middle of a sheet: bold over what is not, or texts over numbers."""
    if all(kind & BOLD for kind in row.kinds) and not all(kind & BOLD for kind in below[0].kinds):
        return True
    if any(kind & ~BOLD != TEXT for kind in row.kinds):
        return False
    return any(
        kind & ~BOLD == NUMBER and column in row.columns
        for other in below
        for column, kind in zip(other.columns, other.kinds, strict=True)
    )


def _height(rows: Sequence[Row], layout: Layout) -> int:
    """Two rows and more where the upper one groups columns by merged cells."""
    height = 1
    while (
        height < min(_HEADER_ROWS, len(rows) - 1)
        and any((rows[height - 1].number, column) in layout.spans for column in rows[height - 1].columns)
        and all(
            kind & ~BOLD == TEXT or _YEAR.fullmatch(text)
            for text, kind in zip(rows[height].texts, rows[height].kinds, strict=True)
        )
    ):
        height += 1
    return height


def _names(rows: Sequence[Row], layout: Layout) -> Mapping[int, str]:
    names: dict[int, list[str]] = {}
    for row in rows:
        for column, text in zip(row.columns, row.texts, strict=True):
            last = layout.spans.get((row.number, column), column) if len(rows) > 1 else column
            for each in range(column, min(last, column + 100) + 1):
                parts = names.setdefault(each, [])
                if text not in parts:
                    parts.append(text)
    return {column: one_line(" / ".join(parts)) for column, parts in names.items()}


def _named(row: Row) -> dict[int, str]:
    return {column: one_line(text) for column, text in zip(row.columns, row.texts, strict=True)}


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
