"""What vLLM refuses is found from names and shapes, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import InvalidRequest
from tuning.registry.findings import Finding, Way, inspect, read_config, read_shapes

LAYER = "base_model.model.model.layers.0.mlp.up_proj"
PLAIN = {f"{LAYER}.lora_A.weight": (8, 64), f"{LAYER}.lora_B.weight": (128, 8)}


def found(shapes: dict[str, tuple[int, ...]] | None = None, max_rank: int = 16, **config: Any) -> Finding:
    return inspect({"peft_type": "LORA", "r": 8, "lora_alpha": 16, **config}, shapes or PLAIN, max_rank)


def test_a_plain_lora_is_copied() -> None:
    assert found(bias="none", use_rslora=True, init_lora_weights=True) == Finding(Way.COPY, (), 8)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"max_rank": 4}, "rank 8 is over the server's maximum 4"),
    ],
)
def test_what_a_lora_can_stand_for_is_converted(config: dict[str, Any], word: str) -> None:
    finding = found(**config)

    assert finding.way is Way.CONVERT
    assert word in finding.problems[0]


def test_all_problems_are_named_at_once() -> None:
    assert len(found(use_dora=True, max_rank=4).problems) == 2


@pytest.mark.parametrize(
    "config", [{"rank_pattern": {"up_proj": 4}}, {"alpha_pattern": {"up_proj": 4}}, {"bias": "all"}]
)
def test_what_is_the_same_in_other_words_is_rewritten(config: dict[str, Any]) -> None:
    assert found(**config).way is Way.REWRITE


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"modules_to_save": ["lm_head"]}, "modules_to_save: lm_head"),
        ({"lora_bias": True}, "bias"),
        ({"shapes": PLAIN | {f"{LAYER}.bias": (128,)}, "bias": "lora_only"}, "bias"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"shapes": PLAIN | {"base_model.model.lm_head.lora_A.weight": (8, 64)}}, "lm_head"),
        ({"shapes": PLAIN | {"base_model.model.model.embed_tokens.lora_embedding_A": (8, 64)}}, "embed_tokens"),
        ({"shapes": PLAIN | {f"{LAYER}.something": (8,)}}, "something"),
        ({"trainable_token_indices": [1]}, "trained tokens"),
        ({"peft_type": "IA3"}, "IA³"),
        ({"peft_type": "LOKR"}, "LOKR"),
        ({"use_dora": True, "modules_to_save": ["lm_head"]}, "modules_to_save"),
    ],
)
def test_what_a_lora_cannot_stand_for_is_merged(config: dict[str, Any], word: str) -> None:
    finding = found(**config)

    assert finding.way is Way.MERGE
    assert word in finding.problems[0]


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "prompt tuning"),
        ({"peft_type": "PREFIX_TUNING"}, "prefix tuning"),
        ({"peft_type": "P_TUNING"}, "P-tuning"),
        ({"alora_invocation_tokens": [7]}, "aLoRA"),
        ({"layer_replication": [[0, 2]]}, "replicated layers"),
        ({"shapes": {"base_model.model.norm.weight": (8,)}}, "no LoRA weights"),
    ],
)
def test_what_no_server_can_serve_is_said(config: dict[str, Any], word: str) -> None:
    finding = found(**config)

    assert finding.way is Way.NOTHING
    assert word in finding.problems[0]


def test_a_start_that_changes_no_weights_of_the_model_is_no_problem() -> None:
    assert found(init_lora_weights="gaussian").way is Way.COPY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        pytest.param("[" * 100_000, id="deep"),
        '{"peft_type": "LORA", "modules_to_save": 5}',
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "adapter_config.json").write_text(text)

    with pytest.raises(InvalidRequest, match="not the configuration of an adapter"):
        read_config(tmp_path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(b"")

    with pytest.raises(InvalidRequest, match="can run programs"):
        read_shapes(tmp_path)


def test_damaged_and_missing_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="has no adapter_model"):
        read_shapes(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(json.dumps({}).encode())
    with pytest.raises(InvalidRequest, match="is damaged"):
        read_shapes(tmp_path)


@pytest.mark.parametrize("shape", [(), (0, 64)])
def test_weights_that_are_no_matrices_are_told(tmp_path: Path, shape: tuple[int, ...]) -> None:
    save_file({f"{LAYER}.lora_A.weight": np.zeros(shape, np.float32)}, tmp_path / "adapter_model.safetensors")

    with pytest.raises(InvalidRequest, match=r"lora_A\.weight' is no matrix"):
        read_shapes(tmp_path)
