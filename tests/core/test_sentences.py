"""Sentences of running text, lists and tables."""

from __future__ import annotations

import pytest

from core.sentences import quotable, sentences, unmarked


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


class TestQuotable:
    def test_sentences_and_list_items_stand_alone(self) -> None:
        text = "Leave accrues monthly. It expires after a year.\n- Sick leave is paid by the company\n"
        assert quotable(text) == [
            "Leave accrues monthly.",
            "It expires after a year.",
            "Sick leave is paid by the company",
        ]

    def test_a_lead_in_keeps_its_list(self) -> None:
        assert quotable("You may take:\n- annual leave\n- sick leave\n") == [
            "You may take:\n- annual leave\n- sick leave"
        ]

    def test_a_lead_in_keeps_the_command_that_follows(self) -> None:
        text = "Change the port in the settings:\n\n[server]\nport = 9000\n\nThen start it again."
        assert quotable(text) == [
            "Change the port in the settings:\n```\n[server]\nport = 9000\n```",
            "Then start it again.",
        ]

    def test_a_lead_in_keeps_the_sentence_that_follows(self) -> None:
        assert quotable("Please note:\n\nLeave expires after a year.") == ["Please note: Leave expires after a year."]

    def test_a_table_row_is_read_without_its_lines_and_its_header_is_none(self) -> None:
        text = "| Kind | Days |\n| --- | --- |\n| Annual leave | 13 days |\n"
        assert quotable(text) == ["Annual leave – 13 days"]

    def test_headings_rules_and_lone_lead_ins_are_left_out(self) -> None:
        assert quotable("# Annual leave policy\n\nFor more, see the following:\n\n| --- | --- |\n") == []

    def test_a_word_that_was_hyphenated_at_the_line_end_is_whole_again(self) -> None:
        assert quotable("Employees accrue va-\ncation monthly.") == ["Employees accrue vacation monthly."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("As shown [1], so.", "As shown (1), so."),
        ("See [2, 3].", "See (2, 3)."),
        ("[1](http://x) [a]", "[1](http://x) [a]"),
    ],
)
def test_marks_of_the_document_itself_are_none_of_ours(text: str, expected: str) -> None:
    assert unmarked(text) == expected
