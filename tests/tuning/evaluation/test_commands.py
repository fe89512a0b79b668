"""`lorekeeper tune evaluate` as a person calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import GenerationUnavailable, InvalidRequest
from core.types.adapters import Verdict
from tests.fakes.openai_server import FakeOpenAI, fake_openai
from tests.tuning.evaluation.made import RIGHT, about_leave, train_examples, write_dataset, write_finished_run
from tuning.commands import app
from tuning.evaluation import endpoint
from tuning.evaluation.files import ANSWERS, REPLIES, REPORT, TABLE, read_evaluation
from tuning.training.run import EVALUATION, State


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    dataset = write_dataset(tmp_path / "own", [*train_examples(), *about_leave(32, unanswerable=8)])
    return write_finished_run(tmp_path / "run", dataset)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """Says the same whoever is asked."""
    monkeypatch.setenv("EVALUATE_API_KEY", "sesame")
    with fake_openai(answer=RIGHT, key="sesame") as fake:
        yield fake


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """General questions."""
    path = tmp_path / "general.jsonl"
    path.write_text('{"question": "How many days of leave?", "answers": ["13"]}\n')
    return path


def evaluated(run: Path, *arguments: object) -> str:
    """What is printed. Raises what the command raised."""
    options = [
        str(each) for each in ("evaluate", run, "--dataset", run.parent / "own", "--resamples", 2000, *arguments)
    ]
    done = CliRunner().invoke(app, options, catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(done.output)
    return done.stdout


def test_the_verdict_is_printed_and_the_report_written(run: Path, server: FakeOpenAI, few: Path) -> None:
    said = evaluated(run, "--url", server.url, "--general", few)
    assert said.startswith("Failed.\nIt is not better than the base model")
    assert "base 1.000, base with examples 1.000, adapter 1.000, on 32 questions" in said
    assert str(run / EVALUATION / REPORT) in said
    assert f"lorekeeper tune register {run}\n" in said
    names = {path.name for path in (run / EVALUATION).iterdir()}
    assert names == {REPORT, TABLE, ANSWERS, REPLIES, "differences.png", "kinds.png"}
    assert read_evaluation(run).verdict is Verdict.FAILED
    assert not server.adapters
    assert len(server.changes) == 2


def test_what_it_says_to_do_can_be_pasted_into_a_shell(run: Path, server: FakeOpenAI, few: Path) -> None:
    moved = run.rename(run.with_name("my run"))
    assert f"lorekeeper tune register '{moved}'\n" in evaluated(moved, "--url", server.url, "--general", few)


def test_one_json_object_is_printed_on_request(run: Path, server: FakeOpenAI, few: Path) -> None:
    limits = ("--fewest", 2, "--most-forgetting", 0.2, "--most-surprise", 3, "--most-lost", 0.3)
    row = json.loads(evaluated(run, "--url", server.url, "--general", few, "--json", "--most", 5, *limits))
    assert (row["verdict"], row["figures"]["questions"]) == ("failed", 5)
    assert row["options"]["limits"] == {"fewest": 2, "most_forgetting": 0.2, "most_surprise": 3, "most_lost": 0.3}
    assert json.loads((run / EVALUATION / TABLE).read_text())["options"] == row["options"]
    assert "sesame" not in json.dumps(row)
    assert str(run.parent) not in json.dumps(row["options"])


def test_a_second_time_nothing_is_asked_again(run: Path, server: FakeOpenAI, few: Path) -> None:
    first = evaluated(run, "--url", server.url, "--general", few)
    asked = sum("messages" in each and each.get("stream", False) for each in server.requests)
    assert evaluated(run, "--url", server.url, "--general", few) == first
    assert sum("messages" in each and each.get("stream", False) for each in server.requests) == asked == 98


def test_a_server_that_dies_is_told_and_the_adapter_unloaded(run: Path, server: FakeOpenAI, few: Path) -> None:
    server.behaviour = "cut"
    with pytest.raises(GenerationUnavailable, match="run the same command again"):
        evaluated(run, "--url", server.url, "--general", few)
    assert not server.adapters
    assert read_evaluation(run).verdict is Verdict.MISSING


def test_what_cannot_be_evaluated_is_told(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "own", about_leave(2))
    running = write_finished_run(tmp_path / "running", dataset, state=State.RUNNING)
    with pytest.raises(InvalidRequest, match="is not finished"):
        evaluated(running)
    unserved = write_finished_run(
        tmp_path / "unserved", dataset, preflight={"form": "", "problems": ["It has a bias."]}
    )
    with pytest.raises(InvalidRequest, match=r"nothing that can be served\. It has a bias\."):
        evaluated(unserved)
    with pytest.raises(InvalidRequest, match="is no training run"):
        evaluated(tmp_path)


def test_without_a_question_nothing_is_written_over(run: Path, server: FakeOpenAI, few: Path) -> None:
    evaluated(run, "--url", server.url, "--general", few)
    before = (run / EVALUATION / REPORT).read_text()
    write_dataset(run.parent / "own", train_examples())
    with pytest.raises(
        InvalidRequest, match=r"no question in .* to ask: none were kept for testing\. Nothing was evaluated"
    ):
        evaluated(run, "--url", server.url, "--general", few)
    assert (run / EVALUATION / REPORT).read_text() == before
