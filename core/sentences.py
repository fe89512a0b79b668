"""Sentences of running text, lists and tables. Pure; every sentence is a verbatim part of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Words whose full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    "e.g i.e etc vs mr mrs ms dr prof no fig st inc ltd "
    "corp dept approx cf al u.s u.k jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
# The end of a sentence: its mark, closing quotes, and citation marks that belong to it.
_END = re.compile(r"[.!?。！？]+[\"'”’)\]]*(?:\s*\[\d[\d\s,–-]*\])*(?=\s|$)|[。！？]")
_ITEM = re.compile(r"^\s*(?:[-*+•‣◦▪●–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S", re.IGNORECASE)
_TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
_BULLET = re.compile(r"^\s*(?:[-*+•‣◦▪●–]|\(?\d{1,3}[.)])\s+")
_HYPHEN = re.compile(r"(\w)-\n(\w)")
# Lengths, in characters, of what can stand as an answer by itself.
SHORTEST, LONGEST = 12, 600
FEWEST_WORDS = 2
_LAST_WORD = re.compile(r"([\w.]+)\.$")


def sentences(text: str) -> list[str]:
    """The sentences in order, stripped. A list item or a table row begins one of its own; wrapped lines are one."""
    return [text[start:end] for start, end in spans(text)]


def spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of each sentence."""
    return [span for begin, end in _units(text) for span in _in_unit(text, begin, end)]


def quotable(text: str) -> list[str]:
    """What can stand as an answer by itself: sentences, list items, and a lead-in together with the list it leads to."""
    joined = _HYPHEN.sub(r"\1\2", text)
    pieces = [" ".join(joined[begin:end].split()) for begin, end in spans(joined)]
    units: list[str] = []
    position = 0
    while position < len(pieces):
        unit, position = pieces[position], position + 1
        if unit.endswith(":"):
            while (
                position < len(pieces)
                and _BULLET.match(pieces[position])
                and len(unit) + len(pieces[position]) < LONGEST
            ):
                unit, position = f"{unit}\n{pieces[position]}", position + 1
        elif _BULLET.match(unit):
            unit = _BULLET.sub("", unit)
        units.append(unit)
    return [unit for unit in units if SHORTEST <= len(unit) <= LONGEST and _is_statement(unit)]


def _is_statement(unit: str) -> bool:
    """Not a heading, a table's rule, or a lead-in whose list is elsewhere."""
    return (
        not unit.startswith("#")
        and not unit.endswith(":")
        and sum(word.isalpha() for word in unit.split()) >= FEWEST_WORDS
    )


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
