"""Languages are told apart by script and common words."""

from __future__ import annotations

import pytest

from tuning.dataset.languages import agree, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many days of leave do I have in the first year?", "en"),
        ("Wie viele Tage Urlaub habe ich im ersten Jahr und wer genehmigt die Reise?", "de"),
        ("Combien de jours de congé est-ce que les salariés ont dans une année ?", "fr"),
        ("¿Cuántos días de vacaciones tienen los empleados en el primer año?", "es"),
        ("Сколько дней отпуска есть у сотрудника?", "cyrillic"),
        ("休暇は何日ありますか。", "japanese"),
        ("员工有几天年假", "cjk"),
        ("XJ-900 4711", ""),
        ("", ""),
    ],
)
def test_a_text_is_told_or_left_open(text: str, language: str) -> None:
    assert language_of(text) == language


def test_texts_agree_unless_two_are_told_apart() -> None:
    german = "Der Urlaub wird von der Leitung genehmigt und ist nicht übertragbar."
    assert agree(german, "XJ-900", "Wer genehmigt den Urlaub und die Reise?")
    assert not agree(german, "Leave is approved by the head of the department.")
