"""Text to index terms."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.text import analyze


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


def test_threads_that_stem_at_once_do_not_mix_up_their_words() -> None:
    words = [
        f"{stem}{ending}"
        for stem in ("market", "organiz", "travel", "report")
        for ending in ("ing", "ed", "ation", "s")
    ]
    texts = [f"{word}x{number} {word}" for number in range(400) for word in words]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(analyze, texts))
    assert at_once == [analyze(text) for text in texts]
    assert analyze("travelled marketing") == ["travel", "market"]
