"""`lorekeeper eval …`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from core.errors import InvalidRequest, LorekeeperError
from core.log import configure
from core.settings import Settings, load

if TYPE_CHECKING:
    from evals.datasets import Dataset

HELP = "Measure on a data set."
app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP)


@app.callback(help=HELP)
def _eval() -> None: ...


FoldersArgument = Annotated[
    list[Path], typer.Argument(help="Folders with corpus.jsonl and questions.jsonl.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line for each row.")]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Record the run in this folder, for `lorekeeper eval report`.")
]
Rows = list[dict[str, Any]]
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
    settings, datasets = _read(folders)
    rows: Rows = []
    with _progress() as bar:
        for dataset in datasets:
            bars = _Bars(bar, dataset.name)
            rows += asyncio.run(evaluate(dataset, settings, bars, [Queries(each) for each in kinds]))
    _finish("retrieval", rows, as_json=as_json, save=save)


@app.command()
def answers(folders: FoldersArgument, as_json: JsonOption = False, save: SaveOption = None) -> None:
    """Ask whole questions, and report how often answers, their citations and the no-answers are right."""
    from evals.answers import evaluate_answers

    _one_by_one("answers", evaluate_answers, folders, as_json=as_json, save=save)


@app.command()
def serving(folders: FoldersArgument, as_json: JsonOption = False, save: SaveOption = None) -> None:
    """Time a cold `lorekeeper ask`, and a server's memory and answers, with each corpus indexed."""
    from evals.serving import evaluate_serving

    _one_by_one("serving", evaluate_serving, folders, as_json=as_json, save=save)


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
    settings = _settings()
    with _progress() as bar:
        if small:
            rows = _small(small, settings, bar)
        else:
            rows = [row for folder in folders or () for row in _indexed(folder, settings, systems, bar)]
    _finish("small" if small else "ingest", rows, as_json=as_json, save=save)


def _small(count: int, settings: Settings, bar: Progress) -> Rows:
    from evals.small_documents import evaluate_small

    return asyncio.run(evaluate_small(count, settings, _Bars(bar, "small documents")))


def _indexed(folder: Path, settings: Settings, systems: Sequence[str], bar: Progress) -> Rows:
    from evals.datasets import is_dataset, read_dataset
    from evals.ingesting import evaluate_files, evaluate_ingest
    from evals.peers import files

    bars = _Bars(bar, folder.name)
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

    settings = _settings()
    with _progress() as bar:
        rows = evaluate_parsing(folders, settings.parse, _Bars(bar, "parse"), tables)
    _finish("parsing", rows, as_json=as_json, save=save)


