"""Memory is estimated before a training begins, and what to lower is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.training.sets import write_dataset
from tuning.training import memory
from tuning.training.memory import GIGABYTE, Plan, estimate, free_memory, notes, plan_of
from tuning.training.methods import Method
from tuning.training.options import Asked
from tuning.training.prepare import prepare

# As Llama 3.2 with a billion parameters, on a GPU.
PLAN = Plan(
    parameters=1_236_000_000,
    trained=11_000_000,
    layers=16,
    hidden=2048,
    inner=8192,
    queries=2048,
    keys=512,
    vocabulary=128256,
    micro_batch=8,
    length=1024,
    device="cuda",
    is_half=True,
    has_dropout=True,
)


def test_weights_are_counted_in_their_precision() -> None:
    adapter = PLAN.trained * 4
    assert estimate(PLAN).weights == PLAN.parameters * 2 + adapter
    assert estimate(replace(PLAN, is_half=False)).weights == PLAN.parameters * 4 + adapter
    assert estimate(replace(PLAN, is_quantised=True)).weights < PLAN.parameters * 0.6 + adapter


def test_full_training_keeps_sixteen_bytes_for_each_parameter() -> None:
    full = estimate(replace(PLAN, is_full=True, trained=PLAN.parameters))

    assert full.weights + full.states == PLAN.parameters * 16


def test_activations_grow_with_examples_and_their_length() -> None:
    one = estimate(PLAN).activations

    assert estimate(replace(PLAN, micro_batch=16)).activations == 2 * one
    assert estimate(replace(PLAN, length=2048)).activations == 2 * one
    assert estimate(replace(PLAN, texts=2)).activations == 2 * one


def test_checkpointing_keeps_little_more_than_one_layer() -> None:
    assert estimate(replace(PLAN, is_checkpointed=True)).activations < estimate(PLAN).activations / 5


def test_dora_and_dropout_need_more() -> None:
    assert estimate(replace(PLAN, has_magnitudes=True)).total > estimate(PLAN).total
    assert estimate(replace(PLAN, has_dropout=False)).total < estimate(PLAN).total


def test_what_it_needs_is_always_said() -> None:
    said = list(notes(PLAN, int(1000 * GIGABYTE)))

    assert len(said) == 1
    assert "GB for weights" in said[0]
    assert "1000.0 GB are free" in said[0]


def test_where_free_memory_is_not_known_nothing_is_advised() -> None:
    assert len(list(notes(PLAN, None))) == 1


def test_the_first_advice_is_a_smaller_batch_that_fits() -> None:
    half = replace(PLAN, micro_batch=4)
    free = int(estimate(half).total * 1.2)

    warning = list(notes(PLAN, free))[1]

    assert "may not be enough" in warning
    assert "--micro-batch 4" in warning
    assert "--gradient-checkpointing" not in warning


def test_checkpointing_comes_before_fewer_bits() -> None:
    single = replace(PLAN, micro_batch=1)
    free = int(estimate(replace(single, is_checkpointed=True)).total * 1.15)

    assert "--gradient-checkpointing" in list(notes(single, free))[1]
    assert "qlora" in list(notes(replace(single, is_checkpointed=True), free // 2))[1]


def test_what_fits_in_no_way_is_said() -> None:
    assert "take a smaller model" in list(notes(PLAN, 10**6))[1]


def test_free_memory_is_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("1000\n")

    assert free_memory() == 2000
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 600\nactive_file 200\n")
    assert free_memory() == 2600
    (tmp_path / "memory.max").write_text("max\n")
    assert (free_memory() or 0) > 2000


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
@pytest.mark.parametrize("method", [Method.LORA, Method.DORA, Method.IA3, Method.PROMPT])
def test_what_is_trained_is_counted_without_weights(tiny_chat_model: Path, tmp_path: Path, method: Method) -> None:
    prepared = prepare(Asked(str(tiny_chat_model), write_dataset(tmp_path / "data"), method=method))

    plan = plan_of(prepared)

    expected = {Method.LORA: 65536, Method.DORA: 67072 + 512, Method.IA3: 2 * (64 + 64 + 256), Method.PROMPT: 20 * 128}
    assert (plan.layers, plan.hidden, plan.inner, plan.queries, plan.keys) == (2, 128, 256, 128, 64)
    assert plan.trained == expected[method]
