"""The review as a person at a terminal sees it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, example
from tuning.dataset.review import Decision, Verdict
from tuning.dataset.review_screen import HELP, Review
from tuning.dataset.types import Example

FIRST = example()
SECOND = example("May I travel?", f"{TRAVEL.text} [1]", (TRAVEL,))
THIRD = example("When does the car park close?", f"{PARKING.text} [1]", (PARKING,))


@dataclass
class Screen:
    """What was shown, and what was kept."""

    shown: list[str] = field(default_factory=list)
    kept: list[Decision] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.shown)


def reviewed(
    *keys: str, examples: tuple[Example, ...] = (FIRST, SECOND, THIRD), decided: tuple[Decision, ...] = ()
) -> Screen:
    """After these lines were typed, and the input ended."""
    screen, lines = Screen(), iter(keys)

    def ask(prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    known = {each.hash: each for each in decided}
    Review(examples, known, ask, screen.shown.append, screen.kept.append).walk()
    return screen


def verdicts(screen: Screen) -> list[tuple[Verdict, str]]:
    names = {FIRST.hash: "first", SECOND.hash: "second", THIRD.hash: "third"}
    return [(each.verdict, names[each.hash]) for each in screen.kept]


def test_each_example_is_decided_in_turn() -> None:
    screen = reviewed("a", "R", "s")
    assert verdicts(screen) == [(Verdict.ACCEPT, "first"), (Verdict.REJECT, "second")]
    assert "That was the last example." in screen.text


def test_question_answer_and_the_passage_it_names_are_shown() -> None:
    screen = reviewed("q")
    assert "1 of 3 · document · train" in screen.text
    assert "Question: How much leave?" in screen.text
    assert f"[1] Leave, page 7, Annual leave: {LEAVE.text}" in screen.text
    assert TRAVEL.text not in screen.text
    assert TRAVEL.text in reviewed("p", "q").text


def test_it_goes_on_where_it_was_left() -> None:
    screen = reviewed("a", decided=(Decision(FIRST.hash, Verdict.REJECT),))
    assert verdicts(screen) == [(Verdict.ACCEPT, "second")]


def test_one_can_go_back_and_decide_otherwise() -> None:
    screen = reviewed("a", "b", "r", "b", "b", "q")
    assert verdicts(screen) == [(Verdict.ACCEPT, "first"), (Verdict.REJECT, "first")]
    assert "Decided: accept" in screen.text


def test_to_quit_keeps_what_was_decided() -> None:
    assert verdicts(reviewed("a", "q", "a")) == [(Verdict.ACCEPT, "first")]


def test_the_end_of_the_input_ends_it_even_in_an_edit() -> None:
    assert reviewed("e", "half a line").kept == []


def test_an_edit_is_taken_when_the_passages_support_it() -> None:
    screen = reviewed("e", "Annual leave accrues at 13 days per year,", "every year. [1]", ".")
    assert screen.kept == []
    assert "This was not taken" in screen.text
    screen = reviewed("e", "There are 13 days of annual leave per year. [1]", ".")
    assert [each.answer for each in screen.kept] == ["There are 13 days of annual leave per year. [1]"]


def test_an_edit_with_another_figure_is_not_taken() -> None:
    screen = reviewed("e", "Annual leave accrues at 99 days per year. [1]", ".", "q")
    assert screen.kept == []
    assert "do not say this" in screen.text


def test_the_no_answer_is_one_key_away() -> None:
    assert [(each.verdict, each.answer) for each in reviewed("n", "q").kept] == [(Verdict.EDIT, NO_ANSWER)]


def test_anything_else_shows_what_there_is() -> None:
    assert HELP in reviewed("x", "q").shown


def test_escape_sequences_reach_neither_the_screen_nor_the_review() -> None:
    hostile = replace(LEAVE, text=f"{LEAVE.text}\x1b[2J\x1b]0;owned\x07", title="\x1b[31mLeave")
    spoiled = replace(example("How\x9b much?", f"{LEAVE.text} [1]", (hostile,)), namespace="\x1b[1m", origin="\x1b[8m")
    screen = reviewed("p", "e", "Annual leave accrues at 13 days per year.\x1b[A [1]", ".", examples=(spoiled,))
    assert not any(character in screen.text for character in "\x1b\x9b\x07")
    assert "\x1b" not in screen.kept[0].answer


def test_an_interrupt_quits_and_what_is_decided_stays() -> None:
    screen, lines = Screen(), iter(["a", "e", "Annual"])

    def ask(prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise KeyboardInterrupt from None

    Review((FIRST, SECOND, THIRD), {}, ask, screen.shown.append, screen.kept.append).walk()
    assert verdicts(screen) == [(Verdict.ACCEPT, "first")]


def test_of_a_no_answer_all_passages_are_shown() -> None:
    refused = example(answer=NO_ANSWER)
    screen = reviewed("q", examples=(refused,))
    assert LEAVE.text in screen.text
    assert TRAVEL.text in screen.text
