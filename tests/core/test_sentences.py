"""Sentences of running text, lists and tables."""

from __future__ import annotations

import pytest

from core.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See e.g. the guide. Then ask Dr. Smith.", ["See e.g. the guide.", "Then ask Dr. Smith."]),
        ("It costs 3.50 dollars. Yes.", ["It costs 3.50 dollars.", "Yes."]),
        ("A claim. [1] Another one [2][3].", ["A claim. [1]", "Another one [2][3]."]),
        ('He said "go." Then left.', ['He said "go."', "Then left."]),
        ("- one\n- two\n  wrapped\n3. three", ["- one", "- two\n  wrapped", "3. three"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |", "|---|---|", "| 1 | 2 |"]),
        ("wrapped\nline here. Next", ["wrapped\nline here.", "Next"]),
        ("休暇は二十日です。次の文。", ["休暇は二十日です。", "次の文。"]),
        ("", []),
    ],
)
def test_text_falls_into_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
