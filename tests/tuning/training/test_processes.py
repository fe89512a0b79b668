"""Several processes train together, as accelerate and torchrun start them; one of them writes and speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuning.training.run import State, hashes, read_run

ROOT = Path(__file__).parents[3]
LAUNCH = "torch.distributed.run --standalone --nproc_per_node 2 -m core.cli tune train"


def _launched(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *LAUNCH.split(), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.slow
def test_two_processes_train_one_adapter(model: Path, dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = [
        str(run),
        "--dataset",
        str(dataset),
        "--model",
        str(model),
        "--batch",
        "4",
        "--epochs",
        "2",
        "--checkpoint-steps",
        "2",
    ]
    done = _launched(*options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("To be served from") == 1
    assert done.stderr.count("about 4 steps") == 1
    finished = read_run(run)
    assert (finished.state, finished.options["processes"], finished.result["steps"]) == (State.FINISHED, 2, 4)
    steps = [json.loads(line)["step"] for line in (run / "losses.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    assert "adapter/adapter_model.safetensors" in hashes(run)


@pytest.mark.slow
def test_what_all_processes_refuse_one_says(model: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    done = _launched(str(tmp_path / "run"), "--dataset", str(dataset), "--model", str(model))
    assert done.returncode != 0
    assert done.stderr.count("holds other files (notes.txt)") == 1
