"""Where a run stands when its command is given: new, begun, finished, or another one. And which checkpoints can be trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest
from tuning.dataset.files import write_text
from tuning.training.options import differences
from tuning.training.run import (
    ADAPTER,
    CHECKPOINTS,
    DATASET,
    EVALUATION,
    LOSS_PICTURE,
    LOSSES,
    RUN,
    SEARCH,
    SERVED,
    TENSORBOARD,
    Run,
    State,
    hashes,
    read_run,
)

COMPLETE = "complete.json"
KEPT = 2
# Options that are hashes of what a person knows by another name.
HASHES = {"examples": "what is learnt after the review", "started_from": "the adapter of --from"}
LOCK = ".lock"
OURS = frozenset(
    {
        RUN,
        ADAPTER,
        SERVED,
        DATASET,
        LOSSES,
        LOSS_PICTURE,
        TENSORBOARD,
        CHECKPOINTS,
        EVALUATION,
        SEARCH,
        LOCK,
        f".{RUN}.tmp",
        f".{ADAPTER}.tmp",
    }
)


class Start(StrEnum):
    """What there is to do."""

    NEW = "new"
    RESUME = "resume"
    SERVE = "serve"
    """It was trained; what a server loads is missing."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that was written to its end."""

    folder: Path
    step: int
    seconds: float
    """Trained until then."""


def begin(folder: Path, run: Run, *, again: bool) -> Start:
    """What to do in this folder for this run. `again` removes what is there. Raises `InvalidRequest`."""
    check_folder(folder)
    if not (folder / RUN).exists():
        return Start.NEW
    if again:
        _clear(folder)
        return Start.NEW
    old = read_run(folder)
    if changed := differences(_compared(old), _compared(run)):
        raise InvalidRequest(
            f"{folder} holds a run with other options: {'; '.join(changed)}. "
            "Name another folder, or use --again to replace that run."
        )
    if old.state is State.RUNNING:
        return Start.RESUME
    return Start.NOTHING if old.preflight else Start.SERVE


def check_folder(folder: Path) -> None:
    """Raises `InvalidRequest` where a run would mix with something else."""
    if folder.exists() and not folder.is_dir():
        raise InvalidRequest(f"{folder} is a file. Name a folder for the run.")
    others = [each.name for each in folder.iterdir() if each.name not in OURS] if folder.is_dir() else []
    if others and not (folder / RUN).exists():
        raise InvalidRequest(f"{folder} holds other files ({others[0]}). Name a new or empty folder.")


def complete(checkpoint: Path, seconds: float) -> None:
    """Say that all of it is written. Whatever is without this note was being written when the process died."""
    write_text(checkpoint / COMPLETE, json.dumps({"files": hashes(checkpoint), "seconds": seconds}))


def latest(checkpoints: Path) -> Checkpoint | None:
    """The last one that is whole; damaged and later ones are removed."""
    for folder in _by_step(checkpoints):
        if found := _whole(folder):
            return found
        shutil.rmtree(folder)
    return None


def keep_last(checkpoints: Path) -> None:
    """The last two, because the last may turn out to be damaged."""
    for folder in _by_step(checkpoints)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _whole(folder: Path) -> Checkpoint | None:
    try:
        row = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        found = {name: value for name, value in hashes(folder).items() if name != COMPLETE}
        return Checkpoint(folder, _step(folder), float(row["seconds"])) if found == row["files"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _by_step(checkpoints: Path) -> list[Path]:
    """The last one first."""
    found = [each for each in checkpoints.glob("checkpoint-*") if each.is_dir()] if checkpoints.is_dir() else []
    return sorted(found, key=_step, reverse=True)


def _step(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _compared(run: Run) -> Mapping[str, Any]:
    """All that makes it this run, in the words of the command's options."""
    base, dataset = asdict(run.base), asdict(run.dataset)
    return {
        **{HASHES.get(name, name): value[:12] if name in HASHES else value for name, value in run.options.items()},
        "stage": run.stage.value,
        "method": run.method,
        "model": f"{base['name']} ({base['revision'][:19]})",
        "dataset": dataset["hash"][:12],
        "chat template": run.template[:12],
    }


def _clear(folder: Path) -> None:
    for name in OURS - {LOCK, RUN, SEARCH}:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    # Last, so that a folder that was cleared halfway is still known as a run's.
    (folder / RUN).unlink()
