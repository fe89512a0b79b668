"""A training run as a folder. Whoever evaluates, registers or serves what was trained reads it here.

run.json         what this module describes
adapter/         what PEFT saved, with the tokenizer and the chat template
served/          what a server loads: the adapter itself, or what it was converted or merged to
dataset/         card.md and manifest.json of the data set; in earlier/, those of the run that it continues
losses.jsonl     one line for each logged step; loss.png draws it
tensorboard/     the same for TensorBoard
checkpoints/     only while it runs
search/          trials.md, trials.png and the study of a search for better options
evaluation/      report.md, report.json and pictures, once it was evaluated
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import Any

from core.errors import InvalidRequest
from core.types.adapters import BaseModel, Form

RUN, ADAPTER, SERVED, DATASET = "run.json", "adapter", "served", "dataset"
EARLIER = "earlier"
LOSSES, LOSS_PICTURE, TENSORBOARD = "losses.jsonl", "loss.png", "tensorboard"
CHECKPOINTS, EVALUATION, SEARCH = "checkpoints", "evaluation", "search"
FORMAT = 1
PIECE = 2**20


class State(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    FINISHED = "finished"


class Stage(StrEnum):
    """What is learnt from."""

    SFT = "sft"
    """Examples."""
    DPO = "dpo"
    """Preference pairs."""


@dataclass(frozen=True, slots=True)
class DatasetUsed:
    """The data set of a run."""

    hash: str
    prompt: str
    """Fingerprint of the prompt's wording and layout."""
    namespaces: tuple[str, ...] = ()
    examples: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What `run.json` says."""

    state: State
    stage: Stage
    method: str
    base: BaseModel
    dataset: DatasetUsed
    template: str
    """Fingerprint of the chat template."""
    options: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    """Losses, tokens, seconds, tokens a second, trained parameters, peak memory."""
    versions: Mapping[str, str] = field(default_factory=dict)
    preflight: Mapping[str, Any] = field(default_factory=dict)
    """`form`, `rank`, `problems`, and what a conversion lost; empty before it."""
    created_at: str = ""
    """ISO 8601, in UTC."""

    @property
    def form(self) -> Form | None:
        """None where nothing can be served."""
        form = self.preflight.get("form")
        return Form(form) if form else None


def read_run(folder: Path) -> Run:
    """Raises `InvalidRequest`."""
    try:
        row = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"{folder} is no training run. Make one with: lorekeeper tune train {quote(str(folder))} --dataset DATASET --model MODEL"
        ) from error
    try:
        if row.pop("format") != FORMAT:
            raise InvalidRequest(f"{folder} was made by another version of Lorekeeper. Train again.")
        used = row.pop("dataset") | {}
        used["namespaces"] = tuple(used["namespaces"])
        return Run(
            state=State(row.pop("state")),
            stage=Stage(row.pop("stage")),
            base=BaseModel(**row.pop("base")),
            dataset=DatasetUsed(**used),
            **row,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{folder / RUN} is damaged. Train again.") from error


def write_run(folder: Path, run: Run) -> None:
    """All of it is there afterwards, or what was there before."""
    work = folder / f".{RUN}.tmp"
    text = json.dumps({"format": FORMAT, **asdict(run)}, ensure_ascii=False, sort_keys=True, indent=1)
    work.write_text(f"{text}\n", encoding="utf-8")
    work.replace(folder / RUN)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files below a folder by their paths, with `/` between the parts."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()
