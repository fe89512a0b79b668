"""Options: what was asked for, and the family's figures for the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from tuning.training.families import GENERAL, SMOLLM2, family_of
from tuning.training.methods import Method
from tuning.training.options import Asked, Sizes, batches, differences, resolve
from tuning.training.run import Stage

ASKED = Asked("model", Path("dataset"))
SIZES = Sizes(
    examples=1000, mean=1024, longest=2048, parameters=2_000_000_000, processes=1, has_gpu=True, has_bfloat16=True
)


def test_what_was_not_asked_for_is_the_familys() -> None:
    options = resolve(ASKED, Method.LORA, SMOLLM2, SIZES)
    assert (options.rank, options.alpha, options.learning_rate, options.epochs) == (16, 32, 3e-4, 3)
    assert (options.precision, options.gradient_checkpointing) == ("bfloat16", True)


def test_what_was_asked_for_is_taken() -> None:
    asked = replace(ASKED, rank=4, alpha=8, dropout=0.0, learning_rate=1e-2, epochs=1, gradient_checkpointing=False)
    options = resolve(asked, Method.DORA, GENERAL, SIZES)
    assert (options.rank, options.alpha, options.dropout, options.learning_rate) == (4, 8, 0.0, 1e-2)
    assert not options.gradient_checkpointing


@pytest.mark.parametrize("option", ["epochs", "learning_rate"])
def test_what_would_learn_nothing_is_refused(option: str) -> None:
    changes: dict[str, Any] = {option: 0.0}
    with pytest.raises(InvalidRequest, match=f"--{option.replace('_', '-')} 0 nothing is learnt"):
        resolve(replace(ASKED, **changes), Method.LORA, GENERAL, SIZES)


def test_rslora_begins_as_strongly_as_lora_at_the_familys_rank() -> None:
    lora, rslora = (resolve(ASKED, method, GENERAL, SIZES) for method in (Method.LORA, Method.RSLORA))
    assert lora.alpha / lora.rank == rslora.alpha / rslora.rank**0.5


@pytest.mark.parametrize(
    ("method", "rate"), [(Method.IA3, 3e-3), (Method.PROMPT, 3e-2), (Method.FULL, 2e-5), (Method.QLORA, 2e-4)]
)
def test_methods_without_matrices_learn_at_a_rate_of_their_own(method: Method, rate: float) -> None:
    assert resolve(ASKED, method, GENERAL, SIZES).learning_rate == rate


def test_preferences_are_learnt_slowly_and_once() -> None:
    options = resolve(replace(ASKED, stage=Stage.DPO), Method.LORA, GENERAL, SIZES)
    assert (options.learning_rate, options.epochs, options.beta) == (5e-6, 1, 0.1)


def test_activations_are_kept_on_a_cpu_and_for_virtual_keys() -> None:
    assert not resolve(ASKED, Method.LORA, GENERAL, replace(SIZES, has_gpu=False)).gradient_checkpointing
    asked = replace(ASKED, gradient_checkpointing=True)
    assert not resolve(asked, Method.PREFIX, GENERAL, SIZES).gradient_checkpointing


def test_a_step_has_the_familys_tokens_and_a_device_what_fits_it() -> None:
    assert batches(ASKED, GENERAL, SIZES) == (16, 4)
    assert batches(replace(ASKED, stage=Stage.DPO), GENERAL, SIZES) == (16, 2)
    assert batches(ASKED, GENERAL, replace(SIZES, examples=3)) == (3, 3)


def test_processes_share_a_step() -> None:
    options = resolve(ASKED, Method.LORA, GENERAL, replace(SIZES, processes=2))
    assert options.batch == options.micro_batch * options.accumulated * 2 == 16


def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can() -> None:
    with pytest.raises(InvalidRequest, match="Take 6"):
        batches(replace(ASKED, batch=7), GENERAL, replace(SIZES, processes=2))


def test_differences_are_said_in_words() -> None:
    assert differences({"rank": 8, "seed": 1}, {"rank": 16, "seed": 1}) == ["rank 16 instead of 8"]
    assert differences({}, {"learning_rate": 0.1}) == ["learning rate 0.1 instead of none"]


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "llama", "vocab_size": 49152}, "SmolLM2"),
        ({"model_type": "llama", "vocab_size": 128256}, "Llama"),
        ({"model_type": "gemma3_text"}, "Gemma"),
        ({"model_type": "qwen3"}, "Qwen"),
        ({"model_type": "phi3"}, "Phi"),
        ({"model_type": "mamba"}, "general"),
        ({}, "general"),
    ],
)
def test_a_family_is_known_by_its_configuration(config: dict[str, object], name: str) -> None:
    assert family_of(config).name == name
