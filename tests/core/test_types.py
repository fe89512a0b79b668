"""What values say of themselves."""

from __future__ import annotations

import pytest

from core.types import Passage

SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


@pytest.mark.parametrize(
    ("page", "headings", "media_type", "place"),
    [
        (12, ("Benefits", "Vacation"), "application/pdf", "page 12, Benefits › Vacation"),
        (3, ("Roadmap",), SLIDES, "slide 3, Roadmap"),
        (3, (), "application/vnd.oasis.opendocument.presentation", "slide 3"),
        (None, ("Prices", "rows 2–21"), "text/csv", "Prices › rows 2–21"),
        (None, (), "", ""),
    ],
)
def test_a_passage_says_where_it_stands(
    page: int | None, headings: tuple[str, ...], media_type: str, place: str
) -> None:
    passage = Passage("c", "d", "Title", "text", "text", 0.0, headings, page, media_type=media_type)
    assert passage.locator == place
