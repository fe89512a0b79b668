"""Training beside TRL alone: the same work on both sides, and the arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tuning.training.sets import made_examples, write_dataset
from tuning.training.methods import Method
from tuning.training.options import Asked
from tuning.training.prepare import prepare

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("speed") / "dataset", made_examples(1)[:8])


def test_both_sides_learn_the_same(tiny_chat_model: Path, dataset: Path) -> None:
    from evals.tuning_speed import evaluate_tuning

    told: list[tuple[str, int, int]] = []

    found = evaluate_tuning(
        dataset,
        str(tiny_chat_model),
        lambda *stage: told.append(stage),
        method=Method.LORA,
        runs=1,
        epochs=1,
        micro_batch=4,
    )

    assert told == [("training", 1, 2), ("training", 2, 2)]
    assert found["loss"] == found["trl_loss"] > 0
    assert found["ratio"] == pytest.approx(found["tokens_per_second"] / found["trl_tokens_per_second"], rel=0.01)


def test_the_ratio_is_that_of_the_medians(tiny_chat_model: Path, dataset: Path) -> None:
    from evals.tuning_speed import OURS, PLAIN, Timed, row

    prepared = prepare(Asked(str(tiny_chat_model), dataset, validation=0.0, epochs=2))
    tokens = 2 * sum(len(each["input_ids"]) for each in prepared.learnt.train)
    ours = [Timed(seconds, 2.0, 1.0) for seconds in (1.0, 2.0, 50.0)]
    plain = [Timed(seconds, 1.0, 1.0) for seconds in (1.0, 4.0, 25.0)]

    found = row(prepared, {OURS: ours, PLAIN: plain})

    assert found["tokens"] == tokens
    assert found["tokens_per_second"] == round(tokens / 2, 1)
    assert found["ratio"] == 2.0
    assert found["processor_ratio"] == 0.5
    assert found["ratios"] == [1.0, 2.0, 0.5]
