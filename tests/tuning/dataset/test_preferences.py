"""A better and a worse answer to the same prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.prompts import NO_ANSWER
from core.types import Outcome, Thumb, Turn
from tests.tuning.dataset.made import LEAVE, example
from tuning.dataset.building import Built
from tuning.dataset.personal import Policy
from tuning.dataset.preferences import preferences
from tuning.dataset.rated import RatedAnswer
from tuning.dataset.types import Draft, Kind, Preference, Split

GOOD = example(kind=Kind.LIKED, people=("person-a",))
BETTER = Built(GOOD, Draft(Kind.LIKED, "default", "How much leave?", LEAVE.text))
WORSE = RatedAnswer(
    "9", "default", "how much  LEAVE?", "Nobody knows. [1] Or do they? [2]", Outcome.ANSWERED, Thumb.DOWN, "",
    {1: "c-travel", 2: "c-gone"}, frozenset({"d-travel"}), ("person-b",),
)  # fmt: skip


def pairs(better: Built = BETTER, policy: Policy = Policy.DROP, **changes: Any) -> list[Preference]:
    return preferences([better], [replace(WORSE, **changes)], policy)


def test_the_worse_answers_marks_are_those_of_the_better_ones_prompt() -> None:
    (pair,) = pairs()
    assert (pair.prompt, pair.chosen) == (GOOD.prompt, GOOD.answer)
    assert pair.rejected == "Nobody knows. [2] Or do they?"
    assert pair.lineage.people == ("person-a", "person-b")
    assert pair.lineage.feedback == "9"
    assert pair.lineage.quoted == ("d-travel",)


def test_a_no_answer_where_there_is_one_is_worse() -> None:
    assert [pair.rejected for pair in pairs(outcome=Outcome.NO_EVIDENCE)] == [NO_ANSWER]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.EMPTY_INDEX, Outcome.INVALID_QUESTION])
def test_what_the_model_did_not_say_is_no_worse_answer(outcome: Outcome) -> None:
    assert pairs(outcome=outcome) == []


def test_a_masked_question_is_still_the_same() -> None:
    draft = replace(BETTER.draft, question="How much leave has [e-mail]?", history=(Turn("user", "I am [e-mail]."),))
    asked = {"question": "How much leave has jo.doe@corp.example?", "history": (Turn("user", "I am jo@corp.example."),)}
    assert len(pairs(replace(BETTER, draft=draft), Policy.MASK, **asked)) == 1
    assert pairs(replace(BETTER, draft=draft), Policy.KEEP, **asked) == []


def test_nothing_is_learned_from_what_is_tested() -> None:
    assert pairs(replace(BETTER, example=replace(GOOD, split=Split.TEST))) == []


def test_what_nobody_judged_is_not_better() -> None:
    assert pairs(replace(BETTER, draft=replace(BETTER.draft, kind=Kind.DOCUMENT))) == []


def test_another_question_conversation_or_namespace_makes_no_pair() -> None:
    assert pairs(question="How much pay?") == []
    assert pairs(history=(Turn("user", "Hello?"),)) == []
    assert pairs(namespace="hr") == []
    assert pairs(thumb=Thumb.UP) == []


def test_the_same_answer_is_not_worse_than_itself() -> None:
    assert pairs(answer=LEAVE.text) == []


def test_personal_data_in_the_worse_answer() -> None:
    text = "Ask jane.doe@corp.example. [1]"
    assert pairs(answer=text) == []
    assert [pair.rejected for pair in pairs(answer=text, policy=Policy.MASK)] == ["Ask [e-mail]. [2]"]
