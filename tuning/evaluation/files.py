"""What an evaluation leaves in its run's folder, and what was decided by it.

report.md        for people, with pictures beside it
report.json      for programs: the verdict, its reasons, all figures, and the hashes of the files that it was made for
answers.jsonl    one line for each question, with what every contender said and how that scored
replies.jsonl    what models said so far, so that nothing is generated twice; may be deleted
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from core.errors import StorageFailed
from core.types.adapters import Verdict
from tuning.dataset.files import add_rows, added_rows, write_text
from tuning.training.run import EVALUATION, SERVED, hashes

REPORT, TABLE, ANSWERS, REPLIES = "report.md", "report.json", "answers.jsonl", "replies.jsonl"
FORMAT = 1
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was decided about the files that a run serves."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """Sentences for a person."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Hashes (SHA-256) of what was evaluated, by path below `served`."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """The headline figures by their names; none where nothing was evaluated."""


def read_evaluation(run_folder: Path) -> Evaluation:
    """Of the files that are in `run_folder`/served now: an evaluation of others counts as missing."""
    again = f"Evaluate it with: lorekeeper tune evaluate {quote(str(run_folder))} --dataset FOLDER"
    try:
        row = json.loads((run_folder / EVALUATION / TABLE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _missing(again)
    except (OSError, ValueError):
        return _missing(f"Its evaluation cannot be read. {again}")
    found = _evaluation(row)
    if found is None:
        return _missing(f"Its evaluation is damaged, or of another version of Lorekeeper. {again}")
    if not found.files or found.files != hashes(run_folder / SERVED):
        return _missing(f"Its files have changed since it was evaluated. {again}")
    return found


def write_files(run_folder: Path, texts: Mapping[str, str | bytes]) -> None:
    """Each file appears whole, report.json last: what it says holds for all. Raises `StorageFailed`."""
    folder = run_folder / EVALUATION
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in sorted(texts, key=lambda name: name == TABLE):
            content = texts[name]
            if isinstance(content, bytes):
                work = folder / f".{name}.tmp"
                work.write_bytes(content)
                work.replace(folder / name)
            else:
                write_text(folder / name, content)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.") from error


def read_replies(run_folder: Path) -> dict[str, Row]:
    """What was kept, by its key. What cannot be read is generated again."""
    return {str(row["key"]): row for row in added_rows(run_folder / EVALUATION / REPLIES) if "key" in row}


def keep_replies(run_folder: Path, rows: Iterable[Row]) -> None:
    """Add rows, each with its `key`. Raises `StorageFailed`."""
    add_rows(run_folder / EVALUATION / REPLIES, rows)


def _evaluation(row: Any) -> Evaluation | None:
    try:
        if row["format"] != FORMAT:
            return None
        return Evaluation(
            Verdict(row["verdict"]),
            tuple(map(str, row["reasons"])),
            {str(path): str(value) for path, value in row["files"].items()},
            {str(name): float(value) for name, value in row["figures"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _missing(reason: str) -> Evaluation:
    return Evaluation(Verdict.MISSING, (reason,))
