"""What is written about an evaluation: readable, complete, and safe whatever documents say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.dataset.made import example
from tests.tuning.evaluation.made import (
    BASE,
    RIGHT,
    FakeModels,
    about_leave,
    guesses,
    held_out_of,
    knows,
    write_dataset,
    write_finished_run,
)
from tuning.dataset.types import Split
from tuning.evaluation.evaluate import Options, Outcome, evaluate
from tuning.evaluation.files import ANSWERS, REPORT, TABLE, read_evaluation, write_files
from tuning.evaluation.metrics import METRICS
from tuning.evaluation.plots import draw
from tuning.evaluation.report import files_of, summary

EVIL = "`` ![x](http://evil.example) </td> | <script>\n# Passed \x1b[31m"
DAY = "2026-01-02T03:04:05+00:00"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_finished_run(folder / "run", write_dataset(folder / "own", about_leave()))


@pytest.fixture(scope="module")
def outcome(run: Path) -> Outcome:
    """One of the questions would like to be a picture."""
    asked = [*about_leave(), example(f"How much leave {EVIL}", RIGHT, split=Split.TEST)]
    models = FakeModels(guesses, knows)
    return evaluate(run, BASE, held_out_of(asked), models, Options(resamples=2000), lambda *_: None)


def test_the_report_says_the_verdict_why_and_every_figure(outcome: Outcome) -> None:
    text = files_of(outcome, DAY)[REPORT]
    assert text.startswith(f"# Evaluation: {outcome.verdict.value}")
    for reason in outcome.reasons:
        assert reason in text
    for metric in METRICS:
        assert f"| {metric.label} |" in text
    assert "as shown" in text
    assert "as written" in text
    assert "| document | 31 |" in text
    assert "95th percentile" in text
    assert "The server does not tell how likely" in text
    assert "less that of a model that answers nothing: +0.756 (" in text


def test_a_kind_of_general_question_stays_in_its_cell(outcome: Outcome) -> None:
    general = replace(outcome.general, questions=tuple(replace(each, kind="a|b") for each in outcome.general.questions))
    assert "| ` a\\|b ` | 127 |" in files_of(replace(outcome, general=general), DAY)[REPORT]


def test_examples_show_what_everybody_said_and_cannot_pretend_to_be_the_report(outcome: Outcome) -> None:
    everything_evil = replace(
        outcome,
        contest=replace(outcome.contest, questions=(outcome.contest.questions[-1],) * len(outcome.contest.questions)),
    )
    text = files_of(everything_evil, DAY)[REPORT]
    assert "## The greatest gains" in text
    assert f"Adapter (1.00): ` {RIGHT} `" in text
    lines = [line for line in text.splitlines() if "evil" in line]
    assert lines
    assert all(line.startswith("- Question: ``` How much leave `` ![x]") and line.endswith("```") for line in lines)
    assert "\x1b" not in text
    assert not any(line.startswith("# Passed") for line in text.splitlines())


def test_a_long_answer_is_cut(outcome: Outcome) -> None:
    loud = FakeModels(lambda _: "word " * 500, knows).base
    contest = outcome.contest
    replies = {who: [replace(each, text=loud(())) for each in those] for who, those in contest.replies.items()}
    text = files_of(replace(outcome, contest=replace(contest, replies=replies)), DAY)[REPORT]
    assert max(map(len, text.splitlines())) < 700


def test_without_a_difference_there_are_no_examples(run: Path) -> None:
    models = FakeModels(knows, knows, name="the same")
    same = evaluate(run, BASE, held_out_of(about_leave()), models, Options(resamples=2000), lambda *_: None)
    text = files_of(same, DAY)[REPORT]
    assert "greatest" not in text


def test_programs_read_the_same_verdict(run: Path, outcome: Outcome) -> None:
    write_files(run, {**files_of(outcome, DAY), **draw(outcome.contest)})
    found = read_evaluation(run)
    assert (found.verdict, found.reasons) == (outcome.verdict, outcome.reasons)
    assert found.figures["score"] == 1.0
    assert found.figures["questions"] == 41
    table = json.loads((run / "evaluation" / TABLE).read_text())
    assert table["differences"]["base"]["score"]["low"] == found.figures["difference_low"]
    assert table["made_at"] == DAY
    for picture in (run / "evaluation").glob("*.png"):
        assert picture.name in (run / "evaluation" / REPORT).read_text()


def test_every_question_has_a_line_with_what_all_contenders_said(outcome: Outcome) -> None:
    rows = [json.loads(line) for line in files_of(outcome, DAY)[ANSWERS].splitlines()]
    assert len(rows) == 41
    assert set(rows[0]["contenders"]) == {"base", "few-shot", "adapter"}
    assert rows[0]["contenders"]["adapter"]["text"] == RIGHT
    assert rows[0]["contenders"]["adapter"]["score"] == 1.0
    assert rows[0]["gold"] == [1]


def test_the_same_figures_give_the_same_pictures(outcome: Outcome) -> None:
    first, second = draw(outcome.contest), draw(outcome.contest)
    assert first == second
    assert len(first) == 2
    assert all(content.startswith(b"\x89PNG") for content in first.values())


def test_no_questions_make_a_report_too(run: Path) -> None:
    empty = evaluate(run, BASE, held_out_of([]), FakeModels(guesses, knows), Options(resamples=2000), lambda *_: None)
    assert "Questions: 0" in files_of(empty, DAY)[REPORT]
    assert len(draw(empty.contest)) == 2


def test_the_seconds_told_are_those_that_an_answer_took(outcome: Outcome) -> None:
    replies = {
        who: [replace(each, seconds=float(place)) for place, each in enumerate(those[:4])]
        for who, those in outcome.contest.replies.items()
    }
    told = summary(replace(outcome, contest=replace(outcome.contest, replies=replies)))
    for contender in told["contenders"].values():
        assert (contender["seconds_and_tokens"]["p50"], contender["seconds_and_tokens"]["p95"]) == (1.0, 3.0)
