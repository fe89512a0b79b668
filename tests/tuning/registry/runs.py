"""Finished runs with small files in them, as training and evaluation leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.types.adapters import BaseModel, Verdict
from tuning.dataset.files import MANIFEST
from tuning.dataset.serving import fingerprint
from tuning.dataset.types import person
from tuning.evaluation import files as evaluation
from tuning.training.run import (
    ADAPTER,
    DATASET,
    EVALUATION,
    SERVED,
    DatasetUsed,
    Run,
    Stage,
    State,
    hashes,
    write_run,
)

DATASET_HASH = "d" * 64
DOCUMENTS, ANN = ("0123456789abcdef", "fedcba9876543210"), "slack:U1"
PREFLIGHT = {"form": "adapter", "rank": 8, "max_rank": 16, "problems": [], "conversion": {}}
CONFIG = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": "tiny"}


def make_run(folder: Path, content: str = "weights", verdict: Verdict | None = Verdict.PASSED, **changes: Any) -> Path:
    """A run of the namespace hr; other content makes other files. No verdict: never evaluated."""
    values: dict[str, Any] = {
        "state": State.FINISHED,
        "stage": Stage.SFT,
        "method": "lora",
        "base": BaseModel("models/tiny", "sha256:base"),
        "dataset": DatasetUsed(DATASET_HASH, fingerprint(), ("hr",), 10),
        "template": "t" * 64,
        "preflight": PREFLIGHT,
        "created_at": "2026-11-22T10:00:00+00:00",
    }
    for name in (ADAPTER, SERVED):
        write(folder / name / "adapter_config.json", json.dumps(CONFIG))
        write(folder / name / "adapter_model.safetensors", content)
    write(folder / DATASET / "card.md", "# Data card\n")
    lineage = {"documents": {name: ["e1"] for name in DOCUMENTS}, "people": {person(ANN): ["e1"]}}
    write(folder / DATASET / MANIFEST, json.dumps({"format": 1, "hash": DATASET_HASH, "lineage": lineage}))
    write_run(folder, Run(**(values | changes)))
    if verdict is not None:
        evaluate(folder, verdict)
    return folder


def evaluate(folder: Path, verdict: Verdict, *reasons: str) -> None:
    """As an evaluation of what is served now would end."""
    row = {
        "format": evaluation.FORMAT,
        "verdict": verdict.value,
        "reasons": list(reasons) or [f"It {verdict.value} for a reason."],
        "files": hashes(folder / SERVED),
        "figures": {},
    }
    write(folder / EVALUATION / evaluation.TABLE, json.dumps(row))
    write(folder / EVALUATION / evaluation.REPORT, "# Report\n")
    write(folder / EVALUATION / "f1.png", "picture")
    write(folder / EVALUATION / evaluation.ANSWERS, "What somebody asked.\n")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
