"""An evaluation is of certain files, and of no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.types.adapters import Verdict
from tuning.evaluation.files import FORMAT, TABLE, keep_replies, read_evaluation, read_replies, write_files
from tuning.training.run import EVALUATION, SERVED, hashes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """With something served, and a passed evaluation of it."""
    (tmp_path / SERVED).mkdir()
    (tmp_path / SERVED / "adapter_model.safetensors").write_bytes(b"weights")
    report = {
        "format": FORMAT,
        "verdict": "passed",
        "reasons": ["It is better."],
        "files": hashes(tmp_path / SERVED),
        "figures": {"score": 0.9},
    }
    write_files(tmp_path, {TABLE: json.dumps(report)})
    return tmp_path


def test_the_verdict_is_read_with_its_reasons_and_figures(run: Path) -> None:
    found = read_evaluation(run)
    assert found.verdict is Verdict.PASSED
    assert found.reasons == ("It is better.",)
    assert found.files == hashes(run / SERVED)
    assert found.figures == {"score": 0.9}


@pytest.mark.parametrize("change", ["other", "more", "none"])
def test_an_evaluation_of_other_files_counts_as_missing(run: Path, change: str) -> None:
    weights = run / SERVED / "adapter_model.safetensors"
    if change == "other":
        weights.write_bytes(b"weighty")
    elif change == "more":
        (run / SERVED / "adapter_config.json").write_text("{}")
    else:
        weights.unlink()
    found = read_evaluation(run)
    assert found.verdict is Verdict.MISSING
    assert "have changed since" in found.reasons[0]
    assert not found.figures


def test_without_a_report_it_is_missing_and_says_what_to_do(tmp_path: Path) -> None:
    found = read_evaluation(tmp_path)
    assert found.verdict is Verdict.MISSING
    assert f"lorekeeper tune evaluate {tmp_path}" in found.reasons[0]


def test_what_it_says_to_do_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    assert f"lorekeeper tune evaluate '{folder}' --dataset FOLDER" in read_evaluation(folder).reasons[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 0}', '{"format": 1, "verdict": "splendid"}'])
def test_a_damaged_report_is_missing(run: Path, text: str) -> None:
    (run / EVALUATION / TABLE).write_text(text)
    assert read_evaluation(run).verdict is Verdict.MISSING


def test_replies_are_kept_beyond_a_line_that_was_torn(tmp_path: Path) -> None:
    keep_replies(tmp_path, [{"key": "a", "text": "one"}])
    path = next((tmp_path / EVALUATION).iterdir())
    with path.open("a") as file:
        file.write('{"key": "b", "te')
    keep_replies(tmp_path, [{"key": "c", "text": "drei – three"}])
    assert {key: row["text"] for key, row in read_replies(tmp_path).items()} == {"a": "one", "c": "drei – three"}


def test_nobody_else_may_read_what_documents_say(tmp_path: Path) -> None:
    keep_replies(tmp_path, [{"key": "a"}])
    assert (tmp_path / EVALUATION).stat().st_mode & 0o077 == 0
