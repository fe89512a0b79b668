"""`lorekeeper eval load`, `model-serving` and `tuning`: what Lorekeeper costs beside a model, and where one is trained."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.settings import Settings
from evals.command_parts import (
    Bars,
    FoldersArgument,
    JsonOption,
    SaveOption,
    finish,
    one_by_one,
    progress,
    quiet_settings,
)

if TYPE_CHECKING:
    from evals.datasets import Dataset


def under_load(
    folders: FoldersArgument,
    rate: Annotated[float, typer.Option(help="Questions a second.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="How long.")] = 30.0,
    stream: Annotated[bool, typer.Option(help="Ask for streams instead of whole answers.")] = False,
    importing: Annotated[int, typer.Option(min=0, help="Small documents that are added meanwhile.")] = 0,
    as_json: JsonOption = False,
    save: SaveOption = None,
) -> None:
    """Ask a running gateway many questions a second, with a scripted model, and report what Lorekeeper adds to it."""
    from evals.load import evaluate_load

    def evaluate(dataset: Dataset, settings: Settings, report: Bars) -> Coroutine[Any, Any, dict[str, Any]]:
        return evaluate_load(dataset, settings, report, rate=rate, seconds=seconds, stream=stream, importing=importing)

    one_by_one("load", evaluate, folders, as_json=as_json, save=save)


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

    def evaluate(dataset: Dataset, settings: Settings, report: Bars) -> Coroutine[Any, Any, dict[str, Any]]:
        return evaluate_model_serving(dataset, settings, report, people=people, questions=questions, runs=runs)

    one_by_one("model-serving", evaluate, folders, as_json=as_json, save=save)


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
    quiet_settings()
    with progress() as bar:
        row = evaluate_tuning(
            dataset,
            model,
            Bars(bar, dataset.name),
            method=Method(method),
            runs=runs,
            epochs=epochs,
            micro_batch=micro_batch,
        )
    finish("tuning", [row], as_json=as_json, save=save)
