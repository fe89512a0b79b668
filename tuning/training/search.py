"""Better options by trying them: rank, learning rate and epochs, by the validation loss, with Optuna.

The study lies in RUN/search, so that the same command goes on after a stop or a crash. Its first trial has the defaults of the
model's family, so what is found is never worse than those by the validation loss. A trial that is behind the median of those
before it at the same share of its training is given up.
"""

from __future__ import annotations

import gc
import math
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InvalidRequest, MissingExtra, StorageFailed
from tuning.dataset.types import digest
from tuning.training.options import Options
from tuning.training.prepare import Prepared, processes
from tuning.training.progress import Show, nowhere
from tuning.training.resume import check_folder
from tuning.training.run import RUN, SEARCH
from tuning.training.train import fit
from tuning.training.trials import Tried, picture, ranked, table

if TYPE_CHECKING:
    import optuna

STUDY, TABLE, PICTURE = "study.db", "trials.md", "trials.png"
NAME = "lorekeeper"
RANKS = (4, 8, 16, 32, 64, 128)
LOWEST_RATE, HIGHEST_RATE = 0.2, 10.0
"""Times the family's: our choice, wide enough for models of other sizes than those that the family's rate is from."""
FEWEST_EPOCHS, MOST_EPOCHS = 1, 2
"""At least so many, and times the family's at most."""
EVALUATIONS = 5
"""Validation losses of a trial, at even shares of it: by these, trials of different lengths are compared."""
UNPRUNED = 3
"""Trials before the first is given up: a median of fewer says little."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came out of a search."""

    prepared: Prepared
    """With the best options."""
    trials: tuple[Tried, ...]


def search(
    folder: Path,
    prepared: Prepared,
    trials: int,
    *,
    max_rank: int,
    fixed: Collection[str] = (),
    again: bool = False,
    show: Show = nowhere,
) -> Found | None:
    """Try until `trials` have ended in all, and take the best options. None when a person stopped it.

    `fixed` names the options that a person chose: `rank`, `learning_rate`, `epochs`. `again` forgets what was tried before.
    Raises `LorekeeperError`.
    """
    _check(prepared, trials)
    _check_folder(folder, again=again)
    with _storage(folder / SEARCH) as storage:
        study = _study(storage, prepared, fixed, max_rank)
        _begin(study, prepared.options)
        while len(_ended(study)) < trials:
            study.sampler = _sampler(study, prepared.options.seed)
            if not _try(study, folder / SEARCH, prepared, fixed, max_rank, show):
                return None
            _note(folder / SEARCH / TABLE, table(_tried(study, prepared.options)).encode())
        found = _tried(study, prepared.options)
    if not (best := ranked(found)):
        raise InvalidRequest(
            "No trial came to an end with a loss that is a number. Set a lower --learning-rate, and search with --again."
        )
    _note(folder / SEARCH / PICTURE, picture(found))
    options = _with(prepared.options, rank=best[0].rank, learning_rate=best[0].learning_rate, epochs=best[0].epochs)
    return Found(replace(prepared, options=options), found)


def space(options: Options, fixed: Collection[str], max_rank: int) -> dict[str, Any]:
    """What may be chosen, by the option's name: a list, or the lowest and the highest. Pure."""
    found: dict[str, Any] = {}
    if "learning_rate" not in fixed:
        found["learning_rate"] = (options.learning_rate * LOWEST_RATE, options.learning_rate * HIGHEST_RATE)
    if "epochs" not in fixed:
        most = max(FEWEST_EPOCHS, math.ceil(options.epochs * MOST_EPOCHS))
        found["epochs"] = (FEWEST_EPOCHS, most)
    if options.rank and "rank" not in fixed:
        found["rank"] = sorted({*(each for each in RANKS if each <= max_rank), options.rank})
    return found


def _check(prepared: Prepared, trials: int) -> None:
    if trials < 1:
        raise InvalidRequest("A search needs at least one trial.")
    if not prepared.validated:
        raise InvalidRequest(
            "A search compares validation losses, and no document is held out for one. Make a larger dataset, or raise "
            "--validation."
        )
    if processes() > 1:
        raise InvalidRequest(
            "A search runs in one process. Search with one GPU, and train with all of them and the options that were found."
        )


def _check_folder(folder: Path, *, again: bool) -> None:
    check_folder(folder)
    if again:
        shutil.rmtree(folder / SEARCH, ignore_errors=True)
    elif (folder / RUN).exists() and not (folder / SEARCH / STUDY).exists():
        raise InvalidRequest(f"{folder} was trained without a search. Name another folder, or use --again.")


