"""What a reply is worth, as it was written and as people would be shown it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, example
from tests.tuning.evaluation.made import RIGHT
from tuning.evaluation.bootstrap import intervals
from tuning.evaluation.metrics import METRICS, is_valid, parts, scored, token_f1
from tuning.evaluation.questions import question

ANSWERABLE = question(example())
UNANSWERABLE = question(example("Is there a yacht?", NO_ANSWER, (PARKING, TRAVEL)))
INVENTED = "There are 99 days of leave for pirates and parrots. [1]"


def test_the_expected_answer_is_worth_everything() -> None:
    found = scored(ANSWERABLE, RIGHT)
    assert found.score == found.written.f1 == found.shown.f1 == 1
    assert found.written.cited == found.shown.cited == ANSWERABLE.gold == {1}
    assert found.is_valid
    assert not found.written.abstains


def test_the_honest_no_answer_is_right_only_where_nothing_answers() -> None:
    right, wrong = scored(UNANSWERABLE, NO_ANSWER), scored(ANSWERABLE, NO_ANSWER)
    assert (right.score, wrong.score) == (1, 0)
    assert right.shown.abstains
    assert wrong.shown.abstains
    assert right.is_valid


def test_what_no_passage_says_is_not_shown_and_so_becomes_a_no_answer() -> None:
    found = scored(UNANSWERABLE, INVENTED)
    assert not found.written.abstains
    assert found.shown.abstains
    assert found.removed == 1
    assert found.score == 1
    assert scored(ANSWERABLE, INVENTED).score == 0


def test_an_invented_sentence_beside_a_right_one_counts_only_as_written() -> None:
    found = scored(ANSWERABLE, f"{RIGHT} {INVENTED}")
    assert found.shown.f1 == 1
    assert found.written.f1 < 0.8


def test_the_wrong_passage_costs_the_citation_and_not_the_words() -> None:
    """Both passages say it, but only the first one was asked for."""
    copy = question(example(passages=(LEAVE, replace(LEAVE, chunk_id="c-other"))))
    found = scored(copy, RIGHT.replace("[1]", "[2]"))
    assert found.shown.f1 == 1
    assert found.shown.cited == {2}
    values = dict(zip([metric.name for metric in METRICS], parts([found])[0].tolist(), strict=True))
    assert values["citation_precision_shown"] == [0, 1]
    assert values["citation_recall_shown"] == [0, 1]


def test_citations_are_counted_by_the_numbers_of_the_prompt() -> None:
    """Shown answers are numbered anew, from 1."""
    asked = question(example(answer=RIGHT.replace("[1]", "[2]"), passages=(TRAVEL, LEAVE)))
    assert 2 in asked.gold
    assert scored(asked, RIGHT.replace("[1]", "[2]")).shown.cited == {2}


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (RIGHT, True),
        (NO_ANSWER, True),
        (f"Here is what I found:\n- {RIGHT}\n- Travel needs approval. [1][2]", True),
        ("Annual leave accrues at 13 days per year.", False),
        (f"{RIGHT} And more.", False),
        ("Annual leave accrues at 13 days per year. [3]", False),
        ("Annual leave accrues at 13 days per year. [0]", False),
        (f"{NO_ANSWER} Sorry.", False),
        ("", False),
        ("[1]", False),
    ],
)
def test_the_form_is_a_passage_after_every_sentence_or_exactly_the_no_answer(text: str, valid: bool) -> None:
    assert is_valid(text, 2) is valid


def test_words_are_compared_by_their_stems_and_however_often_they_stand() -> None:
    assert token_f1("accruing days", "accrue day") == 1
    assert token_f1("leave leave leave leave", "leave") == pytest.approx(0.4)
    assert token_f1("", "leave") == token_f1("parrot", "leave") == 0


def test_marks_are_no_words() -> None:
    assert scored(ANSWERABLE, RIGHT.replace("[1]", "[1, 2]")).written.f1 == 1


def test_abstention_is_counted_over_all_questions() -> None:
    """Four unanswerable, of which two are refused; four answerable, of which one is refused."""
    replies = [scored(UNANSWERABLE, NO_ANSWER)] * 2
    replies += [scored(UNANSWERABLE, "The car park closes at nine in the evening. [1]")] * 2
    replies += [scored(ANSWERABLE, NO_ANSWER)] + [scored(ANSWERABLE, RIGHT)] * 3
    found = intervals(parts(replies), 1, 2000)
    values = {metric.name: each.estimate for metric, each in zip(METRICS, found, strict=True) if each}
    assert values["abstention_precision_shown"] == pytest.approx(2 / 3)
    assert values["abstention_recall_shown"] == pytest.approx(1 / 2)
    assert values["abstention_f1_shown"] == pytest.approx(2 * 2 / (3 + 4))
    assert values["answer_f1_shown"] == pytest.approx(3 / 4)
    assert values["score"] == pytest.approx(5 / 8)
