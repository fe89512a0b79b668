"""Better options are searched for, given up on, and found again after a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from tests.tuning.training.sets import write_dataset
from tuning.training import search as searching
from tuning.training.options import Asked, Options
from tuning.training.prepare import Prepared, prepare
from tuning.training.run import read_run
from tuning.training.search import Found, search, space
from tuning.training.train import Fitted, enter, train
from tuning.training.trials import Tried, picture, ranked, table

SHARES = (1.4, 1.3, 1.2, 1.1, 1.0)
"""How the losses of a trial fall."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty examples, of which some are held out."""
    return write_dataset(tmp_path_factory.mktemp("searching") / "dataset")


@pytest.fixture(scope="module")
def prepared(model: Path, dataset: Path) -> Prepared:
    found = prepare(Asked(str(model), dataset, batch=8, epochs=3, validation=0.2))
    return replace(found, options=replace(found.options, rank=8, alpha=16, learning_rate=1e-3))


class Trainer:
    """Instead of training: the loss is a rule of the options. Stops or dies where it is told to."""

    def __init__(self, rule: Callable[[Options], float]) -> None:
        self.rule = rule
        self.tried: list[Options] = []
        self.evaluations: list[int] = []
        self.dies_in: int | None = None
        self.is_stopped = False

    def __call__(self, prepared: Prepared, folder: Path, *, report: Any, **_: Any) -> Fitted:
        self.tried.append(prepared.options)
        loss = self.rule(prepared.options)
        if len(self.tried) == self.dies_in:
            raise KeyboardInterrupt
        for told, share in enumerate(SHARES, start=1):
            stopped = Fitted(None, {"validation_loss": loss * share}, is_finished=False)
            if not report(told * 10, loss * share):
                self.evaluations.append(told)
                return stopped
            if self.is_stopped:
                return stopped
        self.evaluations.append(len(SHARES))
        return Fitted(None, {"validation_loss": loss}, is_finished=True)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    # Best at a learning rate of 3e-3.
    made = Trainer(lambda options: 1 + abs(options.learning_rate - 3e-3) * 100)
    monkeypatch.setattr(searching, "fit", made)
    # There is no model to forget, and looking for one takes seconds.
    monkeypatch.setattr(searching, "_forget", lambda: None)
    return made


def found(folder: Path, prepared: Prepared, trials: int, **options: Any) -> Found:
    result = search(folder, prepared, trials, **{"max_rank": 16, **options})
    assert result is not None
    return result


def test_the_defaults_are_tried_first_and_the_best_is_taken(
    prepared: Prepared, trainer: Trainer, tmp_path: Path
) -> None:
    done = found(tmp_path, prepared, 8)

    first, best = trainer.tried[0], done.prepared.options
    assert (first.rank, first.learning_rate, first.epochs) == (8, 1e-3, 3)
    assert len(done.trials) == len(trainer.tried) == 8
    assert trainer.rule(best) == min(trainer.rule(each) for each in trainer.tried) < trainer.rule(first)
    assert best.alpha == 2 * best.rank
    assert best.batch == prepared.options.batch


