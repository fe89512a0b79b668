"""Resuming: what there is to do in a folder, and which checkpoints are whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.types.adapters import BaseModel
from tuning.training.resume import Start, begin, complete, keep_last, latest
from tuning.training.run import DatasetUsed, Run, Stage, State, read_run, write_run

RUN = Run(
    State.RUNNING,
    Stage.SFT,
    "lora",
    BaseModel("model", "sha256:a"),
    DatasetUsed("hash", "prompt"),
    "template",
    {"rank": 8, "seed": 1},
)


def _begun(folder: Path, run: Run = RUN) -> Path:
    folder.mkdir()
    write_run(folder, run)
    return folder


def test_a_new_or_empty_folder_begins_a_run(tmp_path: Path) -> None:
    assert begin(tmp_path / "run", RUN, again=False) is Start.NEW
    (tmp_path / ".lock").touch()
    assert begin(tmp_path, RUN, again=True) is Start.NEW


def test_a_begun_run_is_gone_on_with(tmp_path: Path) -> None:
    assert begin(_begun(tmp_path / "run"), RUN, again=False) is Start.RESUME


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    finished = replace(RUN, state=State.FINISHED, preflight={"form": "adapter"})
    assert begin(_begun(tmp_path / "run", finished), RUN, again=False) is Start.NOTHING


def test_a_run_that_died_before_its_served_form_gets_only_that(tmp_path: Path) -> None:
    assert begin(_begun(tmp_path / "run", replace(RUN, state=State.FINISHED)), RUN, again=False) is Start.SERVE


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(RUN, options={"rank": 16, "seed": 1}), "rank 16 instead of 8"),
        (
            replace(RUN, options={"rank": 8, "seed": 1, "examples": "0123456789abcdef"}),
            "what is learnt after the review 0123456789ab instead of none",
        ),
        (replace(RUN, method="dora"), "method dora instead of lora"),
        (replace(RUN, base=BaseModel("model", "sha256:b")), "model model \\(sha256:b\\) instead of"),
        (replace(RUN, dataset=DatasetUsed("other", "prompt")), "dataset other instead of hash"),
        (replace(RUN, template="changed"), "chat template changed instead of template"),
    ],
)
def test_another_run_in_the_same_folder_is_refused_with_what_differs(tmp_path: Path, other: Run, said: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"{said}.*--again"):
        begin(_begun(tmp_path / "run"), other, again=False)
    assert read_run(tmp_path / "run") == RUN


def test_again_removes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = _begun(tmp_path / "run")
    (folder / "adapter").mkdir()
    (folder / "losses.jsonl").touch()
    (folder / "notes.txt").touch()
    assert begin(folder, replace(RUN, method="dora"), again=True) is Start.NEW
    assert [each.name for each in folder.iterdir()] == ["notes.txt"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InvalidRequest, match=r"other files \(notes.txt\)"):
        begin(tmp_path, RUN, again=True)
    with pytest.raises(InvalidRequest, match="is a file"):
        begin(tmp_path / "notes.txt", RUN, again=False)


def _checkpoint(folder: Path, step: int, *, whole: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text(f"weights of step {step}")
    if whole:
        complete(checkpoint, step * 2.0)
    return checkpoint


def test_the_last_checkpoint_is_taken(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        _checkpoint(tmp_path, step)
    found = latest(tmp_path)
    assert found is not None
    assert (found.step, found.seconds) == (100, 200.0)


def test_without_checkpoints_it_begins_anew(tmp_path: Path) -> None:
    assert latest(tmp_path / "none") is None


@pytest.mark.parametrize("damage", ["", "weights of step 1", None])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, damage: str | None) -> None:
    _checkpoint(tmp_path, 5)
    last = _checkpoint(tmp_path, 10)
    if damage is None:
        (last / "weights").unlink()
    else:
        (last / "weights").write_text(damage)
    found = latest(tmp_path)
    assert found is not None
    assert found.step == 5
    assert not last.exists()


def test_a_checkpoint_that_was_being_written_is_not_taken(tmp_path: Path) -> None:
    _checkpoint(tmp_path, 5)
    _checkpoint(tmp_path, 10, whole=False)
    found = latest(tmp_path)
    assert found is not None
    assert found.step == 5


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 11):
        _checkpoint(tmp_path, step)
    keep_last(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-11"]
