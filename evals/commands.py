"""`lorekeeper eval …`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from core.errors import InvalidRequest, LorekeeperError
from core.settings import Settings
from evals.command_parts import (
    Bars,
    FoldersArgument,
    JsonOption,
    Rows,
    SaveOption,
    finish,
    one_by_one,
    progress,
    quiet_settings,
    read,
    save_rows,
    together,
)
from evals.model_commands import model_serving, tuning_speed, under_load

if TYPE_CHECKING:
    from evals.datasets import Dataset

HELP = "Measure on a data set."
app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP)


@app.callback(help=HELP)
def _eval() -> None: ...


RESULTS, PAGE = Path("evals/results"), Path("docs/benchmarks.md")


@app.command()
def retrieval(
    folders: FoldersArgument,
    queries: Annotated[
        str,
        typer.Option(help="Of follow-ups, with commas: asked (with their history), alone, rewritten (by a person)."),
    ] = "asked",
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Index each corpus apart from your own documents, ask its questions, and report how well passages were found."""
    from evals.retrieval import Queries, evaluate

    kinds = [each.strip() for each in queries.split(",")]
    if unknown := [each for each in kinds if each not in set(Queries)]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(Queries)}", param_hint="--queries")
    settings, datasets = read(folders)
    rows: Rows = []
    with progress() as bar:
        for dataset in datasets:
            bars = Bars(bar, dataset.name)
            rows += asyncio.run(evaluate(dataset, settings, bars, [Queries(each) for each in kinds]))
    finish("retrieval", rows, as_json=as_json, save=save)


@app.command()
def answers(folders: FoldersArgument, as_json: JsonOption = False, save: SaveOption = None) -> None:
    """Ask whole questions, and report how often answers, their citations and the no-answers are right."""
    from evals.answers import evaluate_answers

    one_by_one("answers", evaluate_answers, folders, as_json=as_json, save=save)


@app.command()
def serving(folders: FoldersArgument, as_json: JsonOption = False, save: SaveOption = None) -> None:
    """Time a cold `lorekeeper ask`, and a server's memory and answers, with each corpus indexed."""
    from evals.serving import evaluate_serving

    one_by_one("serving", evaluate_serving, folders, as_json=as_json, save=save)


@app.command()
def ingest(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders with documents, or with corpus.jsonl and questions.jsonl; none with --small.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        str, typer.Option(help="Put the same files through these as well, with commas: langchain, markitdown.")
    ] = "",
    small: Annotated[
        int,
        typer.Option(
            min=0,
            help="Instead of folders, so many made documents of a few sentences; each tenth of them is timed by itself.",
        ),
    ] = 0,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Index each folder apart from your own documents, and report how fast that is and where the time goes."""
    systems = tuple(filter(None, (name.strip() for name in beside.split(","))))
    if bool(folders) == bool(small):
        raise typer.BadParameter("Name folders, or --small and a number, but not both.", param_hint="DIR…")
    if small and systems:
        raise typer.BadParameter("It goes with folders of documents, not with --small.", param_hint="--beside")
    settings = quiet_settings()
    with progress() as bar:
        if small:
            rows = _small(small, settings, bar)
        else:
            rows = [row for folder in folders or () for row in _indexed(folder, settings, systems, bar)]
    finish("small" if small else "ingest", rows, as_json=as_json, save=save)


def _small(count: int, settings: Settings, bar: Progress) -> Rows:
    from evals.small_documents import evaluate_small

    return asyncio.run(evaluate_small(count, settings, Bars(bar, "small documents")))


def _indexed(folder: Path, settings: Settings, systems: Sequence[str], bar: Progress) -> Rows:
    from evals.datasets import is_dataset, read_dataset
    from evals.ingesting import evaluate_files, evaluate_ingest
    from evals.peers import files

    bars = Bars(bar, folder.name)
    if is_dataset(folder):
        if systems:
            raise InvalidRequest(
                f"{folder} is a data set, and no folder of files: `lorekeeper eval peers` compares those."
            )
        return [asyncio.run(evaluate_ingest(read_dataset(folder), settings, bars))]
    files.check(systems)
    own = asyncio.run(evaluate_files(folder, settings, bars))
    return [own, *asyncio.run(files.compare(folder, systems, bars))]


@app.command("parse")
def parsing(
    folders: Annotated[list[Path], typer.Argument(help="Folders with documents.", show_default=False)],
    tables: Annotated[int, typer.Option(min=0, help="Make a PDF with so many tables, about a page each, as well.")] = 0,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Read every file in the folders, and report how much of its text and tables is found, by format."""
    from evals.parsing import evaluate_parsing

    settings = quiet_settings()
    with progress() as bar:
        rows = evaluate_parsing(folders, settings.parse, Bars(bar, "parse"), tables)
    finish("parsing", rows, as_json=as_json, save=save)


