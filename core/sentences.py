"""Sentences of running text, lists and tables. Pure; every sentence is a verbatim part of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Words whose full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    [
        "e.g",
        "i.e",
        "etc",
        "vs",
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "no",
        "fig",
        "st",
        "inc",
        "ltd",
        "corp",
        "dept",
        "approx",
        "cf",
        "al",
        "u.s",
        "u.k",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
# The end of a sentence: its mark, closing quotes, and citation marks that belong to it.
_END = re.compile(r"[.!?。！？]+[\"'”’)\]]*(?:\s*\[\d[\d\s,–-]*\])*(?=\s|$)|[。！？]")
_ITEM = re.compile(r"^\s*(?:[-*+•‣◦▪●–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S", re.IGNORECASE)
_TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
_LAST_WORD = re.compile(r"([\w.]+)\.$")


def sentences(text: str) -> list[str]:
    """The sentences in order, stripped. A list item or a table row begins one of its own; wrapped lines are one."""
    return [text[start:end] for start, end in spans(text)]


def spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of each sentence."""
    return [span for begin, end in _units(text) for span in _in_unit(text, begin, end)]


def _units(text: str) -> Iterator[tuple[int, int]]:
    """Paragraphs, list items and table rows."""
    begin = position = 0
    for line in text.splitlines(keepends=True):
        starts_unit = not line.strip() or _ITEM.match(line) or _TABLE_ROW.match(line) or line.startswith("#")
        if starts_unit and position > begin:
            yield begin, position
            begin = position
        position += len(line)
    if position > begin:
        yield begin, position


def _in_unit(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    start = begin
    for match in _END.finditer(text, begin, end):
        if _is_abbreviation(text[start : match.start() + 1]):
            continue
        yield from _stripped(text, start, match.end())
        start = match.end()
    yield from _stripped(text, start, end)


def _is_abbreviation(text: str) -> bool:
    last = _LAST_WORD.search(text)
    if last is None:
        return False
    word = last.group(1).lower()
    # A single letter is an initial, a bare number at the very beginning an item of a list.
    return (
        word in _ABBREVIATIONS
        or (len(word) == 1 and word.isalpha())
        or (text.strip() == last.group(0) and word.isdigit())
    )


def _stripped(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[begin:end]
    content = piece.strip()
    if content:
        lead = len(piece) - len(piece.lstrip())
        yield begin + lead, begin + lead + len(content)
