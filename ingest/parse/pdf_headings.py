"""Headings of a PDF: from its outline, else from the size and weight of its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ingest.parse.pdf_lines import Line, Page
from ingest.parse.pdf_outline import MAX_LINES, MIN_MARKS, NUMBERING, Levels, Mark, key, outline_levels

_MIN_MATCHED = 0.5
_MAX_CHARACTERS = 150
_LARGER, _NOT_SMALLER = 1.12, 0.98
"""Times the size of the body text: for any heading, and for a bold one."""
SAME_HEADING = 1.8
"""Font sizes between the lines of one heading, at most."""
_MAX_SHARE = 0.3
"""Of a document's characters; where more is large or bold, size and weight mean something else."""
_LITTLE = 0.1
_NO_TITLE = re.compile(r"[.,;…-]$|\.{4,}\s*\d+$|://")


def heading_levels(pages: Sequence[Page], marks: Sequence[Mark]) -> Levels:
    """Which lines are headings. Lines that follow each other with one level are one heading.

    The outline decides if most of its titles stand on their pages; else it decides over the lines that it names.
    """
    named, found = outline_levels(pages, marks)
    if len(marks) < MIN_MARKS or not found:
        return _from_looks(pages)
    if found >= _MIN_MATCHED * len(marks):
        return named
    levels = _from_looks(pages)
    for page, lines in named.items():
        levels.setdefault(page, {}).update(lines)
    return levels


def _from_looks(pages: Sequence[Page]) -> Levels:
    """Lines larger than the text, and whole bold lines over it. A look's level is its rank by size, then weight."""
    body = _body_size(pages)
    found = [
        (page, group)
        for page in pages
        for group in _groups(page.lines)
        if _is_heading([page.lines[index] for index in group], page.lines, group[-1] + 1, body)
    ]
    ranks = _ranks(pages, {_look(page.lines[group[0]]) for page, group in found})
    levels: Levels = {}
    for page, group in found:
        if rank := ranks.get(_look(page.lines[group[0]])):
            levels.setdefault(page.number, {}).update(dict.fromkeys(group, rank))
    return levels


def _look(line: Line) -> tuple[float, bool]:
    return round(line.size), line.is_bold


def _body_size(pages: Sequence[Page]) -> float:
    """The size of most of the text; that in tables counts only where there is hardly any other."""
    text: Counter[float] = Counter()
    tables: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            (tables if line.table else text)[line.size] += len(line.text)
    sizes = text if text.total() > _LITTLE * tables.total() else text + tables
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _groups(lines: Sequence[Line]) -> list[list[int]]:
    """Indexes of neighbouring lines of one look: a heading of several lines, or a paragraph."""
    groups: list[list[int]] = []
    for index, line in enumerate(lines):
        before = lines[index - 1]
        if line.table:
            continue
        if (
            index
            and not before.table
            and _look(before) == _look(line)
            and 0 < before.y - line.y < SAME_HEADING * line.size
        ):
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _is_heading(group: Sequence[Line], lines: Sequence[Line], after: int, body: float) -> bool:
    """`after` is the index of the line that follows the group."""
    text = " ".join(line.text for line in group)
    if len(group) > MAX_LINES or len(text) > _MAX_CHARACTERS or not _reads_like_a_title(text):
        return False
    size = group[0].size
    if any(line.first_cell and not NUMBERING.fullmatch(key(line.first_cell)) for line in group):
        return False  # the head of a table
    if size >= _LARGER * body:
        return True
    return group[0].is_bold and size >= _NOT_SMALLER * body and after < len(lines) and _begins_text(lines[after])


def _begins_text(line: Line) -> bool:
    """What may follow a bold heading: the start of a sentence, or the head of a table."""
    return not line.text[0].islower() and (not line.is_bold or bool(line.first_cell))


def _reads_like_a_title(text: str) -> bool:
    letters = sum(1 for character in text if character.isalpha())
    starts = text[0].isupper() or text[0].isdigit() or not text[0].isascii()
    return starts and letters >= 0.5 * len(text.replace(" ", "")) and not _NO_TITLE.search(text)


def _ranks(pages: Sequence[Page], looks: set[tuple[float, bool]]) -> dict[tuple[float, bool], int]:
    """Levels by look, from the largest down, until so much of the document has them that they are no headings."""
    having: Counter[tuple[float, bool]] = Counter()
    for page in pages:
        for line in page.lines:
            if not line.table:
                having[_look(line)] += len(line.text)
    ranks: dict[tuple[float, bool], int] = {}
    left = _MAX_SHARE * having.total()
    for look in sorted(looks, reverse=True):
        left -= having[look]
        if left < 0:
            break
        ranks[look] = min(len(ranks) + 1, 6)
    return ranks
