"""Sentences of running text, lists and tables. Pure; every sentence is a verbatim part of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from core.text import known_terms

# Words whose full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    "e.g i.e etc vs mr mrs ms dr prof no fig st inc ltd "
    "corp dept approx cf al u.s u.k jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
# The end of a sentence: its mark, closing quotes, and citation marks that belong to it.
_END = re.compile(r"[.!?。！？]+[\"'”’)\]]*(?:\s*\[\d[\d\s,–-]*\])*(?=\s|$)|[。！？]")
_ITEM = re.compile(r"^\s*(?:[-*+•‣◦▪●–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S", re.IGNORECASE)
_TABLE_ROW = re.compile(r"^\s*\|.*\|\s*$")
_TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]+\|?\s*$")
_OWN_MARK = re.compile(r"\[(\d{1,3}(?:\s*[-–,;]\s*\d{1,3})*)\](?!\()")
_BULLET = re.compile(r"^\s*(?:[-*+•‣◦▪●–]|\(?\d{1,3}[.)])\s+")
_HYPHEN = re.compile(r"(\w)-\n(\w)")
_CELL_END = re.compile(r"(?<!\\)\|")
_POINTER = re.compile(
    r"(?:see also|see more|related (?:articles|pages|topics|links)|back to top)\b"
    r"|(?:read|learn|find out) more(?=\W*$|\s*:|\s+(?:about|here|in|on|at)\b)",
    re.IGNORECASE,
)
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
    """What can stand as an answer by itself: sentences, list items, table rows, and a lead-in with what it leads to.

    What a lead-in leads to is a list, a sentence, or lines such as a command, which are then fenced.
    """
    joined = _HYPHEN.sub(r"\1\2", text)
    pieces = [joined[begin:end] for begin, end in spans(joined)]
    units: list[str] = []
    position = 0
    columns: list[str] = []
    while position < len(pieces):
        unit, following = _in_one_line(pieces[position]), pieces[position + 1 :]
        position += 1
        if not _TABLE_ROW.match(unit):
            columns = []
        elif _TABLE_RULE.match(unit):
            continue
        elif following and _TABLE_RULE.match(following[0]):
            columns = _cells(unit)
            continue
        if unit.endswith(":"):
            led = _led_to(unit, following)
            position += len(led)
            unit = _with_lead_in(unit, led)
        elif _BULLET.match(unit):
            unit = _BULLET.sub("", unit)
        elif _TABLE_ROW.match(unit):
            unit = _row(_cells(unit), columns)
        units.append(unit)
    return [unit for unit in units if SHORTEST <= len(unit) <= LONGEST and _is_statement(unit)]


def sharing_most(question: str, texts: Sequence[str], most: int) -> list[str]:
    """The `most` texts that hold most of the question's words, in their order; the earlier of those that hold as many.

    What says most about a question by its meaning nearly always shares words with it; embedding the rest costs time.
    """
    if len(texts) <= most:
        return list(texts)
    asked = set(known_terms(question))
    shared = [len(asked & set(known_terms(text))) for text in texts]
    if not any(shared):
        # Another language, or other words for it: a few from everywhere.
        return [texts[index * len(texts) // most] for index in range(most)]
    best = sorted(sorted(range(len(texts)), key=lambda index: -shared[index])[:most])
    return [texts[index] for index in best]


def unmarked(text: str) -> str:
    """A document's own `[1]` as `(1)`, so that it is not taken for the mark of a source."""
    return _OWN_MARK.sub(r"(\1)", text)


def _led_to(lead_in: str, following: Sequence[str]) -> list[str]:
    """The list that follows, as much of it as an answer may hold, or else the one piece that does."""
    items: list[str] = []
    length = len(lead_in)
    for piece in following:
        length += len(piece)
        if not _BULLET.match(piece) or length > LONGEST:
            break
        items.append(_in_one_line(piece))
    if items or not following:
        return items
    first = following[0]
    fits = len(lead_in) + len(first) <= LONGEST
    return [first] if fits and not first.startswith("#") and not _TABLE_ROW.match(first) else []


def _with_lead_in(lead_in: str, led: Sequence[str]) -> str:
    if len(led) == 1 and not _BULLET.match(led[0]):
        only = led[0]
        return f"{lead_in} {_in_one_line(only)}" if _END.search(only[-3:]) else f"{lead_in}\n```\n{only}\n```"
    return "\n".join([lead_in, *led])


def _cells(row: str) -> list[str]:
    inner = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inner)]


def _row(cells: Sequence[str], columns: Sequence[str]) -> str:
    """A table's row as it can stand alone: what it is about, and each further cell with its column's name."""
    names = columns if len(columns) == len(cells) else [""] * len(cells)
    named = [
        f"{name}: {cell}" if position and name and name != cell else cell
        for position, (name, cell) in enumerate(zip(names, cells, strict=True))
        if cell
    ]
    return " – ".join(named)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _is_statement(unit: str) -> bool:
    """Not a heading, a table's rule, a pointer to other pages, or a lead-in whose list is elsewhere."""
    return (
        not unit.startswith("#")
        and not _POINTER.match(unit)
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
