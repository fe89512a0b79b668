"""What the commands of `lorekeeper eval` share: what they take, the bars, and what becomes of the rows."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from core.log import configure
from core.settings import Settings, load

if TYPE_CHECKING:
    from evals.datasets import Dataset

FoldersArgument = Annotated[
    list[Path], typer.Argument(help="Folders with corpus.jsonl and questions.jsonl.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line for each row.")]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Record the run in this folder, for `lorekeeper eval report`.")
]
Rows = list[dict[str, Any]]


class Bars:
    """One progress bar for each stage of one data set."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(f"{self._name}: {stage}", total=total)
        # Files inside others are found on the way.
        self._progress.update(self._tasks[stage], completed=done, total=total)


def one_by_one(
    name: str,
    evaluate: Callable[[Dataset, Settings, Bars], Coroutine[Any, Any, dict[str, Any]]],
    folders: Sequence[Path],
    *,
    as_json: bool,
    save: Path | None,
) -> None:
    """Each data set by itself, one row of each."""
    settings, datasets = read(folders)
    rows: Rows = []
    with progress() as bar:
        for dataset in datasets:
            rows.append(asyncio.run(evaluate(dataset, settings, Bars(bar, dataset.name))))
    finish(name, rows, as_json=as_json, save=save)


def together(
    name: str,
    evaluate: Callable[[Sequence[Dataset], Settings, Bars], Coroutine[Any, Any, Rows]],
    folders: Sequence[Path],
    *,
    as_json: bool,
    save: Path | None,
) -> None:
    """All data sets at once."""
    settings, datasets = read(folders)
    with progress() as bar:
        rows = asyncio.run(evaluate(datasets, settings, Bars(bar, name)))
    finish(name, rows, as_json=as_json, save=save)


def read(folders: Sequence[Path]) -> tuple[Settings, list[Dataset]]:
    """The settings, and the data sets in these folders."""
    from evals.datasets import read_dataset

    return quiet_settings(), [read_dataset(folder) for folder in folders]


def quiet_settings() -> Settings:
    """The settings, with warnings only in the log: rows stand on the same screen."""
    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    return settings


def finish(name: str, rows: Rows, *, as_json: bool, save: Path | None = None) -> None:
    """Print the rows, and record them where that is wanted."""
    if as_json:
        sys.stdout.write("".join(json.dumps(row) + "\n" for row in rows))
    elif rows:
        from evals.printing import print_rows

        print_rows(rows)
    save_rows(name, rows, save)


def save_rows(name: str, rows: Rows, save: Path | None) -> None:
    """Record the rows where that is wanted."""
    if save is not None:
        from evals import record

        record.save(record.recorded(name, sys.argv, rows), save)


@contextmanager
def progress() -> Iterator[Progress]:
    """What the bars are drawn in, beside what is printed."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield bar
