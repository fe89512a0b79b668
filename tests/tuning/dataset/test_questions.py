"""Questions by rule: from headings, definitions and gaps, with quoted answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.types import Passage, Turn
from tuning.dataset.questions import GAP, SectionText, drafts, in_conversation, sections_of
from tuning.dataset.types import Draft, Kind

LEAVE = (
    "Annual leave accrues at 13 days per year for everybody who works full time. It expires after two years. "
    "A sabbatical is a leave of absence of up to six months."
)


def section(heading: str = "Annual leave", text: str = LEAVE, title: str = "Handbook") -> SectionText:
    return SectionText(title, (heading,), text, "d", frozenset({"c"}))


def made(*sections: SectionText) -> dict[str, Draft]:
    """The drafts by their questions."""
    return {draft.question: draft for draft in drafts(sections, "hr")}


def test_a_heading_is_asked_about_and_answered_with_the_first_sentences() -> None:
    draft = made(section())["What does Handbook say about Annual leave?"]
    assert draft.answer == LEAVE
    assert (draft.kind, draft.namespace, draft.documents, draft.chunks) == (
        Kind.DOCUMENT,
        "hr",
        frozenset({"d"}),
        frozenset({"c"}),
    )


def test_a_heading_that_is_a_question_is_asked_as_it_stands() -> None:
    text = "Annual leave is approved by the head of the department, and by nobody else."
    assert made(section("2.1 Who approves annual leave?", text))["Who approves annual leave?"].answer == text


@pytest.mark.parametrize("heading", ["Overview", "1.", "Notes and references", "Example:", "§§"])
def test_a_heading_that_says_nothing_is_not_asked_about(heading: str) -> None:
    assert not any("about" in question for question in made(section(heading)))


def test_of_several_sections_none_is_asked_about_as_the_whole_document() -> None:
    text = "The handbook is for everybody who works at one of the offices."
    asked = made(section("The Handbook of 2026", text), section())
    assert [question for question in asked if "about" in question] == ["What does Handbook say about Annual leave?"]


@pytest.mark.parametrize("heading", ["Resetting a password", ""])
def test_a_document_of_one_section_is_asked_about_by_its_title(heading: str) -> None:
    text = "Resetting a password\nA password is reset by the help desk, which calls back within the hour."
    draft = made(section(heading, text, "Resetting a password"))[
        "What do the documents say about Resetting a password?"
    ]
    assert draft.answer == "A password is reset by the help desk, which calls back within the hour."
    assert draft.spoken == ("Resetting a password",)


@pytest.mark.parametrize(
    ("heading", "asked"),
    [
        ("Civil servants", "Civil servants"),
        ("A servant's leave", "A servant's leave"),
        ("I. Servants", "Servants"),
        ("2.1 Servants", "Servants"),
        ("b) Servants", "Servants"),
        ("Chapter 3 Servants", "Servants"),
    ],
)
def test_only_its_number_is_taken_off_a_heading(heading: str, asked: str) -> None:
    text = "Servants of the state take their leave when the servants of the court do."
    assert f"What does Handbook say about {asked}?" in made(section(heading, text))


def test_a_short_question_as_a_heading_is_asked_of_its_document() -> None:
    text = "Fees of a doctor are not covered by the programme of the company."
    assert "PerksPlus: What is not covered?" in made(section("What is not covered?", text, "PerksPlus"))


def test_sentences_that_lost_the_break_between_them_are_not_asked_about() -> None:
    glued = "Manage the invoices of 12 months on this page.Viewing them needs the rights of an owner."
    assert not any(GAP in question for question in made(section(text=f"{glued} Annual leave is free for owners.")))


def test_every_third_question_is_asked_after_the_one_before_it() -> None:
    asked = [Draft(Kind.DOCUMENT, "hr", f"Question {number}?", f"Answer {number}.") for number in range(5)]
    talked = in_conversation(asked)
    assert [each.kind is Kind.FOLLOW_UP for each in talked] == [False, True, False, False, True]
    assert talked[1].history == (Turn("user", "Question 0?"), Turn("assistant", "Answer 0. [1]"))
    assert (talked[1].question, talked[1].answer) == ("Question 1?", "Answer 1.")
    assert in_conversation([talked[1], asked[2]]) == [talked[1], asked[2]]


def test_a_section_that_begins_in_the_middle_is_not_asked_about() -> None:
    cut = "accrues for annual leave in the first year. Annual leave expires after two years."
    assert not any("about" in question for question in made(section(text=cut)))


def test_an_answer_without_a_word_of_the_heading_is_none() -> None:
    assert not any("about" in question for question in made(section("Parental benefits")))


def test_a_heading_that_holds_the_title_is_asked_about_by_itself() -> None:
    asked = made(section("Annual leave", title="Leave"), section("Leave of 2026", title="Leave"))
    said = [question for question in asked if "say about" in question]
    assert said == ["What do the documents say about Annual leave?"]
    assert asked["What do the documents say about Annual leave?"].spoken == ("Annual leave",)


def test_only_the_first_part_of_a_long_section_says_what_it_is_about() -> None:
    later = replace(
        section(text="Annual leave may be carried over once, if the manager agrees."), chunks=frozenset({"z"})
    )
    assert made(section(), later)["What does Handbook say about Annual leave?"].chunks == {"c"}


def test_a_definition_is_asked_for() -> None:
    draft = made(section())["What is a sabbatical?"]
    assert (draft.answer, draft.spoken) == (
        "A sabbatical is a leave of absence of up to six months.",
        ("a sabbatical",),
    )


@pytest.mark.parametrize(
    "text",
    [
        "This is a rule for all of them.",
        "The two main offices are the ones there.",
        "Training is an important part of it.",
        "Training is the most studied part of it.",
    ],
)
def test_what_defines_nothing_is_not_asked_for(text: str) -> None:
    assert not any(question.startswith(("What is", "What are")) for question in made(section(text=text)))


def test_a_figure_is_left_out_of_a_sentence_that_stands_alone() -> None:
    draft = made(section())[
        f"Which words are missing here: “Annual leave accrues at {GAP} per year for everybody who works full time.”?"
    ]
    assert draft.answer == "Annual leave accrues at 13 days per year for everybody who works full time."


def test_a_name_that_stands_everywhere_is_not_left_out() -> None:
    text = "The canteen and its terrace are run for all of us by the company Grey Heron."
    assert any(GAP in question for question in made(section("Canteen", text)))
    everywhere = [section(f"Floor {number}", f"{text} Floor {number}.") for number in range(4)]
    assert not any(GAP in question for question in made(*everywhere))


def test_neighbouring_sections_make_a_follow_up() -> None:
    travel = section("Travel", "Travel to conferences needs the approval of a manager.")
    draft = made(section(), travel)["And what about Travel?"]
    assert draft.kind is Kind.FOLLOW_UP
    assert draft.history[0].text == "What does Handbook say about Annual leave?"
    assert draft.history[1].text.count(" [1]") == 3
    assert draft.answer == "Travel to conferences needs the approval of a manager."


def test_the_question_is_put_in_the_language_of_the_section() -> None:
    german = "Der Urlaub wird von der Leitung genehmigt und ist nicht auf das nächste Jahr übertragbar."
    assert "Was steht in Handbuch über Urlaub?" in made(section("Urlaub", german, "Handbuch"))
    polish = "Urlop jest przyznawany przez kierownika działu i nie może być przeniesiony na następny rok."
    assert made(section("Urlop", polish, "Podręcznik")) == {}


def test_code_and_tables_are_no_answers() -> None:
    text = "Run it like this:\n\n```\nlorekeeper run\n```\n\n| Leave | Days |\n|---|---|\n| Annual leave | 13 |\n"
    assert made(section(text=text)) == {}


def test_the_chunks_of_a_section_are_one() -> None:
    first = Passage("c1", "d", "Handbook", "One.", "One. Two.", 0.0, ("Leave",))
    second, other = replace(first, chunk_id="c2", text="Two."), replace(first, chunk_id="c3", context="Three.")
    assert [(each.text, each.chunks) for each in sections_of([first, second, other])] == [
        ("One. Two.", frozenset({"c1", "c2"})),
        ("Three.", frozenset({"c3"})),
    ]


def test_a_figure_is_left_out_without_the_mark_behind_it() -> None:
    text = "The tax office answers within 1,200 hours, and never later than in the year 2027."
    question = next(question for question in made(section("Tax office", text)) if GAP in question)
    assert f"in the year {GAP}.”?" in question
    halted = "The tax office answers within 1,200 hours, and never later than what the law allows."
    assert any(f"within {GAP}, and never" in question for question in made(section("Tax office", halted)))
