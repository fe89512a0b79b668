"""The outline (bookmarks) of a PDF, and the lines that its titles name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.parse.pdf_lines import Page
from ingest.parse.text import one_line

if TYPE_CHECKING:
    import pypdfium2

Levels = dict[int, dict[int, int]]
"""Page number → index of the line → level (1-6)."""

MIN_MARKS = 2
MAX_LINES = 3
"""Of one heading."""
_MAX_BOOKMARKS, _MAX_DEPTH = 20_000, 6
_MAX_COMPARED = 100_000
"""Entries of a page times its lines; a page over it was made to keep the reader busy."""
NUMBERING = re.compile(r"(?:chapter|section|appendix|part|kapitel|chapitre)?(?:\d{1,8}|[a-z]|[ivxlc]{1,6})?")


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of the outline: its title, level from 1, and the page it leads to, from 1."""

    title: str
    level: int
    page: int


def read_outline(document: pypdfium2.PdfDocument) -> Iterator[Mark]:
    for count, bookmark in enumerate(document.get_toc(max_depth=_MAX_DEPTH)):
        if count >= _MAX_BOOKMARKS:
            return
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        title = one_line(bookmark.get_title() or "")
        if title and index is not None and index >= 0:
            yield Mark(title, bookmark.level + 1, index + 1)


def outline_levels(pages: Sequence[Page], marks: Sequence[Mark]) -> tuple[Levels, int]:
    """The lines that entries name on their pages, and how many entries do."""
    entries = Counter(mark.page for mark in marks)
    keys = {
        page.number: [key("" if line.table else line.text) for line in page.lines]
        for page in pages
        if 0 < entries[page.number] * len(page.lines) <= _MAX_COMPARED
    }
    levels: Levels = {}
    count = 0
    for mark in marks:
        on_page = levels.setdefault(mark.page, {})
        found = _lines_of(key(mark.title), keys.get(mark.page, []), on_page)
        on_page.update(dict.fromkeys(found, min(mark.level, 6)))
        count += bool(found)
    return levels, count


def _lines_of(title: str, lines: Sequence[str], taken: Mapping[int, int]) -> Sequence[int]:
    """Indexes of up to three lines that together are the title."""
    for start in range(len(lines)):
        text = ""
        for end in range(start, min(start + MAX_LINES, len(lines))):
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
    return bool(wanted) and text.endswith(wanted) and bool(NUMBERING.fullmatch(text.removesuffix(wanted)))


def key(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
