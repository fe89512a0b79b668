"""`lorekeeper tune evaluate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.console import plain
from core.errors import InvalidRequest
from tuning.evaluation.gate import FEWEST_QUESTIONS, MOST_FORGETTING, MOST_LOST, MOST_SURPRISE

if TYPE_CHECKING:
    from core.types.adapters import Form
    from tuning.evaluation.evaluate import Outcome
    from tuning.evaluation.models import Models
    from tuning.evaluation.questions import HeldOut
    from tuning.evaluation.served import Server
    from tuning.training.run import Run

SHORT_HASH = 12


def evaluate(
    run: Annotated[Path, typer.Argument(help="The training run's folder.", show_default=False)],
    dataset: Annotated[Path, typer.Option(help="The dataset whose test examples are asked.", show_default=False)],
    url: Annotated[
        str, typer.Option(help="Ask a running vLLM, such as http://127.0.0.1:8000/v1, instead of this process.")
    ] = "",
    key: Annotated[
        str, typer.Option(help="The server's key, if it asks for one.", envvar="EVALUATE_API_KEY", show_envvar=True)
    ] = "",
    model: Annotated[str, typer.Option(help="The base model's name there. Empty: the first one it lists.")] = "",
    adapter_path: Annotated[
        str, typer.Option(help="Where the server finds the run's folder `served`, if not at its path here.")
    ] = "",
    tuned_url: Annotated[str, typer.Option(help="The server of a run that was merged to a whole model.")] = "",
    tuned_model: Annotated[str, typer.Option(help="The merged model's name there.")] = "",
    at_once: Annotated[int, typer.Option(min=1, help="Questions asked of a server at the same time.")] = 8,
    seconds: Annotated[float, typer.Option(min=1, help="A server's time for one answer.")] = 120.0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N. Empty: a GPU where there is one.")] = "",
    general: Annotated[
        Path | None, typer.Option(help="General questions as JSON lines, instead of the built-in ones.")
    ] = None,
    shots: Annotated[int, typer.Option(min=0, max=20, help="Examples shown to the base model.")] = 3,
    most: Annotated[int, typer.Option(min=0, help="Test examples at most; 0: all.")] = 0,
    fewest: Annotated[int, typer.Option(min=2, help="Test examples that it takes to pass.")] = FEWEST_QUESTIONS,
    most_forgetting: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the general questions that it may be worse by.")
    ] = MOST_FORGETTING,
    most_surprise: Annotated[
        float, typer.Option(min=0, help="Nats per token by which general answers may become less likely.")
    ] = MOST_SURPRISE,
    most_lost: Annotated[
        float, typer.Option(min=0, max=1, help="By which its answers, or its no-answers, may be worse.")
    ] = MOST_LOST,
    resamples: Annotated[int, typer.Option(min=2000, max=1_000_000, help="Draws of the bootstrap.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find out whether a tuned model is better than its base, and whether it may be promoted."""
    from tuning.evaluation.evaluate import Options
    from tuning.evaluation.evaluate import evaluate as evaluated
    from tuning.evaluation.gate import Limits
    from tuning.evaluation.general import BUILT_IN
    from tuning.evaluation.progress import showing
    from tuning.evaluation.questions import held_out
    from tuning.evaluation.served import Server
    from tuning.training.run import SERVED, read_run

    described = read_run(run)
    form = _form(run, described)
    asked = held_out(run, described, dataset, most)
    if not asked.questions:
        learnt = f"all {asked.leaked} of them are about documents that the run has learnt from" if asked.leaked else ""
        raise InvalidRequest(
            f"There is no question in {dataset} to ask: {learnt or 'none were kept for testing'}. Nothing was evaluated; "
            "make a data set of more documents."
        )
    limits = Limits(fewest, most_forgetting, most_surprise, most_lost)
    options = Options(shots, seed, resamples, general or BUILT_IN, limits)
    path = adapter_path or str((run / SERVED).resolve())
    server = Server(url, key, model, tuned_url, tuned_model, path, at_once, seconds) if url else None
    with _models(run, described, form, server, device) as models, showing() as report:
        outcome = evaluated(run, described.base, _fitting(asked, models), models, options, report)
    _write(run, outcome)
    sys.stdout.write(_as_json(outcome) if as_json else _summary(outcome, run))


def _form(folder: Path, run: Run) -> Form:
    from tuning.training.run import SERVED, State

    if run.state is not State.FINISHED:
        raise InvalidRequest(f"The run in {folder} is not finished. Finish it with the command that began it.")
    if run.form is None or not (folder / SERVED).is_dir():
        problems = " ".join(map(str, run.preflight.get("problems", ())))
        raise InvalidRequest(f"The run in {folder} has nothing that can be served. {problems}".strip())
    return run.form


@contextmanager
def _models(folder: Path, run: Run, form: Form, server: Server | None, device: str) -> Iterator[Models]:
    from tuning.dataset.types import digest
    from tuning.evaluation.local import LocalModels
    from tuning.evaluation.served import open_served
    from tuning.training.run import SERVED, hashes

    served = folder / SERVED
    if server is None:
        yield LocalModels(run.base, served, form, device)
        return
    with open_served(server, form, f"evaluate-{digest(hashes(served))[:SHORT_HASH]}") as models:
        yield models


def _fitting(asked: HeldOut, models: Models) -> HeldOut:
    """Answers may be at most half of a small model's window, as in the settings."""
    return replace(asked, answer_tokens=min(asked.answer_tokens, models.window // 2))


def _write(folder: Path, outcome: Outcome) -> None:
    from datetime import UTC, datetime

    from tuning.evaluation.files import write_files
    from tuning.evaluation.plots import draw
    from tuning.evaluation.report import files_of

    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    write_files(folder, {**files_of(outcome, made_at), **draw(outcome.contest)})


def _as_json(outcome: Outcome) -> str:
    from tuning.evaluation.report import summary

    return json.dumps(summary(outcome), ensure_ascii=False, sort_keys=True) + "\n"


def _summary(outcome: Outcome, folder: Path) -> str:
    from tuning.evaluation.files import REPORT
    from tuning.evaluation.report import headline
    from tuning.training.run import EVALUATION

    figures: dict[str, Any] = headline(outcome)
    scores = "base {score_base:.3f}, base with examples {score_few_shot:.3f}, adapter {score:.3f}".format(**figures)
    lines = [
        f"{outcome.verdict.value.capitalize()}.",
        *outcome.reasons,
        f"Score: {scores}, on {len(outcome.contest.questions)} questions.",
        *(f"Note: {note}" for note in outcome.notes),
        f"The report: {folder / EVALUATION / REPORT}. To put it on record: lorekeeper tune register {quote(str(folder))}",
    ]
    return plain("\n".join(lines)) + "\n"
