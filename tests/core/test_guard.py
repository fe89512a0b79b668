"""What may be asked."""

from __future__ import annotations

import pytest

from core.guard import MAX_QUESTION_CHARACTERS, clean_question, refuse_question


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  How\tmany\n\ndays? ", "How many days?"),
        ("How\x00many\x1b[31mdays", "How many [31mdays"),
        ("va\u200bca\u00adtion\u202e", "vacation"),
        ("Wie viel Urlaub? Сколько дней? 休暇は？", "Wie viel Urlaub? Сколько дней? 休暇は？"),
        ("\ud800 half", "half"),
    ],
)
def test_a_question_is_one_line_of_visible_characters(text: str, cleaned: str) -> None:
    assert clean_question(text) == cleaned


@pytest.mark.parametrize("text", ["", "   ", "\u200b\x00", "🌴🌴🌴", "?!…", "👩‍👩‍👧"])
def test_what_has_no_words_is_refused_with_a_sentence(text: str) -> None:
    refusal = refuse_question(clean_question(text))
    assert refusal is not None
    assert refusal.endswith(("?", "."))


def test_an_enormous_question_is_refused_and_a_long_one_is_not() -> None:
    assert "too long" in (refuse_question("a" * (MAX_QUESTION_CHARACTERS + 1)) or "")
    assert refuse_question("a" * MAX_QUESTION_CHARACTERS) is None


@pytest.mark.parametrize("text", ["vacation", "Сколько дней отпуска?", "休暇", "401k 🌴"])
def test_any_language_may_be_asked_in(text: str) -> None:
    assert refuse_question(text) is None