app.command("load")(under_load)
app.command("model-serving")(model_serving)
app.command("tuning")(tuning_speed)


@app.command()
def growth(
    folders: FoldersArgument,
    sizes: Annotated[str, typer.Option(help="Sizes of the index in chunks.")] = "1000,10000,100000",
    keep: Annotated[
        Path | None, typer.Option(help="Keep the index of each size in this folder; what is there is only asked.")
    ] = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Fill one index step by step, and report queries and memory at each size."""
    from evals.growth import evaluate_growth

    wanted = [_size(each) for each in sizes.split(",")]

    def evaluate(datasets: Sequence[Dataset], settings: Settings, report: Bars) -> Coroutine[Any, Any, Rows]:
        return evaluate_growth(datasets, settings, report, wanted, keep=keep)

    together("growth", evaluate, folders, as_json=as_json, save=save)


@app.command()
def ablation(folders: FoldersArgument, as_json: JsonOption = False, save: SaveOption = None) -> None:
    """Leave out one idea of the retriever after the other, and report what each is worth."""
    from evals.ablation import evaluate_ablation

    together("ablation", evaluate_ablation, folders, as_json=as_json, save=save)


@app.command()
def peers(
    folders: FoldersArgument,
    systems: Annotated[str, typer.Option(help="Which ones, with commas. Empty: all.")] = "",
    runs: Annotated[int, typer.Option(min=1, help="Times that each is run, in alternating order.")] = 3,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Put the same corpus and questions through what you would use instead, side by side."""
    from evals.peers import run

    chosen = tuple(filter(None, (name.strip() for name in systems.split(",")))) or run.systems()
    rows: Rows = []
    with progress() as bar:
        for folder in folders:
            rows += asyncio.run(run.compare(folder, chosen, runs, Bars(bar, folder.name)))
            save_rows("peers", rows, save)  # a large data set takes an hour
    finish("peers", rows, as_json=as_json)


@app.command()
def calibrate(
    folders: FoldersArgument,
    store: Annotated[bool, typer.Option("--store", help="Use what was fitted for your own index from now on.")] = False,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Fit when a question is not answered, and report what is refused on each data set."""
    from evals import calibration as evaluation

    settings, datasets = read(folders)
    with progress() as bar:
        observed = {
            dataset.name: asyncio.run(
                evaluation.observe(
                    dataset, [other for other in datasets if other is not dataset], settings, Bars(bar, dataset.name)
                )
            )
            for dataset in datasets
        }
    fitted = evaluation.fit(observed, f"{', '.join(observed)} on {date.today().isoformat()}")  # noqa: DTZ011 - the day where the user is
    used = None
    try:
        used = evaluation.in_use(settings)
    except LorekeeperError as error:
        sys.stderr.write(f"Which calibration your index uses is not known: {error.message}\n")
    finish("calibration", evaluation.rows(observed, fitted, used), as_json=as_json, save=save)
    sys.stdout.write(fitted.to_json() + "\n")
    if store:
        evaluation.keep(settings, fitted)
        sys.stderr.write("Stored with the index, which uses it from the next start on; `lorekeeper doctor` shows it.\n")


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Where the runs were recorded.")] = RESULTS,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", "--out", help=f"The page to write; in a checkout of Lorekeeper, {PAGE}.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a page with tables and pictures from recorded runs."""
    from evals.report import write

    if page is None and not RESULTS.is_dir():
        raise InvalidRequest(
            f"This folder is no checkout of Lorekeeper, so its {PAGE} is not written. Name the page to write: --page FILE."
        )
    page = page or PAGE
    for path in write(results, page, page.parent / "images" / "benchmarks"):
        sys.stdout.write(f"{path}\n")


def _size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size < 1:
        raise typer.BadParameter(f"{text!r} is not a number of chunks", param_hint="--sizes")
    return size
