"""`lorekeeper eval …`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from core.log import configure
from core.settings import load

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure on a data set.")


@app.callback()
def _eval() -> None:
    """Measure on a data set."""


FoldersArgument = Annotated[
    list[Path], typer.Argument(help="Folders with corpus.jsonl and questions.jsonl.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line for each data set.")]


@app.command()
def retrieval(folders: FoldersArgument, as_json: JsonOption = False) -> None:
    """Index each corpus apart from your own documents, ask its questions, and report how well passages were found."""
    from evals.retrieval import evaluate

    _measure(evaluate, folders, as_json=as_json)


@app.command()
def serving(folders: FoldersArgument, as_json: JsonOption = False) -> None:
    """Time a cold `lorekeeper ask`, and a server's memory and answers, with each corpus indexed."""
    from evals.serving import evaluate_serving

    _measure(evaluate_serving, folders, as_json=as_json)


@app.command()
def calibration(folders: FoldersArgument, as_json: JsonOption = False) -> None:
    """Fit the threshold below which a question is not answered, and report what it refuses on each data set."""
    from evals import calibration as evaluation
    from evals.datasets import read_dataset

    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    datasets = [read_dataset(folder) for folder in folders]
    observed = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for dataset in datasets:
            others = [other for other in datasets if other is not dataset]
            bars = _Bars(bar, dataset.name)
            observed[dataset.name] = asyncio.run(evaluation.observe(dataset, others, settings, bars))
    fitted = evaluation.fit(observed)
    for name, model in (("in use", evaluation.IN_USE), ("fitted", fitted)):
        rows = [
            {"weights": name, **evaluation.row(each, observations, model)} for each, observations in observed.items()
        ]
        _show(rows, as_json=as_json)
    weights = dict(zip(evaluation.SIGNALS, (round(weight, 2) for weight in fitted.weights), strict=True))
    sys.stdout.write(json.dumps({"bias": round(fitted.bias, 2), "weights": weights}) + "\n")


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write("".join(json.dumps(row) + "\n" for row in rows))
    else:
        _print_table(rows)


def _measure(
    evaluate: Callable[..., Coroutine[Any, Any, dict[str, Any]]], folders: list[Path], *, as_json: bool
) -> None:
    from evals.datasets import read_dataset

    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    datasets = [read_dataset(folder) for folder in folders]
    rows: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for dataset in datasets:
            rows.append(asyncio.run(evaluate(dataset, settings, _Bars(bar, dataset.name))))
            if as_json:
                sys.stdout.write(json.dumps(rows[-1]) + "\n")
                sys.stdout.flush()
    if not as_json:
        _print_table(rows)


class _Bars:
    """One progress bar for each stage of one data set."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(f"{self._name}: {stage}", total=total)
        self._progress.update(self._tasks[stage], completed=done)


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None)
    for key in rows[0]:
        table.add_column(key, justify="left" if key == "dataset" else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
