"""What is asked: the reviewed test examples, without those whose documents the run has learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, example
from tests.tuning.evaluation.made import RIGHT, about_leave, train_examples, write_dataset, write_finished_run
from tuning.dataset.files import MANIFEST
from tuning.dataset.review import Decision, Verdict, keep
from tuning.dataset.types import Kind, Split
from tuning.evaluation.questions import HeldOut, held_out, question
from tuning.training.run import DATASET, read_run

OWN = (*train_examples(), *about_leave(6, unanswerable=2))
ELSEWHERE = replace(LEAVE, chunk_id="c-new", document_id="d-new")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Trained on travel and parking; what is about leave is held out."""
    return write_finished_run(tmp_path / "run", write_dataset(tmp_path / "own", OWN))


def held(run: Path, folder: str = "own", most: int = 0) -> HeldOut:
    return held_out(run, read_run(run), run.parent / folder, most)


def test_the_test_examples_are_asked_in_the_prompts_that_they_have(run: Path) -> None:
    found = held(run)
    tests = [each for each in OWN if each.split is Split.TEST]
    assert {each.example.prompt for each in found.questions} == {each.prompt for each in tests}
    assert (found.is_own, found.leaked, len(found.examples)) == (True, 0, 3)
    assert found.questions[0].passages[0].text in found.questions[0].example.prompt[0][1]


def test_fewer_are_always_the_same_ones(run: Path) -> None:
    assert held(run, most=2).questions == held(run).questions[:2]


def test_rejected_examples_are_not_asked_and_edited_ones_as_edited(run: Path) -> None:
    first, second, *_ = [each.example for each in held(run).questions if each.example.is_answered]
    keep(run.parent / "own", [Decision(first.hash, Verdict.REJECT), Decision(second.hash, Verdict.EDIT, NO_ANSWER)])
    asked = held(run).questions
    assert len(asked) == 5
    assert first.question not in {each.example.question for each in asked}
    assert next(each for each in asked if each.example.question == second.question).gold == frozenset()
    assert held(run).leaked == 0


def test_a_prompt_that_stands_there_twice_is_one_question(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "own", OWN * 8)
    run = write_finished_run(tmp_path / "run", folder)
    assert len(held(run).questions) == 6


def test_an_answer_that_a_review_took_away_does_not_hide_what_the_question_is_about(run: Path) -> None:
    learnt = example(
        "When does parking close?",
        "The car park closes at nine in the evening. [1]",
        (PARKING, TRAVEL),
        split=Split.TEST,
    )
    folder = write_dataset(run.parent / "other", [learnt])
    keep(folder, [Decision(learnt.hash, Verdict.EDIT, NO_ANSWER)])
    assert (held(run, "other").questions, held(run, "other").leaked) == ((), 1)


def test_of_another_data_set_what_the_run_has_learnt_is_left_out_and_counted(run: Path) -> None:
    other = [
        example("When does parking close?", "The car park closes at nine in the evening. [1]", (PARKING, TRAVEL), split=Split.TEST),
        example("How much leave is there?", RIGHT, (ELSEWHERE, TRAVEL), split=Split.TEST),
    ]  # fmt: skip
    write_dataset(run.parent / "other", other)
    found = held(run, "other")
    assert [each.example.question for each in found.questions] == ["How much leave is there?"]
    assert (found.leaked, found.is_own) == (1, False)


def test_an_unanswerable_question_leaks_by_the_document_that_was_hidden_from_it(run: Path) -> None:
    asked = example("Who approves travel?", NO_ANSWER, (ELSEWHERE,), split=Split.TEST, kind=Kind.UNANSWERABLE)
    hidden = replace(asked, lineage=replace(asked.lineage, hidden=("d-travel",)))
    write_dataset(run.parent / "other", [hidden])
    assert held(run, "other").leaked == 1


def test_a_test_example_that_was_trained_on_after_all_is_left_out(run: Path) -> None:
    """A data set that was put together by hand, with the same document on both sides."""
    mixed = [*OWN, example("How much leave is there, all in all?")]
    other = write_finished_run(run.parent / "other-run", write_dataset(run.parent / "mixed", mixed))
    found = held(other, "mixed")
    assert found.is_own
    assert found.leaked == 4
    assert all(not each.example.is_answered for each in found.questions)


def test_what_an_earlier_run_has_learnt_counts_for_the_one_that_continues_it(run: Path) -> None:
    """Its manifest lies below the run's own."""
    earlier = run / DATASET / "earlier"
    earlier.mkdir()
    before = write_dataset(run.parent / "before", [example("How much leave is there?")])
    (earlier / MANIFEST).write_bytes((before / MANIFEST).read_bytes())
    found = held(run)
    assert found.leaked == 4
    assert all(not each.example.is_answered for each in found.questions)


def test_a_run_whose_manifest_is_of_another_data_set_is_refused(run: Path) -> None:
    other = write_dataset(run.parent / "other", [example("How much leave is there?")])
    (run / DATASET / MANIFEST).write_bytes((other / MANIFEST).read_bytes())
    with pytest.raises(InvalidRequest, match="nobody knows what it has learnt"):
        held(run)


def test_another_wording_of_the_prompt_is_refused(run: Path) -> None:
    write_dataset(run.parent / "other", OWN, prompt="another")
    with pytest.raises(InvalidRequest, match="another wording"):
        held(run, "other")


def test_a_folder_that_is_no_data_set_is_refused(run: Path) -> None:
    with pytest.raises(InvalidRequest, match="is no dataset"):
        held(run, "nowhere")


def test_all_passages_that_answer_are_right_to_cite() -> None:
    """One that the answer names, and those of the lineage."""
    assert question(example(answer=RIGHT.replace("[1]", "[2]"))).gold == {1, 2}
    assert question(example("Is there a yacht?", NO_ANSWER)).gold == frozenset()
