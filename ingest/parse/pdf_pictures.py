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


def _place(box: Box) -> tuple[int, ...]:
    return tuple(round(edge / 2) for edge in box)


def _is_large(box: Box, page: Page) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    return min(width, height) >= _SMALLEST and width * height < _WHOLE * page.width * page.height
