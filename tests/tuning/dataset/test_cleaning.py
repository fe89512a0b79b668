"""What is taken out, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, example, words
from tuning.dataset import cleaning
from tuning.dataset.cleaning import Rules, clean, leaks, own_languages
from tuning.dataset.types import Example, Split

RULES = Rules(words, 1000, 100, {"default": frozenset({"en"})})
OTHER = example("May I travel to conferences?", f"{TRAVEL.text} [1]", (TRAVEL, PARKING))


def dropped(*examples: Example, rules: Rules = RULES) -> dict[str, int]:
    return dict(clean(examples, rules).dropped)


def test_what_is_well_stays_in_its_order() -> None:
    assert clean([example(), OTHER], RULES).kept == (example(), OTHER)


def test_the_same_question_twice_is_once() -> None:
    again = example("How much leave???", f"{LEAVE.text} [1]")
    assert clean([example(), again], RULES).kept == (example(),)
    assert dropped(example(), again) == {cleaning.REPEATED: 1}


def test_a_question_with_an_answer_and_without_one_are_two() -> None:
    assert dropped(example(), example(answer=NO_ANSWER, passages=(TRAVEL,))) == {}


def test_a_training_question_that_is_tested_leaks() -> None:
    held = example("How much leave?", f"{PARKING.text} [1]", (PARKING,), split=Split.TEST)
    cleaned = clean([example(), held], RULES)
    assert (cleaned.kept, cleaned.dropped) == ((held,), {cleaning.LEAKED_QUESTION: 1})


def test_a_training_answer_that_is_tested_leaks() -> None:
    held = example("Tell me about accruals of holidays", split=Split.TEST)
    cleaned = clean([example(), held], RULES)
    assert (cleaned.kept, cleaned.dropped) == ((held,), {cleaning.LEAKED_ANSWER: 1})


def test_no_answers_do_not_leak_although_they_are_alike() -> None:
    held = example("When does the car park close?", NO_ANSWER, (TRAVEL,), split=Split.TEST)
    assert dropped(example(answer=NO_ANSWER, passages=(TRAVEL,)), held) == {}


@pytest.mark.parametrize("token", ["<|im_end|>", "<end_of_turn>", "[INST]", "</s>", "<|eot_id|>"])
def test_control_tokens_of_chat_templates_are_kept_out(token: str) -> None:
    spoiled = replace(LEAVE, text=f"{LEAVE.text} {token}")
    assert dropped(example(passages=(spoiled,)), OTHER) == {cleaning.CONTROL: 1}


def test_what_is_too_long_is_kept_out() -> None:
    assert dropped(example(), rules=replace(RULES, longest_prompt=20)) == {cleaning.TOO_LONG: 1}
    assert dropped(example(), rules=replace(RULES, longest_answer=5)) == {cleaning.TOO_LONG: 1}


def test_another_language_than_the_namespaces_or_the_answers_is_kept_out() -> None:
    german = "Wie viele Tage Urlaub habe ich im ersten Jahr und wer genehmigt die Reise?"
    assert dropped(example(german)) == {cleaning.LANGUAGE: 1}
    mixed = replace(RULES, languages={"default": frozenset({"en", "de"})})
    spoken = example(german, "The leave of the staff is for them and it is to be approved. [1]")
    assert dropped(spoken, rules=mixed) == {cleaning.LANGUAGE: 1}


def test_a_language_of_a_twentieth_of_the_documents_is_the_namespaces_own() -> None:
    english, german = "The leave of the staff is to be approved.", "Der Urlaub ist von der Leitung zu genehmigen."
    assert own_languages({"a": [*[english] * 9, german], "b": [*[english] * 99, german]}) == {
        "a": {"en", "de"},
        "b": {"en"},
    }


class TestLeaks:
    def test_a_tested_document_in_a_training_prompt_is_named(self) -> None:
        held = example("When does the car park close?", f"{PARKING.text} [1]", (PARKING,), split=Split.TEST)
        assert leaks([example(), held]) == []
        assert leaks([OTHER, held]) == ["d-parking"]

    def test_training_documents_may_be_shown_in_tests(self) -> None:
        held = example("When does the car park close?", f"{PARKING.text} [1]", (PARKING, LEAVE), split=Split.TEST)
        assert leaks([example(), held]) == []
