"""Sentences of running text, lists and tables."""

from __future__ import annotations

import pytest

from core.sentences import quotable, sentences, sharing_most, unmarked


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

    def test_a_pointer_to_other_pages_answers_nothing(self) -> None:
        text = "Leave accrues monthly.\n\nSee also: the page about sabbaticals.\n\n- Read more about annual leave here"
        assert quotable(text) == ["Leave accrues monthly."]

    @pytest.mark.parametrize("text", ["Learn more than one language before you apply.", "Read more books than before."])
    def test_a_sentence_that_only_begins_like_a_pointer_stays(self, text: str) -> None:
        assert quotable(text) == [text]

    def test_an_empty_first_cell_moves_no_column(self) -> None:
        assert quotable("| Plan | Price | Seats |\n|---|---|---|\n| | 5 EUR a month | 10 people |\n") == [
            "Price: 5 EUR a month – Seats: 10 people"
        ]

    def test_an_escaped_line_is_part_of_its_cell(self) -> None:
        text = "| Command | Days kept |\n|---|---|\n| either a \\| b | 30 days |\n"
        assert quotable(text) == ["either a | b – Days kept: 30 days"]

    def test_a_row_with_other_cells_than_its_header_gets_no_names(self) -> None:
        text = "| Kind | Days |\n|---|---|\n| Annual leave | 13 days | and more |\n"
        assert quotable(text) == ["Annual leave – 13 days – and more"]

    def test_a_row_without_a_header_is_its_cells(self) -> None:
        assert quotable("| Annual leave | 13 days |\n") == ["Annual leave – 13 days"]

    def test_each_cell_of_a_row_has_the_name_of_its_column_and_empty_ones_are_left_out(self) -> None:
        text = "| Plan | Fee | Term | |\n|---|---|---|---|\n| Standard plan | 17 USD | | yes |\n\nAll plans renew.\n"
        assert quotable(text) == ["Standard plan – Fee: 17 USD – yes", "All plans renew."]

    def test_a_table_row_is_read_with_its_columns_and_its_header_is_none(self) -> None:
        text = "| Kind | Days |\n| --- | --- |\n| Annual leave | 13 days |\n"
        assert quotable(text) == ["Annual leave – Days: 13 days"]

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


class TestSharingMost:
    TEXTS = ("Travel is paid.", "Annual leave accrues.", "Leave.", "Annual leave accrues monthly.", "Ask us.")

    def test_those_with_most_of_the_words_stay_in_their_order(self) -> None:
        found = sharing_most("How does annual leave accrue monthly?", self.TEXTS, 3)
        assert found == ["Annual leave accrues.", "Leave.", "Annual leave accrues monthly."]

    def test_of_equals_the_earlier_stay(self) -> None:
        assert sharing_most("paid leave", self.TEXTS, 2) == ["Travel is paid.", "Annual leave accrues."]

    def test_without_shared_words_some_from_everywhere_stay(self) -> None:
        assert sharing_most("blockchain", self.TEXTS, 2) == ["Travel is paid.", "Leave."]

    def test_few_are_all_kept(self) -> None:
        assert sharing_most("blockchain", self.TEXTS, 5) == list(self.TEXTS)
