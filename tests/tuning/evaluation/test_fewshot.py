"""The base model's examples: near ones, one refusal, all in one form, and no more than fit."""

from __future__ import annotations

from dataclasses import replace

from core.citations import parse_citations
from core.prompts import NO_ANSWER, SYSTEM
from core.types import Turn
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, example, prompt
from tests.tuning.evaluation.made import RIGHT, train_examples
from tuning.dataset.grounding import shown_passages
from tuning.dataset.types import Kind, Prompt
from tuning.evaluation.fewshot import Shots, few_shot_prompt

ASKED = example("Who approves travel to a fair?", "A manager approves travel. [1]", (TRAVEL, LEAVE))


def anything(_: Prompt) -> bool:
    return True


def test_the_nearest_question_stands_last_and_one_is_refused() -> None:
    chosen = Shots(train_examples()).nearest(ASKED, 3)
    assert [each.question for each in chosen] == [
        "Is there a yacht?",
        "When does the car park close?",
        "Who approves travel?",
    ]


def test_no_more_than_wanted_and_an_answer_before_a_refusal() -> None:
    shots = Shots(train_examples())
    assert [each.question for each in shots.nearest(ASKED, 1)] == ["Who approves travel?"]
    assert shots.nearest(ASKED, 0) == []
    assert len(shots.nearest(ASKED, 9)) == 3


def test_examples_of_the_same_namespace_come_first() -> None:
    other = replace(train_examples()[0], namespace="other")
    mine = example("Where is the canteen?", RIGHT)
    assert Shots([other, mine]).nearest(ASKED, 1) == [mine]


def test_a_follow_up_is_no_example() -> None:
    history = (Turn("user", "Which leave?"), Turn("assistant", RIGHT))
    follow_up = replace(example("And travel?"), prompt=prompt("And travel?", history=history), kind=Kind.FOLLOW_UP)
    assert Shots([follow_up]).nearest(ASKED, 3) == []


def test_every_turn_has_its_passages_before_its_question_and_the_instructions_stand_once() -> None:
    made = few_shot_prompt(ASKED, Shots(train_examples()).nearest(ASKED, 3), anything)
    assert made[0] == ("system", SYSTEM)
    assert [role for role, _ in made] == ["system", *["user", "assistant"] * 3, "user"]
    for role, text in made[1:]:
        if role == "user":
            assert text.startswith('<passage number="1"')
    assert made[-1][1].endswith(ASKED.question)
    assert shown_passages((("", made[-1][1]),)) == shown_passages(ASKED.prompt)
    assert made[2][1] == NO_ANSWER


def test_an_examples_marks_name_the_passages_that_are_left_of_it() -> None:
    wide = example("When?", "The car park closes at nine in the evening. [3]", (LEAVE, TRAVEL, PARKING))
    made = few_shot_prompt(ASKED, [wide], anything)
    shown = shown_passages((("", made[1][1]),))
    assert len(shown) == 2
    (number,) = parse_citations(made[2][1])
    assert shown[number - 1].text == PARKING.text


def test_what_is_no_mark_stays_in_an_examples_answer() -> None:
    said = replace(ASKED, answer="It has been so since [2024]. [1, 2]")
    assert few_shot_prompt(ASKED, [said], anything)[2][1] == "It has been so since [2024]. [1][2]"


def test_the_history_stays_between_the_examples_and_the_question() -> None:
    history = (Turn("user", "Which leave?"), Turn("assistant", RIGHT))
    asked = replace(ASKED, prompt=prompt("And travel?", history=history))
    made = few_shot_prompt(asked, train_examples()[:1], anything)
    assert made[3:5] == (("user", "Which leave?"), ("assistant", RIGHT))
    assert made[-1][1].endswith("And travel?")


def test_what_does_not_fit_is_left_out_furthest_first() -> None:
    chosen = Shots(train_examples()).nearest(ASKED, 3)
    two = few_shot_prompt(ASKED, chosen, lambda made: len(made) <= 6)
    assert "Who approves travel?" in two[3][1]
    assert len(two) == 6
    assert few_shot_prompt(ASKED, chosen, lambda _: False) == ASKED.prompt


def test_a_prompt_without_passages_stays_whole() -> None:
    bare = replace(ASKED, prompt=prompt("Who?", passages=()))
    assert few_shot_prompt(bare, [], anything) == bare.prompt
    assert few_shot_prompt(bare, train_examples()[:1], anything)[-1] == ("user", "Who?")