@app.command("load")
def under_load(
    folders: FoldersArgument,
    rate: Annotated[float, typer.Option(help="Questions a second.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="How long.")] = 30.0,
    stream: Annotated[bool, typer.Option(help="Ask for streams instead of whole answers.")] = False,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Ask a running gateway many questions a second, with a scripted model, and report what Lorekeeper adds to it."""
    from evals.load import evaluate_load

    def evaluate(dataset: Dataset, settings: Settings, report: _Bars) -> Coroutine[Any, Any, dict[str, Any]]:
        return evaluate_load(dataset, settings, report, rate=rate, seconds=seconds, stream=stream)

    _one_by_one("load", evaluate, folders, as_json=as_json, save=save)


@app.command("model-serving")
def model_serving(
    folders: FoldersArgument,
    people: Annotated[int, typer.Option(min=1, help="Questions at once.")] = 32,
    questions: Annotated[int, typer.Option(min=1, help="Different questions of each data set, at most.")] = 128,
    runs: Annotated[int, typer.Option(min=1, help="Times that each side is run, in alternating order.")] = 3,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Ask the vLLM that runs at generation.base_url through Lorekeeper and directly, and report what Lorekeeper costs."""
    from evals.model_serving import evaluate_model_serving

    def evaluate(dataset: Dataset, settings: Settings, report: _Bars) -> Coroutine[Any, Any, dict[str, Any]]:
        return evaluate_model_serving(dataset, settings, report, people=people, questions=questions, runs=runs)

    _one_by_one("model-serving", evaluate, folders, as_json=as_json, save=save)


@app.command("tuning")
def tuning_speed(
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder, of `lorekeeper tune dataset`.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A folder with a model, or its name on the hub.")],
    method: Annotated[str, typer.Option(help="As `lorekeeper tune train` has it.")] = "lora",
    epochs: Annotated[float, typer.Option(min=0, help="How often all is learnt.")] = 1,
    micro_batch: Annotated[
        int | None, typer.Option(min=1, help="Examples at once on one device.", show_default=False)
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Times that each side is run, in alternating order.")] = 3,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Train as `lorekeeper tune train` does and by TRL alone, and report the tokens a second of both."""
    from evals.tuning_speed import evaluate_tuning
    from tuning.training.methods import Method

    if method not in set(Method):
        raise typer.BadParameter(f"{method!r} is none of {', '.join(Method)}", param_hint="--method")
    _settings()
    with _progress() as bar:
        row = evaluate_tuning(
            dataset,
            model,
            _Bars(bar, dataset.name),
            method=Method(method),
            runs=runs,
            epochs=epochs,
            micro_batch=micro_batch,
        )
    _finish("tuning", [row], as_json=as_json, save=save)


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

    def evaluate(datasets: Sequence[Dataset], settings: Settings, report: _Bars) -> Coroutine[Any, Any, Rows]:
        return evaluate_growth(datasets, settings, report, wanted, keep=keep)

    _together("growth", evaluate, folders, as_json=as_json, save=save)


@app.command()
def ablation(folders: FoldersArgument, as_json: JsonOption = False, save: SaveOption = None) -> None:
    """Leave out one idea of the retriever after the other, and report what each is worth."""
    from evals.ablation import evaluate_ablation

    _together("ablation", evaluate_ablation, folders, as_json=as_json, save=save)


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
    with _progress() as bar:
        for folder in folders:
            rows += asyncio.run(run.compare(folder, chosen, runs, _Bars(bar, folder.name)))
            _keep("peers", rows, save)  # a large data set takes an hour
    _finish("peers", rows, as_json=as_json)


@app.command()
def calibrate(
    folders: FoldersArgument,
    store: Annotated[bool, typer.Option("--store", help="Use what was fitted for your own index from now on.")] = False,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Fit when a question is not answered, and report what is refused on each data set."""
    from evals import calibration as evaluation

    settings, datasets = _read(folders)
    with _progress() as bar:
        observed = {
            dataset.name: asyncio.run(
                evaluation.observe(
                    dataset, [other for other in datasets if other is not dataset], settings, _Bars(bar, dataset.name)
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
    _finish("calibration", evaluation.rows(observed, fitted, used), as_json=as_json, save=save)
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


def _one_by_one(
    name: str,
    evaluate: Callable[[Dataset, Settings, _Bars], Coroutine[Any, Any, dict[str, Any]]],
    folders: Sequence[Path],
    *,
    as_json: bool,
    save: Path | None,
) -> None:
    settings, datasets = _read(folders)
    rows: Rows = []
    with _progress() as bar:
        for dataset in datasets:
            rows.append(asyncio.run(evaluate(dataset, settings, _Bars(bar, dataset.name))))
    _finish(name, rows, as_json=as_json, save=save)


def _together(
    name: str,
    evaluate: Callable[[Sequence[Dataset], Settings, _Bars], Coroutine[Any, Any, Rows]],
    folders: Sequence[Path],
    *,
    as_json: bool,
    save: Path | None,
) -> None:
    settings, datasets = _read(folders)
    with _progress() as bar:
        rows = asyncio.run(evaluate(datasets, settings, _Bars(bar, name)))
    _finish(name, rows, as_json=as_json, save=save)


def _read(folders: Sequence[Path]) -> tuple[Settings, list[Dataset]]:
    from evals.datasets import read_dataset

    return _settings(), [read_dataset(folder) for folder in folders]


def _settings() -> Settings:
    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    return settings


def _finish(name: str, rows: Rows, *, as_json: bool, save: Path | None = None) -> None:
    if as_json:
        sys.stdout.write("".join(json.dumps(row) + "\n" for row in rows))
    elif rows:
        from evals.printing import print_rows

        print_rows(rows)
    _keep(name, rows, save)


def _keep(name: str, rows: Rows, save: Path | None) -> None:
    if save is not None:
        from evals import record

        record.save(record.recorded(name, sys.argv, rows), save)


@contextmanager
def _progress() -> Iterator[Progress]:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield bar


def _size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size < 1:
        raise typer.BadParameter(f"{text!r} is not a number of chunks", param_hint="--sizes")
    return size


class _Bars:
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
