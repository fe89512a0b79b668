"""Text to index terms."""

from __future__ import annotations

import pytest

from core.text import analyze, normalise


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Traveling employees’ expenses", ["travel", "employe", "expens"]),
        ("the manager's office", ["manag", "offic"]),
        ("Café NAÏVE", ["cafe", "naiv"]),
        ("401k in 2024", ["401k", "2024"]),
        ("What is this?", ["what", "is", "this"]),
        ("休暇制度", ["休暇", "暇制", "制度"]),
        ("Отпуск", ["отпуск"]),
        ("🌴 !?", []),
    ],
)
def test_words_become_folded_stems_without_stop_words(text: str, terms: list[str]) -> None:
    assert analyze(text) == terms


def test_control_characters_and_runs_of_space_go() -> None:
    assert normalise(" a\x00b\u200b \n\t c ") == "ab c"
