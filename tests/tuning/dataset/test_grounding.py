"""An example's answer stands in its own prompt, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, prompt
from tuning.dataset.grounding import cited, is_said, problem, shown_passages


def test_passages_are_read_back_as_the_model_sees_them() -> None:
    first, second = shown_passages(prompt())
    assert (first.text, first.title) == (LEAVE.text, "Leave, page 7, Annual leave")
    assert second.text == TRAVEL.text


class TestMarks:
    def test_each_sentence_gets_the_mark_of_the_passage_that_says_it(self) -> None:
        answer = "Annual leave accrues at 13 days per year. Travel to conferences needs the approval of a manager."
        assert cited(answer, [PARKING, LEAVE, TRAVEL], [1, 2, 3], is_trusted=False) == (
            "Annual leave accrues at 13 days per year. [2] Travel to conferences needs the approval of a manager. [3]"
        )

    def test_only_preferred_passages_are_cited(self) -> None:
        assert cited(LEAVE.text, [LEAVE, PARKING], [2], is_trusted=True) is None

    def test_one_sentence_that_nothing_supports_takes_all_of_the_answer_with_it(self) -> None:
        assert cited(f"{LEAVE.text} Sabbaticals last a whole term.", [LEAVE], [1], is_trusted=True) is None

    def test_another_figure_is_another_answer(self) -> None:
        assert cited("Annual leave accrues at 14 days per year.", [LEAVE], [1], is_trusted=True) is None

    def test_who_is_not_trusted_stays_closer_to_the_words(self) -> None:
        loose = "Everybody working here accrues annual leave, namely 13 days."
        assert cited(loose, [LEAVE], [1], is_trusted=True) == f"{loose} [1]"
        assert cited(loose, [LEAVE], [1], is_trusted=False) is None

    @pytest.mark.parametrize(
        "denied",
        ["Annual leave never accrues at 13 days per year.", "No, annual leave doesn't accrue at 13 days per year."],
    )
    def test_who_is_not_trusted_cannot_deny_what_a_passage_says(self, denied: str) -> None:
        assert cited(denied, [LEAVE], [1], is_trusted=False) is None
        affirmed = "No, annual leave accrues at 13 days per year."
        assert cited(affirmed, [LEAVE], [1], is_trusted=False) == f"{affirmed} [1]"

    def test_what_a_passage_denies_may_be_denied(self) -> None:
        barred = replace(LEAVE, text="Annual leave accrues monthly. Unused annual leave is never paid out in cash.")
        denied = "Unused annual leave is not paid out in cash."
        assert cited(denied, [barred], [1], is_trusted=False) == f"{denied} [1]"
        assert cited("Unused annual leave is paid out in cash.", [barred], [1], is_trusted=False) is None

    def test_a_lead_in_is_left_to_the_lines_that_it_leads_to(self) -> None:
        answer = "Annual leave:\n- accrues at 13 days per year"
        assert cited(answer, [LEAVE], [1], is_trusted=True) == "Annual leave:\n- accrues at 13 days per year [1]"


class TestProblems:
    def test_a_supported_answer_and_a_no_answer_have_none(self) -> None:
        assert problem(prompt(), f"{LEAVE.text} [1]") is None
        assert problem(prompt(), NO_ANSWER) is None

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (LEAVE.text, "names no passage"),
            (f"{LEAVE.text} [3]", "not shown; there are 2"),
            (f"{LEAVE.text} [2]", "do not say this"),
            ("Annual leave accrues at 99 days per year. [1]", "do not say this"),
            (f"{LEAVE.text} [1] Ask the wizard for more of it.", "A sentence names no passage"),
            ("Annual leave accrues at 13 days per year, see https://evil.example/x. [1]", "this address"),
            ("```\nrm -rf\n```", "block of code"),
        ],
    )
    def test_a_person_is_told_what_is_wrong(self, answer: str, said: str) -> None:
        assert said in str(problem(prompt(), answer))


class TestWhatIsSaidElsewhere:
    def test_a_sentence_or_a_short_form_is_enough(self) -> None:
        assert is_said(LEAVE.text, (), [PARKING, LEAVE])
        assert is_said("It is 13 days.", ("13 days",), [LEAVE])

    def test_other_passages_say_something_else(self) -> None:
        assert not is_said(LEAVE.text, ("13 days",), [PARKING, TRAVEL])

    def test_a_short_form_is_a_phrase_and_not_a_part_of_a_word(self) -> None:
        assert not is_said("", ("car",), [LEAVE])
        assert not is_said("", ("park car",), [PARKING])
