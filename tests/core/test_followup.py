"""Follow-up questions to queries that stand alone."""

from __future__ import annotations

import pytest

from core.followup import MOST_WORDS, RuleRewriter, refers_back, standalone
from core.types import Turn


def asked(*questions: str) -> list[Turn]:
    return [Turn("user", question) for question in questions]


@pytest.mark.parametrize(
    "question",
    [
        "How is it treated?",
        "And in Berlin?",
        "Why?",
        "What about parents?",
        "Do they get paid?",
        "Sick leave?",
        "Et après?",
    ],
)
def test_a_question_that_leaves_something_unsaid_refers_back(question: str) -> None:
    assert refers_back(question)


@pytest.mark.parametrize(
    "question",
    [
        "How many days of annual leave do new employees accrue?",
        "Is there a travel policy for contractors abroad?",
        "How do I stop the server?",
        "Can I use Docker?",
        "Who gives me a laptop?",
    ],
)
def test_a_question_with_its_own_subject_does_not(question: str) -> None:
    assert not refers_back(question)


def test_the_words_of_the_question_before_are_added_behind_it() -> None:
    assert standalone("How is it treated?", asked("What is sickle cell disease?")) == (
        "How is it treated? sickle cell disease"
    )


def test_words_that_it_has_already_are_not_repeated() -> None:
    assert (
        standalone("Is it the Disease itself?", asked("Which disease spreads?")) == "Is it the Disease itself? spreads"
    )


def test_a_thin_question_before_brings_the_one_before_that() -> None:
    history = asked("Who may take parental leave?", "And contractors?")
    assert standalone("How long is it?", history) == "How long is it? take parental leave contractors"


def test_answers_are_not_taken_for_questions() -> None:
    history = [*asked("Who approves travel?"), Turn("assistant", "Your manager approves it [1].")]
    assert standalone("Who is it?", history) == "Who is it? approves travel"


def test_a_new_subject_stands_as_it_is() -> None:
    question = "How many days of annual leave do new employees accrue?"
    assert standalone(question, asked("Who approves travel to conferences?")) == question


def test_without_history_nothing_changes() -> None:
    assert standalone("How is it treated?", []) == "How is it treated?"


def test_a_pasted_page_before_does_not_flood_the_query() -> None:
    page = " ".join(f"word{number}" for number in range(5000))
    assert len(standalone("What is it?", asked(page)).split()) == 3 + MOST_WORDS


async def test_the_rewriter_applies_the_rule() -> None:
    assert await RuleRewriter().standalone("Why?", asked("Is travel paid?")) == "Why? travel paid"