@contextmanager
def _storage(folder: Path) -> Iterator[Any]:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("optuna", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / STUDY).absolute()}")
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.") from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _study(storage: Any, prepared: Prepared, fixed: Collection[str], max_rank: int) -> optuna.Study:
    import optuna

    pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED)
    study = optuna.create_study(storage=storage, study_name=NAME, pruner=pruner, load_if_exists=True)
    subject = digest(
        [
            prepared.base.model.name,
            prepared.base.model.revision,
            prepared.template.fingerprint,
            prepared.options.row(),
            space(prepared.options, fixed, max_rank),
        ]
    )
    known = study.user_attrs.get("of")
    if known is not None and known != subject:
        raise InvalidRequest(
            "This run's search was begun with another model, dataset or options. Name another folder, or use --again."
        )
    study.set_user_attr("of", subject)
    return study


def _begin(study: optuna.Study, options: Options) -> None:
    """The defaults come first. What was being tried when its process ended is tried again."""
    from optuna.trial import TrialState

    if not study.trials:
        study.enqueue_trial(
            {"rank": options.rank, "learning_rate": options.learning_rate, "epochs": int(options.epochs)}
        )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _sampler(study: optuna.Study, seed: int) -> optuna.samplers.BaseSampler:
    # A seed of its own for each trial: whoever goes on would otherwise draw what was drawn before.
    import optuna

    return optuna.samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=4)


def _try(
    study: optuna.Study,
    folder: Path,
    prepared: Prepared,
    fixed: Collection[str],
    max_rank: int,
    show: Show,
) -> bool:
    """One trial; False when a person stopped it."""
    from optuna.trial import TrialState

    trial = study.ask()
    options = _asked(trial, prepared.options, space(prepared.options, fixed, max_rank))
    is_given_up, told = False, 0

    def report(_: int, loss: float) -> bool:
        nonlocal is_given_up, told
        told += 1
        trial.report(loss, told)
        is_given_up = not math.isfinite(loss) or (told < EVALUATIONS and trial.should_prune())
        return not is_given_up

    done = fit(
        replace(prepared, options=options),
        folder / f"trial-{trial.number + 1:03}",
        report=report,
        show=show,
        evaluations=EVALUATIONS,
        save_seconds=math.inf,
    )
    # What a person stopped has the loss of a part, which says nothing of the whole.
    loss = done.result["validation_loss"] if done.is_finished else None
    del done
    _forget()
    if is_given_up:
        study.tell(trial, state=TrialState.PRUNED)
    elif loss is None:
        study.tell(trial, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
        return False
    elif math.isfinite(loss):
        study.tell(trial, loss)
    else:
        study.tell(trial, state=TrialState.PRUNED)
    return True


def _asked(trial: optuna.Trial, usual: Options, wanted: dict[str, Any]) -> Options:
    found: dict[str, Any] = {}
    if "learning_rate" in wanted:
        found["learning_rate"] = trial.suggest_float("learning_rate", *wanted["learning_rate"], log=True)
    if "epochs" in wanted:
        found["epochs"] = trial.suggest_int("epochs", *wanted["epochs"])
    if "rank" in wanted:
        found["rank"] = trial.suggest_categorical("rank", wanted["rank"])
    return _with(usual, **found)


def _with(usual: Options, **found: Any) -> Options:
    """Alpha keeps its ratio to the rank, so that another rank alone does not change how fast it learns."""
    rank = found.get("rank", usual.rank)
    alpha = max(1, round(usual.alpha * rank / usual.rank)) if usual.rank else usual.alpha
    return replace(usual, **found, alpha=alpha)


def _ended(study: optuna.Study) -> list[Any]:
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _tried(study: optuna.Study, usual: Options) -> tuple[Tried, ...]:
    from optuna.trial import TrialState

    found = []
    for trial in _ended(study):
        options = _with(usual, **trial.params)
        losses = [loss for _, loss in sorted(trial.intermediate_values.items()) if math.isfinite(loss)]
        is_given_up = trial.state is TrialState.PRUNED
        loss = (losses[-1] if losses else None) if is_given_up else trial.value
        found.append(Tried(trial.number, options.rank, options.learning_rate, options.epochs, loss, is_given_up))
    return tuple(found)


def _note(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.") from error


def _forget() -> None:
    """The next trial has a model of its own."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
