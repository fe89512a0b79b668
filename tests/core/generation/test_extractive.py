"""Answers in the documents' own words."""

from __future__ import annotations

import pytest

from core.citations import ground
from core.generation.extractive import LONGEST_ANSWER, MOST_SENTENCES, ExtractiveGenerator
from core.types import GenerationRequest, Passage
from tests.fakes.embedder import WordEmbedder


def passage(text: str, score: float = 0.9) -> Passage:
    return Passage("c", "d", "Handbook", text, text, score)


async def answer(question: str, *passages: Passage) -> str:
    request = GenerationRequest(question, question, passages)
    return "".join([piece async for piece in ExtractiveGenerator(WordEmbedder()).stream(request)])


async def test_the_sentence_that_answers_leads_with_its_number() -> None:
    other = passage("Travel to conferences needs approval. Hotels are booked online.", 0.5)
    leave = passage("The handbook applies to all. Annual leave accrues at 13 days per year. Ask for the forms.")
    text = await answer("How many days of annual leave accrue?", other, leave)
    assert text.startswith("Annual leave accrues at 13 days per year. [2]")


@pytest.mark.parametrize("scores", [(0.9, 0.5), (-1.0, -9.0), (3.0, -2.0), (0.0, 0.0)])
async def test_the_earlier_passage_leads_whatever_the_size_and_sign_of_the_scores(scores: tuple[float, float]) -> None:
    earlier, later = (
        passage(f"Annual leave in {town} accrues monthly.", score)
        for town, score in zip(("Bern", "Rome"), scores, strict=True)
    )
    assert (await answer("How does annual leave accrue?", earlier, later)).startswith("Annual leave in Bern")


async def test_how_many_wants_a_number() -> None:
    text = await answer("How many days of leave?", passage("Days of leave are important. Days of leave: 13 a year."))
    assert text.startswith("Days of leave: 13 a year. [1]")


async def test_a_list_comes_with_its_lead_in() -> None:
    text = await answer(
        "Which kinds of leave are there?", passage("Kinds of leave:\n- annual leave\n- sick leave\n\nOther.")
    )
    assert "Kinds of leave:\n- annual leave\n- sick leave [1]" in text


async def test_sentences_that_say_the_same_are_given_once() -> None:
    same = "Annual leave accrues at 13 days per year."
    text = await answer("annual leave days", passage(same), passage(f"{same} Sick leave too."))
    assert text.count("13 days") == 1


async def test_an_answer_stays_short() -> None:
    many = passage(
        " ".join(f"Annual leave rule {number} says that leave accrues {number} days." for number in range(60))
    )
    text = await answer("annual leave accrues days", many)
    assert text.count("[1]") <= MOST_SENTENCES
    assert len(text) <= LONGEST_ANSWER + 100


@pytest.mark.parametrize("text", ["", "# Heading", "See the following:", "| --- |"])
async def test_what_is_no_statement_is_not_quoted(text: str) -> None:
    assert await answer("What applies?", passage(text)) == ""


async def test_without_passages_there_is_no_answer() -> None:
    assert await answer("What applies?") == ""


async def test_a_command_is_quoted_with_its_lead_in_and_the_mark_is_not_in_it() -> None:
    text = await answer("How do I change the port?", passage("Change the port in the settings:\n\nport = 9000\n"))
    assert text == "Change the port in the settings: [1]\n```\nport = 9000\n```"


async def test_what_a_document_says_of_answers_is_not_our_answer() -> None:
    said = 'It says "I could not find this in the documents" when there is no answer, such as [2], in the documents.'
    text = await answer("What does it say when there is no answer?", passage(said))
    grounded = ground(text, [passage(said)])
    assert grounded.text == f"{said.replace('[2]', '(2)')} [1]"
    assert grounded.citations[0].quote == said


async def test_what_goes_on_beside_the_best_sentence_is_quoted_before_as_good_a_one_elsewhere() -> None:
    here = passage("Annual leave accrues monthly. Unused annual leave is paid out.")
    there = passage("Unused annual leave is carried over.")
    text = await answer("annual leave accrues monthly unused", here, there)
    assert text.startswith("Annual leave accrues monthly. [1]\n\nUnused annual leave is paid out. [1]")


async def test_a_long_passage_is_searched_to_its_end() -> None:
    filler = " ".join(f"Rule number {number} is about travel." for number in range(40))
    text = await answer("How does annual leave accrue?", passage(f"{filler} Annual leave accrues monthly."))
    assert text.startswith("Annual leave accrues monthly. [1]")
