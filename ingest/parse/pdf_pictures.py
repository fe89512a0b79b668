"""Which pictures of a PDF may tell a reader something that its text does not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ingest.parse.pdf_chars import Box
from ingest.parse.pdf_lines import Page

_SMALLEST = 60.0
"""Points of width and of height; smaller ones are signs and ornaments."""
_WHOLE = 0.6
"""Of the page; on a page with text, so large a picture is a scan with its text, or a background."""
_STAMP = 100
"""Characters; a page with fewer has a picture over most of it for its text, and they are a stamp or a number."""
_REPEATED = 3
"""Pages; what stands at one place on so many is a logo."""


def count_pictures(pages: Sequence[Page]) -> int:
    """On pages with text: the others are told by their numbers."""
    places = Counter(place for page in pages for place in {_place(box) for box in page.pictures})
    return sum(
        1
        for page in pages
        for box in page.pictures
        if page.lines and _is_large(box, page) and places[_place(box)] < _REPEATED
    )


def is_stamped_scan(page: Page) -> bool:
    """Whether a picture covers the page, and there is next to no text beside it."""
    if not page.lines or sum(len(line.text) for line in page.lines) >= _STAMP:
        return False
    return any(_share(box, page) >= _WHOLE for box in page.pictures)


def _place(box: Box) -> tuple[int, ...]:
    return tuple(round(edge / 2) for edge in box)


def _is_large(box: Box, page: Page) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    return min(width, height) >= _SMALLEST and _share(box, page) < _WHOLE


def _share(box: Box, page: Page) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) / max(page.width * page.height, 1.0)
