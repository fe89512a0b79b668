"""Tables in Markdown as Discord can show them, which has none: as aligned text in blocks of code. Pure."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WIDTH = 64
"""Columns of text: what a block of code shows in a window of middle size without wrapping its lines."""
CHUNK = 1700
"""Characters of one block of code, so that none is cut, and each begins with the header."""
_NARROWEST = 8
_GAP = "  "

# https://github.github.com/gfm/#tables-extension-
_RULE = re.compile(r"(?=[^\n]*\|)[ \t>]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+$")
_BAR = re.compile(r"(?<!\\)\|")
_BREAK_TAG = re.compile(r"[ \t]*<br\s*/?>[ \t]*", re.IGNORECASE)
_MARKS = re.compile(r"\*\*|~~|`++")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class _Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    to_right: tuple[bool, ...]


def without_tables(text: str, change: Callable[[str], str]) -> Iterator[tuple[str, bool]]:
    """Text that has no fenced code, in parts: each with whether it is a block of code, which a table has become.

    :param change: what to make of the text of a cell.
    """
    lines = text.split("\n")
    held: list[str] = []
    index = 0
    while index < len(lines):
        end = _end_of_table(lines, index)
        if not end:
            held.append(lines[index])
            index += 1
            continue
        if held:
            yield "\n".join(held) + "\n", False
        yield from _shown(_read(lines[index:end], change), is_last=end == len(lines))
        held, index = [], end
    if held:
        yield "\n".join(held), False


def unfinished_table(lines: Sequence[str]) -> int:
    """How many lines at the end are a table of which too little has been written to show it."""
    count = 0
    while count < len(lines) and lines[-1 - count].lstrip(" \t>").startswith("|"):
        count += 1
    # With its rule, all but the last row can be shown.
    return min(count, 1) if any(map(_RULE.match, lines[len(lines) - count : -1])) else count


def _end_of_table(lines: Sequence[str], index: int) -> int:
    """0 where none begins."""
    if "|" not in lines[index] or index + 1 == len(lines) or not _RULE.match(lines[index + 1]):
        return 0
    end = index + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    return end


def _read(lines: Sequence[str], change: Callable[[str], str]) -> _Table:
    header, rule, *rows = (_cells(line) for line in lines)
    count = len(header)

    def row(cells: Sequence[str]) -> tuple[str, ...]:
        padded = [*cells, *[""] * (count - len(cells))]
        return tuple(_plain(change(cell)) for cell in [*padded[: count - 1], " | ".join(padded[count - 1 :])])

    to_right = [cell.endswith(":") and not cell.startswith(":") for cell in rule]
    return _Table(row(header), tuple(map(row, rows)), tuple([*to_right, *[False] * count][:count]))


def _cells(line: str) -> list[str]:
    bare = line.lstrip(" \t>").removeprefix("|").rstrip()
    bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
    return [cell.strip() for cell in _BAR.split(bare)]


def _plain(cell: str) -> str:
    """Without the marks that would be seen in code."""
    return _ESCAPED.sub(r"\1", _MARKS.sub("", _BREAK_TAG.sub("\n", cell))).strip()


def _shown(table: _Table, *, is_last: bool) -> Iterator[tuple[str, bool]]:
    end = "" if is_last else "\n"
    widths = _widths(table)
    if widths:
        head = [*_lines(table.header, widths, table.to_right), _GAP.join("─" * width for width in widths)]
        rows = [_lines(row, widths, table.to_right) for row in table.rows]
        room = CHUNK - _size(head)
        if room > 0 and all(_size(row) <= room for row in rows):
            blocks = ["\n".join(["```", *head, *chunk, "```"]) for chunk in _chunks(rows, room)]
            yield "\n".join(blocks) + end, True
            return
    yield "\n".join(map(_record, [table.header] * len(table.rows), table.rows)) + end, False


def _size(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _chunks(rows: Sequence[list[str]], room: int) -> Iterator[list[str]]:
    # Where cells take several lines, an empty one tells where a row ends.
    gap = [""] if any(len(row) > 1 for row in rows) else []
    held: list[str] = []
    for row in rows:
        if held and _size([*held, *gap, *row]) > room:
            yield held
            held = []
        held = [*held, *(gap if held else []), *row]
    yield held


def _record(header: Sequence[str], row: Sequence[str]) -> str:
    """A row of a table that is too wide, in a line."""
    first, *others = (" ".join(cell.split()) for cell in row)
    names = [" ".join(name.split()) for name in header]
    said = [f"{name}: {cell}" if name else cell for name, cell in zip(names[1:], others, strict=True) if cell]
    title = f"**{first}**" if first else ""
    return f"- {'; '.join(filter(None, [title, *said]))}"


def _widths(table: _Table) -> list[int]:
    """Of the columns; empty where they do not fit beside one another."""
    columns = list(zip(table.header, *table.rows, strict=True))
    widths = [max(_width(line) for cell in column for line in cell.split("\n")) for column in columns]
    room = WIDTH - len(_GAP) * (len(widths) - 1)
    if sum(min(width, _NARROWEST) for width in widths) > room:
        return []
    return _shrunk(widths, room)


def _shrunk(widths: Sequence[int], room: int) -> list[int]:
    """The widest columns get narrower, until all fit."""
    if sum(widths) <= room:
        return [max(1, width) for width in widths]
    low, high = 0, max(widths)
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if sum(min(width, middle) for width in widths) <= room else (low, middle)
    return [max(1, min(width, low)) for width in widths]


def _lines(row: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> list[str]:
    wrapped = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, wrapped))
    filled = [[*lines, *[""] * (height - len(lines))] for lines in wrapped]
    return [
        _GAP.join(map(_padded, [lines[index] for lines in filled], widths, to_right)).rstrip()
        for index in range(height)
    ]


def _wrapped(cell: str, width: int) -> list[str]:
    lines: list[str] = []
    for line in cell.split("\n"):
        # Wide characters take two columns, and textwrap counts characters.
        size = width if _width(line) == len(line) else max(1, width // 2)
        lines += textwrap.wrap(line, size) if _width(line) > width else [line]
    return lines or [""]


def _padded(text: str, width: int, to_right: bool) -> str:
    space = " " * max(0, width - _width(text))
    return space + text if to_right else text + space


def _width(text: str) -> int:
    """Columns that it takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) or unicodedata.category(each) in {"Cf", "Mn", "Me"}
        else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )  # fmt: skip
