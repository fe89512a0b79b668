"""What stands within AsciiDoc's paragraphs and tables: marks, links and attributes to plain text. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import dropwhile

_ATTRIBUTE = re.compile(r"(?<!\\)\{([\w-]{1,100})\}")
_CHARACTERS = {
    "nbsp": " ", "sp": " ", "empty": "", "blank": "", "zwsp": "", "apos": "'", "quot": '"', "lt": "<", "gt": ">",
    "amp": "&", "plus": "+", "startsb": "[", "endsb": "]", "vbar": "|", "caret": "^", "asterisk": "*", "tilde": "~",
    "backslash": "\\", "backtick": "`", "two-colons": "::", "two-semicolons": ";;", "cpp": "C++", "deg": "°",
    "lsquo": "‘", "rsquo": "’", "ldquo": "“", "rdquo": "”", "brvbar": "¦",
}  # fmt: skip
_MAX_VALUE = 2000
_SCHEME = r"(?:https?|ftp|irc|mailto):(?://)?"
_MACROS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\[\[[^\[\]\n]{1,200}\]\]|\[#[\w-]{1,200}\](?=\S)|anchor:[\w-]{1,200}\[[^\]\n]{0,200}\]"), ""),
    (re.compile(r"\(\(\(.{1,500}?\)\)\)"), ""),
    (re.compile(r"\(\((\w.{0,500}?)\)\)"), r"\1"),
    (re.compile(r"<<([^<>,\n]{1,300})(?:,\s*([^<>\n]{1,300}))?>>"), lambda m: m[2] or m[1].lstrip("#")),
    (re.compile(r"(?:link|xref):([^\s\[\]]{1,2000})\[([^\]\n]{0,1000})\]"), lambda m: _label(m[2]) or m[1]),
    (re.compile(rf"<({_SCHEME}[^\s<>]{{1,2000}})>"), r"\1"),
    (re.compile(rf"({_SCHEME}[^\s\[\]<>]{{1,2000}})\[([^\]\n]{{0,1000}})\]"), lambda m: _label(m[2]) or m[1]),
    (re.compile(r"footnote(?:ref)?:(?:[\w-]{0,100})\[([^\]\n]{0,2000})\]"), r" (\1)"),
    (re.compile(r"image:[^\s\[\]:][^\s\[\]]{0,1000}\[([^\]\n]{0,1000})\]"), lambda m: _label(m[1])),
    (re.compile(r"icon:[\w-]{1,100}\[[^\]\n]{0,300}\]"), ""),
    (re.compile(r"menu:([^\[\]\n]{1,200})\[([^\]\n]{0,300})\]"), lambda m: " > ".join(filter(None, (m[1], m[2])))),
    (re.compile(r"(?:kbd|btn|stem|latexmath|asciimath|pass(?::[\w,]{1,20})?):\[([^\]\n]{0,1000})\]"), r"\1"),
)
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\[[.\w#%-][^\[\]\n]{0,200}\](?=[#*_`])"), ""),
    *(
        (re.compile(rf"{re.escape(2 * mark)}(?=\S)(.{{1,2000}}?)(?<=\S){re.escape(2 * mark)}"), r"\1")
        for mark in "*_`#"
    ),
    (re.compile(r"(?<![\w`+])[`](\+?)(?=\S)([^`\n]{1,1000}?)(?<=\S)\1[`](?!\w)"), r"\2"),
    *(
        (re.compile(rf"(?<![\w{mark}:;}}]){mark}(?=\S)([^\n{mark}]{{1,2000}}?)(?<=\S){mark}(?!\w)"), r"\1")
        for mark in (r"\*", "_", "#")
    ),
    (re.compile(r"[\^~](\S{1,100}?)[\^~]"), r"\1"),
    (re.compile(r"(?<!\w)\+(?=\S)([^+\n]{1,500}?)(?<=\S)\+(?!\w)"), r"\1"),
    (re.compile(r"(?m)[ \t]\+$"), ""),
    (re.compile(r"\\(?=[*_`#{\[<^~+])"), ""),
)
_SPEC = r"(?:(?P<times>\d{1,3})\*|(?P<wide>\d{1,3})?(?:\.(?P<tall>\d{1,3}))?(?P<span>\+))?[<^>]?(?:\.[<^>])?[aehlmsdv]?"
_CELL = re.compile(rf"(?:(?:(?<=\s)|^){_SPEC})?(?<!\\)\|", re.MULTILINE)
_COLUMNS = re.compile(r"(\d{1,3})\*")
_MAX_COLUMNS, _MAX_CELLS = 200, 200_000


def _label(attributes: str) -> str:
    """The first of a macro's attributes: its text, without what follows in `name=value` form."""
    text = attributes.strip()
    if text.startswith('"') and (end := text.find('"', 1)) > 0:
        return text[1:end]
    first = re.split(r",\s*(?=[\w-]+=)", text, maxsplit=1)[0]
    return "" if re.match(r"[\w-]+=", first) else first.rstrip("^")


