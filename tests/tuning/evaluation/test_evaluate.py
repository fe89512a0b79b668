"""From models' answers to a verdict, with models that say what they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import GenerationUnavailable, InvalidRequest
from core.prompts import NO_ANSWER
from core.types.adapters import Verdict
from tests.tuning.evaluation.made import (
    BASE,
    RIGHT,
    FakeModels,
    Says,
    about_leave,
    guesses,
    held_out_of,
    knows,
    write_dataset,
    write_finished_run,
)
from tuning.dataset.types import Prompt
from tuning.evaluation.evaluate import Options, Outcome, evaluate
from tuning.evaluation.gate import Limits
from tuning.evaluation.general import read_general
from tuning.evaluation.types import Contender, Reply
from tuning.training.run import SERVED

TESTS = about_leave()
GENERAL = read_general()
ANSWERS = {each.question: each.answers[0] for each in GENERAL}
OPTIONS = Options(resamples=2000)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_finished_run(tmp_path / "run", write_dataset(tmp_path / "own", TESTS))


def with_general(says: Says, share: float = 1.0) -> Says:
    """Who knows this share of the general questions, too."""
    known = set(list(ANSWERS)[: int(share * len(ANSWERS))])

    def said(prompt: Prompt) -> str:
        question = prompt[-1][1]
        return (ANSWERS[question] if question in known else "?") if question in ANSWERS else says(prompt)

    return said


def outcome(run: Path, models: FakeModels, options: Options = OPTIONS) -> Outcome:
    return evaluate(run, BASE, held_out_of(TESTS), models, options, lambda *_: None)


def test_a_good_adapter_passes(run: Path) -> None:
    found = outcome(run, FakeModels(with_general(guesses), with_general(knows)))
    assert found.verdict is Verdict.PASSED
    difference = found.contest.differences[Contender.BASE]["score"]
    assert difference is not None
    assert difference.low > 0.5


def test_a_bad_adapter_fails(run: Path) -> None:
    found = outcome(run, FakeModels(with_general(knows), with_general(guesses)))
    assert found.verdict is Verdict.FAILED
    assert "not better" in found.reasons[0]


def test_an_adapter_that_says_what_its_base_says_is_not_better(run: Path) -> None:
    found = outcome(run, FakeModels(with_general(knows), with_general(knows)))
    assert found.verdict is Verdict.FAILED
    (reason,) = found.reasons
    assert "not better than the base model: its score differs by +0.000" in reason


def test_better_than_the_base_is_not_enough_where_examples_in_the_prompt_do_as_well(run: Path) -> None:
    def learns_from_examples(prompt: Prompt) -> str:
        return knows(prompt) if len(prompt) > 2 else guesses(prompt)

    found = outcome(run, FakeModels(with_general(learns_from_examples), with_general(knows)))
    assert found.contest.rival is Contender.FEW_SHOT
    assert found.verdict is Verdict.FAILED
    assert "examples in its prompt" in found.reasons[0]


def test_an_adapter_that_always_refuses_does_not_win(run: Path) -> None:
    found = outcome(run, FakeModels(with_general(lambda _: "Hello."), with_general(lambda _: NO_ANSWER)))
    assert found.verdict is Verdict.FAILED


MOSTLY_UNANSWERABLE = about_leave(60, unanswerable=36)


@pytest.mark.parametrize("reply", ["", NO_ANSWER])
def test_who_answers_nothing_does_not_win_where_most_questions_have_no_answer(run: Path, reply: str) -> None:
    # The base names no passage, so that a reply without any is no worse in form.
    base = with_general(lambda _: "Travel to conferences needs the approval of a manager.")
    models = FakeModels(base, with_general(lambda _: reply))
    found = evaluate(run, BASE, held_out_of(MOSTLY_UNANSWERABLE), models, OPTIONS, lambda *_: None)
    (reason,) = found.reasons
    assert "answers nothing" in reason
    (run / SERVED / "adapter_config.json").write_text('{"r": 8}')
    good = FakeModels(base, with_general(knows))
    better = evaluate(run, BASE, held_out_of(MOSTLY_UNANSWERABLE), good, OPTIONS, lambda *_: None)
    assert better.verdict is Verdict.PASSED, better.reasons


def test_who_answers_everything_does_not_win(run: Path) -> None:
    def answers_half(prompt: Prompt) -> str:
        return knows(prompt) if len(prompt[-1][1]) % 2 else NO_ANSWER

    found = outcome(run, FakeModels(with_general(answers_half), with_general(lambda _: RIGHT)))
    assert found.verdict is Verdict.FAILED
    assert any("says less often" in reason for reason in found.reasons), found.reasons


def test_forgetting_is_found(run: Path) -> None:
    found = outcome(run, FakeModels(with_general(guesses), with_general(knows, 0.9)))
    assert found.verdict is Verdict.FAILED
    (reason,) = found.reasons
    assert "It forgets" in reason
    lenient = replace(OPTIONS, limits=Limits(most_forgetting=0.11))
    assert outcome(run, FakeModels(with_general(guesses), with_general(knows, 0.9)), lenient).verdict is Verdict.PASSED


def test_likelihoods_show_what_answers_do_not(run: Path) -> None:
    found = outcome(run, FakeModels(with_general(guesses), with_general(knows), likely=(-1.0, -4.0)))
    surprise = found.general.forgetting.surprise
    assert surprise is not None
    assert surprise.estimate == pytest.approx(3.0)
    assert "less likely" in found.reasons[0]


def test_what_was_said_is_not_asked_again_after_a_kill(run: Path) -> None:
    base, adapter = with_general(guesses), with_general(knows)
    killed = FakeModels(base, adapter, dies_after=100)
    with pytest.raises(KeyboardInterrupt):
        outcome(run, killed)
    going_on = FakeModels(base, adapter)
    found = outcome(run, going_on)
    whole = 3 * len(TESTS) + 2 * len(GENERAL)
    assert len(killed.asked) + len(going_on.asked) == whole
    assert found.verdict is Verdict.PASSED
    again = FakeModels(base, adapter)
    assert outcome(run, again).contest.figures == found.contest.figures
    assert not again.asked


def test_other_files_are_asked_again_and_their_base_is_not(run: Path) -> None:
    outcome(run, FakeModels(with_general(guesses), with_general(knows)))
    (run / SERVED / "adapter_config.json").write_text('{"r": 8}')
    trained_again = FakeModels(with_general(guesses), with_general(guesses))
    assert outcome(run, trained_again).verdict is Verdict.FAILED
    assert len(trained_again.asked) == len(TESTS) + len(GENERAL)


def test_files_that_change_in_the_middle_are_no_evaluation(run: Path) -> None:
    def meddles(prompt: Prompt) -> str:
        (run / SERVED / "adapter_config.json").write_text('{"r": 8}')
        return NO_ANSWER

    with pytest.raises(InvalidRequest, match="were changed while"):
        outcome(run, FakeModels(guesses, meddles))


def test_a_failing_model_is_told_with_what_to_do(run: Path) -> None:
    class Failing(FakeModels):
        def answers(self, *_: object, **__: object) -> Iterator[tuple[int, Reply]]:
            raise GenerationUnavailable("The server is gone.")

    with pytest.raises(GenerationUnavailable, match=r"gone\. What was said is kept: run the same command again"):
        outcome(run, Failing(guesses, guesses))


def test_without_questions_it_fails_and_says_so(run: Path) -> None:
    found = evaluate(run, BASE, held_out_of([]), FakeModels(guesses, knows), OPTIONS, lambda *_: None)
    assert found.verdict is Verdict.FAILED
    assert "only 0 held-out questions" in found.reasons[0]


def test_whoever_reads_it_is_told_what_is_unusual(run: Path) -> None:
    held = replace(held_out_of(TESTS), leaked=3, is_own=False)
    found = evaluate(run, BASE, held, FakeModels(guesses, knows, window=100), OPTIONS, lambda *_: None)
    said = " ".join(found.notes)
    assert "another data set" in said
    assert "3 test examples are left out" in said
    assert f"In {len(TESTS)} prompts there was no room" in said
    alone = evaluate(run, BASE, replace(held, examples=()), FakeModels(guesses, knows), OPTIONS, lambda *_: None)
    assert "no training example to show" in " ".join(alone.notes)


def test_progress_is_told_for_each_stage_up_to_its_end(run: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    models = FakeModels(guesses, knows)
    evaluate(run, BASE, held_out_of(TESTS), models, OPTIONS, lambda stage, *rest: told.update({stage: rest}))
    assert {"base model", "base model with examples", "adapter", "adapter, general"} <= set(told)
    assert all(done == total for done, total in told.values())
