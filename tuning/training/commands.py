"""`lorekeeper tune train`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.console import plain
from core.errors import InvalidRequest, LorekeeperError
from tuning.registry.preflight import LEAST_AGREEMENT, MOST_RANK
from tuning.training.failures import prepare_libraries, quiet
from tuning.training.methods import Method
from tuning.training.run import ADAPTER, LOSS_PICTURE, SERVED, Run, Stage

if TYPE_CHECKING:
    from tuning.training.options import Asked
    from tuning.training.prepare import Prepared

INTERRUPTED = 130
RunArgument = Annotated[Path, typer.Argument(help="The run's folder.", show_default=False)]


def train(
    run: RunArgument,
    dataset: Annotated[Path, typer.Option(help="A dataset's folder.", show_default=False)],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A folder with a model, or its name on the Hugging Face hub.")
    ] = "",
    revision: Annotated[str, typer.Option(help="The hub's branch, tag or commit.")] = "",
    stage: Annotated[Stage, typer.Option(help="What is learnt from: examples, or preference pairs.")] = Stage.SFT,
    start: Annotated[
        Path | None, typer.Option("--from", help="A finished run that --stage dpo continues.", show_default=False)
    ] = None,
    method: Annotated[
        Method | None, typer.Option(help="How it is tuned (lora, or that of --from).", show_default=False)
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of a LoRA.", show_default=False)] = None,
    alpha: Annotated[int | None, typer.Option(min=1, help="Scale of a LoRA.", show_default=False)] = None,
    dropout: Annotated[float | None, typer.Option(min=0, max=0.9, help="Of a LoRA.", show_default=False)] = None,
    virtual_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of prompt, prefix and P-tuning v2.", show_default=False)
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="The highest.", show_default=False)] = None,
    epochs: Annotated[float | None, typer.Option(min=0, help="How often all is learnt.", show_default=False)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Examples a step.", show_default=False)] = None,
    micro_batch: Annotated[
        int | None, typer.Option(min=1, help="Examples at once on one device.", show_default=False)
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Longer examples (tokens) are left out.", show_default=False)
    ] = None,
    validation: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share held out by document for the validation loss.")
    ] = 0.1,
    beta: Annotated[float, typer.Option(min=0, help="How near DPO stays to where it began.")] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same losses on a CPU.")] = 1,
    gradient_checkpointing: Annotated[
        bool | None, typer.Option(help="Less memory for a fifth more time.", show_default=False)
    ] = None,
    checkpoint_minutes: Annotated[float, typer.Option(min=0, help="A checkpoint at least so often.")] = 5,
    checkpoint_steps: Annotated[
        int | None, typer.Option(min=1, help="And each so many steps.", show_default=False)
    ] = None,
    max_rank: Annotated[int, typer.Option(min=1, help="The highest rank that the server takes.")] = MOST_RANK,
    least_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Share of its tokens that a converted adapter keeps, or it is merged.")
    ] = LEAST_AGREEMENT,
    search: Annotated[
        int, typer.Option(min=0, help="Try so many ranks, learning rates and epochs first, and take the best.")
    ] = 0,
    again: Annotated[bool, typer.Option(help="Train again what was trained, or with other options.")] = False,
    force: Annotated[
        bool, typer.Option(help="Train although a small model would get worse, or the dataset has other prompts.")
    ] = False,
) -> None:
    """Train an adapter on a dataset. After a stop or a crash, the same command goes on."""
    from tuning.training.options import Asked

    asked = Asked(
        model=model,
        dataset=dataset,
        revision=revision,
        stage=stage,
        method=method,
        start=start,
        rank=rank,
        alpha=alpha,
        dropout=dropout,
        virtual_tokens=virtual_tokens,
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        micro_batch=micro_batch,
        max_length=max_length,
        validation=validation,
        beta=beta,
        seed=seed,
        gradient_checkpointing=gradient_checkpointing,
        force=force,
    )
    every = (checkpoint_steps or sys.maxsize, checkpoint_minutes * 60)
    with _claimed(run), quiet():
        _run(run, asked, every, (max_rank, least_agreement), search, again=again)


def _run(
    folder: Path, asked: Asked, every: tuple[int, float], limits: tuple[int, float], trials: int, *, again: bool
) -> None:
    """`every`: steps and seconds between checkpoints. `limits`: of what is served, its rank and its agreement."""
    prepare_libraries()
    from tuning.training.models import is_for_hub
    from tuning.training.prepare import is_main, prepare
    from tuning.training.progress import shown
    from tuning.training.resume import Start, check_folder
    from tuning.training.train import enter
    from tuning.training.train import train as train_run

    _take_one_gpu()
    _tell_if_alone()
    with _said_once():
        # Before models and datasets are read, which takes a while.
        check_folder(folder)
        if is_main() and is_for_hub(asked.model):
            _tell(f"{asked.model} is no folder here, so it is looked for on the Hugging Face hub.")
        prepared = prepare(asked)
        if trials:
            prepared = _searched(folder, prepared, asked, trials, limits[0], again=again)
        start = enter(folder, prepared, asked.dataset, again=again)
    if start is Start.NOTHING:
        _tell(f"{folder} is trained already. To train it anew: --again")
        return
    if is_main() and start in (Start.NEW, Start.RESUME):
        _announce(folder, prepared, start)
    with shown() as show:
        done = train_run(folder, prepared, start, show=show, save_steps=every[0], save_seconds=every[1])
    if not is_main():
        return
    if done is None:
        _tell(f"Stopped, and all that was learnt is kept. {_how_to_go_on(again=again)}")
        raise typer.Exit(INTERRUPTED)
    sys.stdout.write(_summary(folder, _served(folder, prepared, *limits), asked.dataset))


def _searched(folder: Path, prepared: Prepared, asked: Asked, trials: int, max_rank: int, *, again: bool) -> Prepared:
    """With the best options of a search. Options that were given stay as they are."""
    from tuning.training.progress import shown
    from tuning.training.run import SEARCH
    from tuning.training.search import TABLE, search

    fixed = [name for name in ("rank", "learning_rate", "epochs") if getattr(asked, name) is not None]
    with shown() as show:
        found = search(folder, prepared, trials, max_rank=max_rank, fixed=fixed, again=again, show=show)
    if found is None:
        _tell(f"Stopped, and all trials that ended are kept. {_how_to_go_on(again=again)}")
        raise typer.Exit(INTERRUPTED)
    options = found.prepared.options
    _tell(
        f"The best of {len(found.trials)} trials has learning rate {options.learning_rate:.2g}, {options.epochs:g} epochs"
        f"{f' and rank {options.rank}' if options.rank else ''} ({folder / SEARCH / TABLE})."
    )
    return found.prepared


def _how_to_go_on(*, again: bool) -> str:
    """With `--again`, the same command would begin anew."""
    return f"The same command{' without --again' if again else ''} goes on from here."


def _served(folder: Path, prepared: Prepared, max_rank: int, least_agreement: float) -> Run:
    """What a server loads is made, and noted in the run."""
    from dataclasses import replace

    from tuning.registry.preflight import prepare_served
    from tuning.training.run import read_run, write_run

    run = read_run(folder)
    prompts = prepared.learnt.prompts
    found = prepare_served(folder, run.base, max_rank, prompts=prompts, least_agreement=least_agreement)
    run = replace(run, preflight=found)
    write_run(folder, run)
    return run


def _announce(folder: Path, prepared: Prepared, start: Any) -> None:
    from tuning.training import memory

    options, base = prepared.options, prepared.base
    size = f"{base.parameters / 1e6:,.1f} million parameters"
    _tell(
        f"{'Going on with' if start == 'resume' else 'Training'} {folder}: {base.model.name} ({prepared.family.name}, {size}) "
        f"by {options.method.value}, {options.stage.value}."
    )
    _tell(
        f"{len(prepared.learnt.train)} examples of {prepared.learnt.mean:.0f} tokens on average, {options.max_length} at most; "
        f"{prepared.validated} for validation. {options.batch} a step, {options.epochs:g} epochs, about {prepared.steps} steps; "
        f"learning rate {options.learning_rate:g}{f', rank {options.rank}' if options.rank else ''}."
    )
    for note in (*prepared.notes(), *memory.notes(memory.plan_of(prepared), memory.free_memory())):
        _tell(f"Note: {note}")


def _summary(folder: Path, run: Run, dataset: Path) -> str:
    from tuning.registry.show import made_servable

    result = run.result
    share = f"{result['trained_parameters']:,} of {result['total_parameters']:,} parameters"
    lines = [
        f"Trained {share} in {result['seconds']:.0f} seconds, {result['tokens_per_second']:,.0f} tokens a second.",
        f"Training loss {result['train_loss']:.4f}"
        + (f", validation loss {result['validation_loss']:.4f}" if result["validation_loss"] is not None else "")
        + f" ({folder / LOSS_PICTURE}).",
    ]
    lines += [f"Note: {problem}" for problem in run.preflight.get("problems", ())]
    if run.preflight.get("conversion"):
        lines.append(f"So it was converted: {made_servable(run.preflight)}.")
    if run.form is None:
        lines.append(f"A server cannot load it; the adapter is in {folder / ADAPTER}.")
    else:
        lines.append(
            f"To be served from {folder / SERVED}. Is it better? "
            f"{join(('lorekeeper', 'tune', 'evaluate', str(folder), '--dataset', str(dataset)))}"
        )
    return plain("\n".join(lines)) + "\n"


def _take_one_gpu() -> None:
    """Several GPUs need a process each."""
    import os

    import torch

    count = torch.cuda.device_count()
    if count > 1 and "LOCAL_RANK" not in os.environ:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[0]
        _tell(
            f"Note: there are {count} GPUs, and this uses one. For all of them, with the same options: "
            f"accelerate launch --multi_gpu --num_processes {count} -m core.cli tune train …"
        )


def _tell_if_alone() -> None:
    """For a CPU, accelerate starts several processes by MPI only. Otherwise it starts one, and says nothing."""
    import os

    if "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ and "LOCAL_RANK" not in os.environ:
        _tell(
            "Note: accelerate was asked for several processes and started one. For several on a CPU: "
            "torchrun --nproc_per_node 2 -m core.cli tune train …"
        )


@contextmanager
def _said_once() -> Iterator[None]:
    """All processes find the same; the first one says it."""
    from tuning.training.prepare import is_main

    try:
        yield
    except LorekeeperError:
        if is_main():
            raise
        raise typer.Exit(1) from None


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """One training in a folder at a time; the lock dies with its process."""
    from filelock import FileLock, Timeout

    from tuning.training.prepare import is_main
    from tuning.training.resume import LOCK

    if not is_main() or (folder.exists() and not folder.is_dir()):
        yield
        return
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InvalidRequest(f"Another process is training in {folder}. Wait for it, or stop it.") from None
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            (folder / LOCK).unlink()
            if is_new:
                # Nothing came of it when nothing else is in it.
                folder.rmdir()


def _tell(text: str) -> None:
    sys.stderr.write(f"{plain(text)}\n")
