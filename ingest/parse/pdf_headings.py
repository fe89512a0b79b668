"""Headings of a PDF: from its outline, else from the size and weight of its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.parse.pdf_lines import Line, Page

Levels = dict[int, dict[int, int]]
"""Page number → index of the line → level (1-6)."""

_MIN_MARKS = 3
_MIN_MATCHED = 0.5
_MAX_COMPARED = 100_000
"""Outline entries of a page times its lines; a page over it was made to keep the reader busy."""
_MAX_LINES = 3
_MAX_CHARACTERS = 150
_LARGER, _NOT_SMALLER = 1.12, 0.98
"""Times the size of the body text: for any heading, and for a bold one."""
SAME_HEADING = 1.8
"""Font sizes between the lines of one heading, at most."""
_MAX_SHARE = 0.3
"""Of a document's characters; where more is large or bold, size and weight mean something else."""
_NUMBERING = re.compile(r"(?:chapter|section|appendix|part|kapitel|chapitre)?(?:\d{1,8}|[a-z]|[ivxlc]{1,6})?")
_NO_TITLE = re.compile(r"[.,;…-]$|\.{4,}\s*\d+$|://")


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of the outline: its title, level from 1, and the page it leads to, from 1."""

    title: str
    level: int
    page: int


def heading_levels(pages: Sequence[Page], marks: Sequence[Mark]) -> Levels:
    """Which lines are headings. Lines that follow each other with one level are one heading."""
    matched = _from_outline(pages, marks)
    found = sum(len(lines) for lines in matched.values())
    if len(marks) >= _MIN_MARKS and found >= _MIN_MATCHED * len(marks):
        return matched
    return _from_looks(pages)


def _from_outline(pages: Sequence[Page], marks: Sequence[Mark]) -> Levels:
    entries = Counter(mark.page for mark in marks)
    keys = {
        page.number: [_key(line.text) for line in page.lines]
        for page in pages
        if 0 < entries[page.number] * len(page.lines) <= _MAX_COMPARED
    }
    levels: Levels = {}
    for mark in marks:
        on_page = levels.setdefault(mark.page, {})
        found = _lines_of(_key(mark.title), keys.get(mark.page, []), on_page)
        on_page.update(dict.fromkeys(found, min(mark.level, 6)))
    return levels


def _lines_of(title: str, lines: Sequence[str], taken: Mapping[int, int]) -> Sequence[int]:
    """Indexes of up to three lines that together are the title."""
    for start in range(len(lines)):
        text = ""
        for end in range(start, min(start + _MAX_LINES, len(lines))):
            text += lines[end]
            if end in taken or not text:
                break
            if text == title or _is_numbered(text, title):
                return range(start, end + 1)
            if not title.startswith((text, text.lstrip("0123456789") or text)):
                break
    return ()


def _is_numbered(text: str, wanted: str) -> bool:
    """`3.2 Vacation` or `Chapter 3 Vacation` on the page, and only `Vacation` in the outline."""
    return bool(wanted) and text.endswith(wanted) and bool(_NUMBERING.fullmatch(text.removesuffix(wanted)))


def _key(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


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
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _groups(lines: Sequence[Line]) -> list[list[int]]:
    """Indexes of neighbouring lines of one look: a heading of several lines, or a paragraph."""
    groups: list[list[int]] = []
    for index, line in enumerate(lines):
        before = lines[index - 1]
        if index and _look(before) == _look(line) and 0 < before.y - line.y < SAME_HEADING * line.size:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _is_heading(group: Sequence[Line], lines: Sequence[Line], after: int, body: float) -> bool:
    """`after` is the index of the line that follows the group."""
    text = " ".join(line.text for line in group)
    if len(group) > _MAX_LINES or len(text) > _MAX_CHARACTERS or not _reads_like_a_title(text):
        return False
    size = group[0].size
    if any(line.first_cell and not _NUMBERING.fullmatch(_key(line.first_cell)) for line in group):
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
            having[_look(line)] += len(line.text)
    ranks: dict[tuple[float, bool], int] = {}
    left = _MAX_SHARE * having.total()
    for look in sorted(looks, reverse=True):
        left -= having[look]
        if left < 0:
            break
        ranks[look] = min(len(ranks) + 1, 6)
    return ranks
