"""Sentences that say how many."""

from __future__ import annotations

import pytest

from ingest.parse.text import counted


@pytest.mark.parametrize(
    ("number", "what", "plural", "lines"),
    [
        (0, "is left out", "", []),
        (1, "is left out", "", ["One file inside is left out."]),
        (2, "is left out", "files inside", ["2 files inside are left out."]),
        (1500, "has no text", "files inside", ["1,500 files inside have no text."]),
        (3, "keeps no numbers", "files inside", ["3 files inside keep no numbers."]),
    ],
)
def test_the_verb_goes_with_the_number(number: int, what: str, plural: str, lines: list[str]) -> None:
    assert counted(number, "file inside", what, plural) == lines
