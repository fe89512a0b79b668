"""Whether answers and their citations are right, judged against the corpus."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.settings import Settings
from core.types import Answer, Citation, Outcome
from evals.answers import Answered, evaluate_answers, judge, row, sample, token_f1
from evals.datasets import CorpusDocument, Dataset, EvalQuestion
from evals.retrieval import corpus_ids

LEAVE = "Annual leave accrues at 13 days per year. It expires after two years."
TRAVEL = "Travel to conferences needs the approval of a manager."
DATASET = Dataset("set", (CorpusDocument("leave", "Leave", LEAVE), CorpusDocument("travel", "Travel", TRAVEL)), ())
IDS = {name: document for document, name in corpus_ids(DATASET).items()}
TEXTS = {IDS["leave"]: LEAVE, IDS["travel"]: TRAVEL}


def question(gold: str = "leave", answerable: bool | None = True, answers: tuple[str, ...] = ()) -> EvalQuestion:
    return EvalQuestion("q", "How much leave?", (), frozenset({gold} if gold else ()), answers, answerable)


def answer(text: str, document: str = "leave", quote: str = "Annual leave accrues at 13 days per year.") -> Answer:
    cited = (Citation(1, "Title", "", quote, IDS[document]),) if text else ()
    outcome = Outcome.ANSWERED if text else Outcome.NO_EVIDENCE
    return Answer("q", outcome, text, cited, generator="extractive")


def answered(given: Answer, asked: EvalQuestion, cited: str = "leave") -> Answered:
    return Answered(asked, given, frozenset({cited} if given.citations else ()), 10.0)


class TestJudge:
    def test_a_quoted_sentence_is_right(self) -> None:
        assert judge(answer("Annual leave accrues at 13 days per year. [1]"), TEXTS) == ([True], [True])

    def test_a_figure_that_the_document_lacks_is_wrong(self) -> None:
        assert judge(answer("Annual leave accrues at 14 days per year. [1]"), TEXTS) == ([False], [False])

    def test_words_that_the_document_lacks_are_wrong(self) -> None:
        assert judge(answer("Sabbaticals of teachers last whole semesters. [1]"), TEXTS) == ([False], [False])

    def test_the_wrong_document_is_wrong(self) -> None:
        text = "Annual leave accrues at 13 days per year. [1]"
        assert judge(answer(text, document="travel"), TEXTS) == ([False], [False])

    def test_a_quote_that_does_not_stand_in_the_document_is_wrong(self) -> None:
        given = answer("Annual leave accrues at 13 days per year. [1]", quote="Annual leave accrues at 99 days.")
        assert judge(given, TEXTS)[0] == [False]

    def test_a_mark_without_a_source_is_wrong(self) -> None:
        assert judge(answer("Annual leave accrues at 13 days per year. [7]"), TEXTS) == ([False], [False])

    def test_a_sentence_without_a_mark_is_not_supported(self) -> None:
        assert judge(answer("It expires after two years. [1]\n\nNobody knows more about it."), TEXTS)[1] == [
            True,
            False,
        ]

    def test_a_list_is_cited_by_the_mark_at_its_end(self) -> None:
        listed = "Annual leave:\n- accrues at 13 days per year\n- expires after two years [1]"
        assert judge(answer(listed), TEXTS) == ([True], [True])


class TestRow:
    def test_each_share_is_of_what_it_says(self) -> None:
        right = answered(answer("Annual leave accrues at 13 days per year. [1]"), question(answers=("13 days",)))
        elsewhere = answered(right.answer, question(gold="travel"))
        made_up = answered(right.answer, question(gold="", answerable=False))
        refused = answered(answer(""), question(gold="", answerable=False))
        wrongly = answered(answer(""), question(answers=("13 days",)))
        found = row(DATASET, [right, elsewhere, made_up, refused, wrongly])
        assert (found["questions"], found["answered"], found["abstained"]) == (5, 3, 2)
        assert found["answer_precision"] == pytest.approx(1 / 3, abs=1e-4)
        assert (found["abstention_precision"], found["abstention_recall"]) == (0.5, 0.5)
        assert (found["citation_precision"], found["citation_recall"]) == (1.0, 1.0)
        assert found["token_f1"] == pytest.approx(token_f1(LEAVE[:41], "13 days") / 2, abs=1e-4)
        assert found["generator"] == "extractive"

    def test_a_share_of_nothing_is_none(self) -> None:
        found = row(DATASET, [answered(answer(""), question())])
        assert found["answer_precision"] is None
        assert found["abstention_recall"] is None
        assert found["token_f1"] is None

    def test_a_question_that_was_not_understood_is_no_abstention(self) -> None:
        refused = replace(answer(""), outcome=Outcome.INVALID_QUESTION)
        assert row(DATASET, [answered(refused, question())])["abstained"] == 0


@pytest.mark.parametrize(
    ("given", "gold", "score"), [("The 13 days.", "13 days", 1.0), ("13 days", "thirteen", 0.0), ("", "x", 0.0)]
)
def test_token_f1_ignores_articles_case_and_punctuation(given: str, gold: str, score: float) -> None:
    assert token_f1(given, gold) == score


def test_a_sample_is_the_same_each_time_and_leaves_out_what_nobody_judged() -> None:
    asked = [replace(question(), id=str(number)) for number in range(50)]
    unknown = replace(question(gold="", answerable=None), id="unknown")
    assert sample([*asked, unknown], 10) == sample([unknown, *asked], 10)
    assert unknown not in sample([*asked, unknown], 60)


async def test_the_whole_path_answers_and_abstains() -> None:
    asked = (
        question(answers=("13 days",)),
        EvalQuestion("u", "Who won the football championship in Brazil?", (), frozenset(), (), answerable=False),
    )
    found = await evaluate_answers(replace(DATASET, questions=asked), Settings(), lambda stage, done, total: None)
    assert (found["answered"], found["abstained"]) == (1, 1)
    assert (found["answer_precision"], found["abstention_recall"]) == (1.0, 1.0)
    assert (found["citation_precision"], found["citation_recall"]) == (1.0, 1.0)
    assert found["token_f1"] > 0
