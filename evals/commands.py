"""`lorekeeper eval …`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from core.log import configure
from core.settings import load

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure on a data set.")


@app.callback()
def _eval() -> None:
    """Measure on a data set."""


@app.command()
def retrieval(
    folders: Annotated[list[Path], typer.Argument(help="Folders with corpus.jsonl and questions.jsonl.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line for each data set.")] = False,
) -> None:
    """Index each corpus apart from your own documents, ask its questions, and report how well passages were found."""
    from evals.datasets import read_dataset
    from evals.retrieval import evaluate

    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    datasets = [read_dataset(folder) for folder in folders]
    rows: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for dataset in datasets:
            tasks: dict[str, Any] = {}

            def report(stage: str, done: int, total: int, name: str = dataset.name, tasks: dict[str, Any] = tasks) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(f"{name}: {stage}", total=total)
                bar.update(tasks[stage], completed=done)

            rows.append(asyncio.run(evaluate(dataset, settings, report)))
            if as_json:
                sys.stdout.write(json.dumps(rows[-1]) + "\n")
                sys.stdout.flush()
    if not as_json:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None)
    for key in rows[0]:
        table.add_column(key, justify="left" if key == "dataset" else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
