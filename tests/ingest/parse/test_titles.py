"""Titles that files state: believed if they are about the text."""

from __future__ import annotations

import pytest

from core.types import Block
from ingest.parse.titles import LONGEST_TITLE, believed_title, texts_of


@pytest.mark.parametrize(
    ("stated", "believed"),
    [
        ("Leave policy", "Leave policy"),
        ("  Leave\n policy ", "Leave policy"),
        ("Leave policy of Contoso", "Leave policy of Contoso"),
        ("Invoice template", ""),
        ("Untitled leave policy", ""),
        ("Microsoft Word - leave policy.doc", ""),
        ("Document1", ""),
        ("leave-policy.docx", ""),
        ("it", ""),
        ("", ""),
        ("leave " * LONGEST_TITLE, ""),
    ],
)
def test_a_title_is_believed_if_most_of_its_words_are_in_the_text_or_the_name(stated: str, believed: str) -> None:
    assert believed_title(stated, ["The leave of employees."], "hr/leave_policy-2026.pdf") == believed


def test_only_the_beginning_of_a_text_is_compared() -> None:
    blocks = [*[Block("Text.")] * 100, Block("Travel costs")]
    assert believed_title("Travel costs", texts_of(blocks), "a.rtf") == ""
    assert believed_title("Travel costs", texts_of(blocks[::-1]), "a.rtf") == "Travel costs"
