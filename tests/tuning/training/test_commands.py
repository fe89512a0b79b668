"""`lorekeeper tune train`: what people see, and what a killed process leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import CliRunner, Result

from core.types.adapters import BaseModel
from tests.tuning.training.sets import made_examples, write_dataset
from tuning.commands import app
from tuning.registry import preflight
from tuning.training.commands import _how_to_go_on
from tuning.training.run import State, hashes, read_run

ROOT = Path(__file__).parents[3]
LONGEST_WAIT = 100


def _command(run: Path, dataset: Path, model: Path, *further: str) -> list[str]:
    return ["train", str(run), "--dataset", str(dataset), "--model", str(model), "--batch", "2", *further]


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@contextmanager
def _process(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "core.cli", "tune", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _checkpoints(run: Path) -> list[str]:
    return sorted(each.parent.name for each in run.glob("checkpoints/checkpoint-*/complete.json"))


def _wait_for_checkpoint(process: subprocess.Popen[str], run: Path) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while not _checkpoints(run) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[1]
    assert _checkpoints(run)


def test_a_killed_training_goes_on_by_the_same_command(model: Path, dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = _command(run, dataset, model, "--epochs", "6", "--checkpoint-steps", "2")
    with _process(command) as process:
        _wait_for_checkpoint(process, run)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert read_run(run).state is State.RUNNING

    done = _run(*command)
    assert done.exit_code == 0, done.output
    assert f"Going on with {run}" in done.stderr
    finished = read_run(run)
    assert finished.state is State.FINISHED
    assert finished.result["steps"] == 24
    steps = [json.loads(line)["step"] for line in (run / "losses.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 25))
    assert not (run / "checkpoints").exists()

    again = _run(*command)
    assert again.exit_code == 0
    assert "is trained already" in again.stderr
    assert read_run(run) == finished


def test_a_run_ends_with_what_a_server_loads(model: Path, tmp_path: Path) -> None:
    dataset, run = write_dataset(tmp_path / "dataset", made_examples(2)), tmp_path / "my run"
    done = _run(*_command(run, dataset, model, "--batch", "9", "--epochs", "1"))
    assert done.exit_code == 0, done.output
    assert "18 examples" in done.stderr
    assert "2 for validation" in done.stderr
    assert "step 2 of 2" in done.stderr
    assert "validation loss" in done.stdout
    assert f"lorekeeper tune evaluate '{run}' --dataset {dataset}\n" in done.stdout
    assert read_run(run).preflight["form"] == "adapter"
    assert "adapter_config.json" in hashes(run / "served")


def test_another_run_in_the_folder_is_refused_and_again_replaces_it(model: Path, dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert _run(*_command(run, dataset, model, "--epochs", "0.25")).exit_code == 0
    other = _command(run, dataset, model, "--epochs", "0.25", "--rank", "4")
    refused = _run(*other)
    assert "rank 4 instead of 16" in str(refused.exception)
    assert read_run(run).options["rank"] == 16
    assert _run(*other, "--again").exit_code == 0
    assert read_run(run).options["rank"] == 4


def test_what_a_server_takes_and_a_conversion_may_change_is_the_users_choice(
    model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float]] = []

    def prepare_served(folder: Path, base: BaseModel, max_rank: int, *, least_agreement: float, **_: object) -> Any:
        asked.append((max_rank, least_agreement))
        return {"form": "", "problems": []}

    monkeypatch.setattr(preflight, "prepare_served", prepare_served)
    chosen = ("--epochs", "0.25", "--max-rank", "32", "--least-agreement", "0.9")
    assert _run(*_command(tmp_path / "run", dataset, model, *chosen)).exit_code == 0
    assert asked == [(32, 0.9)]


def test_what_was_converted_for_a_server_is_told(
    model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {
        "form": "adapter",
        "problems": ["vLLM does not load DoRA."],
        "conversion": {"kind": "merged", "agreement": 0.5},
    }
    monkeypatch.setattr(preflight, "prepare_served", lambda *_, **__: made)
    said = _run(*_command(tmp_path / "run", dataset, model, "--epochs", "0.25")).stdout
    assert "So it was converted: merged, same token in 50.0% of the places." in said


def test_whoever_is_alone_although_several_were_asked_for_is_told(
    model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    (tmp_path / "notes.txt").touch()
    told = _run(*_command(tmp_path, dataset, model))
    assert "accelerate was asked for several processes and started one" in told.stderr
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert "started one" not in _run(*_command(tmp_path, dataset, model)).stderr


def test_two_processes_do_not_train_in_one_folder(model: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        refused = _run(*_command(tmp_path / "run", dataset, model))
    assert "Another process is training" in str(refused.exception)


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (["--method", "full"], "negative transfer"),
        (["--method", "qlora"], "QLoRA needs a GPU"),
        (["--model", "/nowhere/model"], "There is no folder /nowhere/model"),
        (["--dataset", "/nowhere/data"], "is no dataset"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_no_folder(
    model: Path, dataset: Path, tmp_path: Path, further: list[str], said: str
) -> None:
    refused = _run(*_command(tmp_path / "run", dataset, model, *further))
    assert said in str(refused.exception)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    refused = _run(*_command(tmp_path, tmp_path / "none", model))
    assert "holds other files (thesis.txt)" in str(refused.exception)


def test_a_model_that_is_no_folder_is_told_to_be_looked_for(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    told = _run(*_command(tmp_path / "run", dataset, Path("nobody/nothing")))
    assert "nobody/nothing is no folder here, so it is looked for on the Hugging Face hub." in told.stderr
    assert "cannot be read" in str(told.exception)


def test_a_run_that_replaces_another_goes_on_without_again() -> None:
    assert _how_to_go_on(again=False) == "The same command goes on from here."
    assert _how_to_go_on(again=True) == "The same command without --again goes on from here."


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learnt_and_says_how_to_go_on(model: Path, dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with _process(_command(run, dataset, model, "--epochs", "200", "--checkpoint-steps", "2")) as process:
        _wait_for_checkpoint(process, run)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONGEST_WAIT)
    assert process.returncode == 130
    assert "The same command goes on from here" in said
    assert _checkpoints(run)