def test_a_trial_that_is_behind_is_given_up(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    done = found(tmp_path, prepared, 10)

    given_up = [each for each in done.trials if each.is_given_up]
    assert given_up
    assert min(trainer.evaluations) < len(SHARES)
    assert all(each.number >= 3 for each in given_up)
    assert ranked(done.trials)[0] not in given_up


def test_a_loss_that_is_no_number_is_given_up(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    trainer.rule = lambda options: float("nan") if options.learning_rate != 1e-3 else 1.0

    done = found(tmp_path, prepared, 3)

    assert [each.is_given_up for each in done.trials] == [False, True, True]
    assert done.prepared.options.learning_rate == 1e-3


def test_nothing_but_such_losses_is_told(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    trainer.rule = lambda _: float("nan")

    with pytest.raises(InvalidRequest, match="No trial came to an end"):
        search(tmp_path, prepared, 2, max_rank=16)


def test_a_search_goes_on_after_its_process_died(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    trainer.dies_in = 4
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, prepared, 6, max_rank=16)
    died = trainer.tried[-1]
    trainer.dies_in = None

    done = found(tmp_path, prepared, 6)

    assert len(done.trials) == 6
    assert len(trainer.tried) == 7  # the fourth twice
    assert trainer.tried[4] == died


def test_a_search_goes_on_after_a_person_stopped_it(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    trainer.is_stopped = True
    assert search(tmp_path, prepared, 2, max_rank=16) is None
    trainer.is_stopped = False

    done = found(tmp_path, prepared, 2)

    assert len(done.trials) == 2
    assert trainer.tried[1] == trainer.tried[0]


def test_one_that_ended_tries_no_more_and_more_trials_add_to_it(
    prepared: Prepared, trainer: Trainer, tmp_path: Path
) -> None:
    first = found(tmp_path, prepared, 3)
    assert found(tmp_path, prepared, 3).prepared.options == first.prepared.options
    assert len(trainer.tried) == 3

    assert len(found(tmp_path, prepared, 5).trials) == 5
    assert len(trainer.tried) == 5
    assert len({each.learning_rate for each in trainer.tried}) == 5


def test_the_same_seed_tries_the_same(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    found(tmp_path / "one", prepared, 4)
    found(tmp_path / "two", prepared, 4)

    assert trainer.tried[:4] == trainer.tried[4:]


def test_what_a_person_chose_stays(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    found(tmp_path, prepared, 4, fixed=("learning_rate", "epochs"))

    assert {(each.learning_rate, each.epochs) for each in trainer.tried} == {(1e-3, 3)}
    assert len({each.rank for each in trainer.tried}) > 1


def test_only_ranks_that_the_server_takes_are_tried(prepared: Prepared) -> None:
    assert space(prepared.options, (), 16)["rank"] == [4, 8, 16]
    assert space(replace(prepared.options, rank=6), (), 4)["rank"] == [4, 6]
    assert "rank" not in space(replace(prepared.options, rank=0), (), 16)


def test_a_search_of_something_else_is_refused_unless_it_is_begun_again(
    prepared: Prepared, trainer: Trainer, tmp_path: Path
) -> None:
    found(tmp_path, prepared, 1)
    other = replace(prepared, options=replace(prepared.options, seed=2))

    with pytest.raises(InvalidRequest, match="begun with another"):
        search(tmp_path, other, 1, max_rank=16)
    assert len(found(tmp_path, other, 1, again=True).trials) == 1


def test_a_folder_that_holds_something_else_is_refused_before_the_first_trial(
    prepared: Prepared, trainer: Trainer, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("")

    with pytest.raises(InvalidRequest, match="holds other files"):
        search(tmp_path, prepared, 1, max_rank=16)
    assert trainer.tried == []


def test_without_a_validation_loss_nothing_is_searched(prepared: Prepared, trainer: Trainer, tmp_path: Path) -> None:
    without = replace(prepared, learnt=replace(prepared.learnt, validation=()))

    with pytest.raises(InvalidRequest, match="raise --validation"):
        search(tmp_path, without, 1, max_rank=16)


def test_trials_are_a_table_and_a_picture() -> None:
    trials = [Tried(0, 8, 1e-3, 3, 1.5, is_given_up=False), Tried(1, 0, 2e-3, 1, 9.0, is_given_up=True)]
    trials.append(Tried(2, 16, 3e-3, 2, 1.25, is_given_up=False))

    rows = table(trials).splitlines()[4:]

    assert [row.split("|")[1].strip() for row in rows] == ["3", "1", "2"]
    assert rows[0] == "| 3 | 16 | 3.00e-03 | 2 | 1.2500 | whole |"
    assert rows[2].endswith("| given up |")
    assert _is_png(picture(trials))
    assert _is_png(picture([]))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
def test_real_trials_lead_to_a_run_with_the_best_options(prepared: Prepared, dataset: Path, tmp_path: Path) -> None:
    small = replace(prepared, options=replace(prepared.options, epochs=1, learning_rate=1e-2))

    done = found(tmp_path, small, 2, fixed=("epochs",))
    run = train(tmp_path, done.prepared, enter(tmp_path, done.prepared, dataset))

    assert run is not None
    best = ranked(done.trials)[0]
    assert read_run(tmp_path).options["learning_rate"] == best.learning_rate
    # Trained alone, the best trial comes to the loss that it had in the search.
    assert run.result["validation_loss"] == pytest.approx(best.loss, rel=1e-4)
    assert {"trials.md", "trials.png", "study.db"} <= {each.name for each in (tmp_path / "search").iterdir()}


def _is_png(data: Sequence[int]) -> bool:
    return bytes(data[:4]) == b"\x89PNG"