def substituted(text: str, attributes: Mapping[str, str]) -> str:
    """`{name}` replaced where the document defines it; values are not searched again."""
    return _ATTRIBUTE.sub(lambda match: _value(match, attributes), text)


def _value(match: re.Match[str], attributes: Mapping[str, str]) -> str:
    name = match[1].lower()
    return attributes.get(name, _CHARACTERS.get(name, match[0]))[:_MAX_VALUE]


def plain(text: str, attributes: Mapping[str, str]) -> str:
    """The text as it is shown."""
    text = substituted(text, attributes)
    for pattern, shown in (*_MACROS, *_MARKS):
        text = pattern.sub(shown, text)
    return text


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def table_rows(lines: Sequence[str], columns: str, separator: str, show: Callable[[str], str]) -> list[list[str]]:
    """`columns` is what `cols` says, if anything; else the first line has one row."""
    lines = list(dropwhile(lambda line: not line.strip(), lines))
    if not lines:
        return []
    if separator != "|":
        return [[show(cell.strip()) for cell in row] for row in csv.reader(lines, delimiter=separator) if row]
    count = _count(columns) or sum(wide for _, wide, _ in _cells(lines[0]))
    return _filled(_cells("\n".join(lines)), min(max(count, 1), _MAX_COLUMNS), show)


def _count(columns: str) -> int:
    if match := _COLUMNS.fullmatch(columns.strip()):
        return int(match[1])
    parts = [part for part in re.split(r"[,;]", columns) if part.strip()]
    return sum(int(match[1]) if (match := _COLUMNS.match(part.strip())) else 1 for part in parts)


def _cells(text: str) -> Iterator[tuple[str, int, int]]:
    """Text, width and height of each cell."""
    marks = list(_CELL.finditer(text))
    for index, mark in enumerate(marks):
        end = marks[index + 1].start() if index + 1 < len(marks) else len(text)
        cell = text[mark.end() : end].replace(r"\|", "|").strip()
        wide = int(mark["wide"] or 1) if mark["span"] else 1
        tall = int(mark["tall"] or 1) if mark["span"] else 1
        for _ in range(int(mark["times"] or 1)):
            yield cell, wide, tall


def _filled(cells: Iterator[tuple[str, int, int]], count: int, show: Callable[[str], str]) -> list[list[str]]:
    """A cell over several rows stands in each of them, one over several columns in the first."""
    rows: list[list[str]] = [[]]
    below: dict[tuple[int, int], str] = {}
    for total, (cell, wide, tall) in enumerate(cells):
        if total + len(below) > _MAX_CELLS:
            break
        _take_over(rows, below, count)
        shown = show(cell)
        row = len(rows) - 1
        for index in range(min(wide, count - len(rows[-1]))):
            for down in range(1, tall):
                below[row + down, len(rows[-1])] = "" if index else shown
            rows[-1].append("" if index else shown)
    _take_over(rows, below, count)
    return [row for row in rows if row]


def _take_over(rows: list[list[str]], below: dict[tuple[int, int], str], count: int) -> None:
    while True:
        if len(rows[-1]) >= count:
            rows.append([])
        place = (len(rows) - 1, len(rows[-1]))
        if place not in below:
            return
        rows[-1].append(below.pop(place))
