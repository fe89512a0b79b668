"""A LoRA of another rank or kind as a plain one, with what that loses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.types.adapters import BaseModel
from tests.tuning.registry.adapters import linear, make_adapter
from tuning.registry.convert import convert, rewrite, scale
from tuning.registry.findings import CONFIG, WEIGHTS

NOBODY = BaseModel("nowhere", "")
# PEFT asks transformers for something that is called otherwise now.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
LAYER = "base_model.model.model.layers.0.mlp.up_proj"


def save(folder: Path, up: torch.Tensor, down: torch.Tensor, **config: Any) -> dict[str, Any]:
    """One layer; returns its configuration."""
    folder.mkdir()
    weights = {f"{LAYER}.lora_A.weight": down.contiguous(), f"{LAYER}.lora_B.weight": up.contiguous()}
    save_file(weights, folder / WEIGHTS)
    return {"peft_type": "LORA", "r": down.shape[0], "lora_alpha": down.shape[0], **config}


def product(folder: Path) -> torch.Tensor:
    """What a server adds to the layer."""
    config = json.loads((folder / CONFIG).read_text())
    weights = load_file(folder / WEIGHTS)
    assert weights[f"{LAYER}.lora_A.weight"].shape[0] == config["r"]
    change: torch.Tensor = weights[f"{LAYER}.lora_B.weight"] @ weights[f"{LAYER}.lora_A.weight"]
    return change * float(config["lora_alpha"] / config["r"])


def written(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


def test_a_rank_over_the_maximum_loses_the_smallest_directions(tmp_path: Path) -> None:
    values = torch.tensor([8.0, 4.0, 2.0, 1.0])
    config = save(tmp_path / "trained", torch.eye(6, 4) * values, torch.eye(4, 5))
    served = written(tmp_path)

    done = convert(NOBODY, tmp_path / "trained", config, served, 2)

    lost, whole = math.sqrt(2**2 + 1**2), math.sqrt(8**2 + 4**2 + 2**2 + 1**2)
    assert (done["rank"], done["from_rank"]) == (2, 4)
    assert done["error"] == pytest.approx(lost / whole, abs=1e-4)
    assert done["worst_layer"] == "model.layers.0.mlp.up_proj"
    assert torch.allclose(product(served), torch.diag(torch.tensor([8.0, 4, 0, 0, 0, 0]))[:, :5], atol=1e-5)


def test_a_rank_that_is_enough_loses_nothing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    up, down = torch.randn(6, 4), torch.randn(4, 5)
    config = save(tmp_path / "trained", up, down, use_rslora=True, lora_alpha=3)
    served = written(tmp_path)

    done = convert(NOBODY, tmp_path / "trained", config, served, 16)

    assert (done["rank"], done["error"]) == (4, 0.0)
    assert torch.allclose(product(served), up @ down * 3 / math.sqrt(4), atol=1e-5)


def test_layers_with_ranks_and_scales_of_their_own_are_rewritten_without_loss(tmp_path: Path) -> None:
    torch.manual_seed(0)
    up, down = torch.randn(6, 2), torch.randn(2, 5)
    config = save(tmp_path / "trained", up, down, alpha_pattern={"mlp.up_proj": 6}, rank_pattern={"up_proj": 2})
    served = written(tmp_path)

    rewrite(tmp_path / "trained", config, served)

    assert torch.allclose(product(served), up @ down * 6 / 2, atol=1e-5)
    assert json.loads((served / CONFIG).read_text())["alpha_pattern"] == {}


def test_the_scale_is_peft_s(tiny_chat_model: Path) -> None:
    from peft import get_peft_model
    from peft.tuners.lora import LoraLayer
    from transformers import AutoModelForCausalLM

    settings = linear(use_rslora=True, rank_pattern={"layers.0.self_attn.q_proj": 2}, alpha_pattern={"k_proj": 5})
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_chat_model), settings)
    layers = {name: each for name, each in model.named_modules() if isinstance(each, LoraLayer)}
    tensors = {f"{name}.lora_A.weight": torch.zeros(each.r["default"], 1) for name, each in layers.items()}

    assert layers
    for name, each in layers.items():
        assert scale(settings.to_dict(), name, tensors) == pytest.approx(each.scaling["default"])


def test_dora_at_the_full_rank_is_exact(tiny_chat_model: Path, tmp_path: Path) -> None:
    trained = make_adapter(tiny_chat_model, tmp_path / "trained", linear(use_dora=True), steps=3)
    config = json.loads((trained / CONFIG).read_text())

    done = convert(BaseModel(str(tiny_chat_model), ""), trained, config, written(tmp_path), 256)

    assert done["error"] == 0.0
    assert done["rank"] == 128  # that of the widest layer's smaller side
