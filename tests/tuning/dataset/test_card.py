"""The data card counts what is there and hides nothing."""

from __future__ import annotations

from dataclasses import replace

from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import TRAVEL, example, words
from tuning.dataset.card import card
from tuning.dataset.personal import Policy
from tuning.dataset.types import Kind, Split

EXAMPLES = [
    example(),
    example("May I travel?", f"{TRAVEL.text} [1]", (TRAVEL,), split=Split.TEST),
    replace(example("Who?", NO_ANSWER, kind=Kind.UNANSWERABLE), masked=3),
]


def written(namespace: str = "default") -> str:
    examples = [replace(each, namespace=namespace) for each in EXAMPLES]
    return card(examples, [], {"too long": 4}, ("A note.",), Policy.DROP, words)


def test_it_counts_by_kind_and_outcome() -> None:
    text = written()
    assert "2 training examples, 1 test examples, 0 preference pairs." in text
    assert "| document | 1 | 1 |" in text
    assert "| unanswerable | 1 | 0 |" in text
    assert "| no answer | 1 | 0 |" in text


def test_it_says_what_was_taken_out_and_masked() -> None:
    text = written()
    assert "| too long | 4 |" in text
    assert "Pieces masked in passages: 3, in 1 examples." in text
    assert "A note." in text


def test_it_names_licence_and_limits() -> None:
    assert {"## Licence", "## Limits"} <= set(written().splitlines())


def test_names_cannot_break_out_of_it() -> None:
    text = written("a`b|c\x1b[2J\n# Owned")
    assert "\x1b" not in text
    assert "\n# Owned" not in text
    assert "`a b c[2J # Owned`" in text
