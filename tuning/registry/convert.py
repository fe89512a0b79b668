"""Any LoRA as a plain one of a rank that a server takes, layer by layer.

W0 is a layer's weight, A and B are its LoRA, s its scale and m DoRA's magnitudes. DoRA's weight is m · (W0 + s·B·A) / ‖W0 +
s·B·A‖, row by row, so that W' − W0 has the full rank; what a LoRA of rank r can keep of it is its truncated singular value
decomposition (Eckart and Young), which has the smallest error of all in the Frobenius norm.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from core.types.adapters import BaseModel
from tuning.registry.compare import load_base
from tuning.registry.findings import CONFIG, WEIGHTS

PREFIX = "base_model.model."
A, B, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
# From this size on, the decomposition is found by random projections, which is exact enough: the error is measured.
LARGE = 1024
OVERSAMPLING, ITERATIONS, SEED = 32, 6, 1
WRITTEN_DIGITS = 4
Tensors = Mapping[str, torch.Tensor]


def convert(base: BaseModel, trained: Path, config: Mapping[str, Any], target: Path, max_rank: int) -> dict[str, Any]:
    """Write the nearest plain LoRA of at most this rank. Returns its `rank` and errors relative to the whole change.

    `error` is ‖ΔW − B·A‖ / ‖ΔW‖ (Frobenius) over all layers, `layers` the same for each one.
    """
    tensors = load_file(trained / WEIGHTS)
    modules = _modules(tensors)
    # Truncating a plain LoRA needs nothing of the model.
    model = load_base(base) if config.get("use_dora") else None
    written: dict[str, torch.Tensor] = {}
    errors: dict[str, tuple[float, float]] = {}
    rank = min(max_rank, max(_most_rank(tensors, module, config) for module in modules))
    for module in modules:
        down, up = tensors[module + A].float(), tensors[module + B].float() * scale(config, module, tensors)
        if model is None:
            change = None
            left, right = _of_product(up, down, rank)
        else:
            change = _dora_change(_weight(model, module), up, down, tensors[module + MAGNITUDE].float())
            left, right = _truncated(change, rank)
        errors[module.removeprefix(PREFIX)] = _error(change, up, down, left, right)
        written[module + B], written[module + A] = _stored(left, right, rank, tensors[module + A].dtype)
    _save(target, written, config, rank)
    worst = max(errors, key=lambda name: _share(*errors[name]))
    totals = [sum(column) for column in zip(*errors.values(), strict=True)]
    return {
        "kind": "truncated singular value decomposition",
        "from": "DoRA" if config.get("use_dora") else "LoRA",
        "from_rank": max(tensors[module + A].shape[0] for module in modules),
        "rank": rank,
        "error": _share(totals[0], totals[1]),
        "worst_error": _share(*errors[worst]),
        "worst_layer": worst,
        "layers": {name: _share(*each) for name, each in errors.items()},
    }


def rewrite(trained: Path, config: Mapping[str, Any], target: Path) -> dict[str, Any]:
    """Write the same LoRA with one rank for all layers (rows of zeros fill it up) and scales of 1."""
    tensors = load_file(trained / WEIGHTS)
    modules = _modules(tensors)
    rank = max(tensors[module + A].shape[0] for module in modules)
    written = {}
    for module in modules:
        down, up = tensors[module + A], tensors[module + B].float() * scale(config, module, tensors)
        written[module + B], written[module + A] = _stored(up, down.float(), rank, down.dtype)
    _save(target, written, config, rank)
    return {"kind": "rewritten", "rank": rank, "error": 0.0}


def scale(config: Mapping[str, Any], module: str, tensors: Tensors) -> float:
    """What PEFT multiplies a layer's B·A by."""
    alpha = float(_of_pattern(config.get("alpha_pattern") or {}, module, config["lora_alpha"]))
    rank = tensors[module + A].shape[0]
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _of_pattern(pattern: Mapping[str, Any], module: str, usual: Any) -> Any:
    name = module.removeprefix(PREFIX)
    return next((value for key, value in pattern.items() if re.match(rf"(.*\.)?({key})$", name)), usual)


def _modules(tensors: Tensors) -> list[str]:
    return sorted(name.removesuffix(A) for name in tensors if name.endswith(A))


def _most_rank(tensors: Tensors, module: str, config: Mapping[str, Any]) -> int:
    down, up = tensors[module + A], tensors[module + B]
    return min(down.shape[1], up.shape[0]) if config.get("use_dora") else int(down.shape[0])


def _weight(model: Any, module: str) -> torch.Tensor:
    """(out, in), float32."""
    layer = model.get_submodule(module.removeprefix(PREFIX))
    is_turned = type(layer).__name__ == "Conv1D"
    weight: torch.Tensor = (layer.weight.T if is_turned else layer.weight).detach().float()
    return weight


def _dora_change(weight: torch.Tensor, up: torch.Tensor, down: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    tuned: torch.Tensor = weight + up @ down
    tuned *= (magnitude / tuned.norm(dim=1))[:, None]
    return tuned.sub_(weight)


def _truncated(change: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Its best factors (out, rank) and (rank, in)."""
    if min(change.shape) < LARGE:
        left, values, right = torch.linalg.svd(change, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            wide = min(*change.shape, rank + OVERSAMPLING)
            left, values, columns = torch.svd_lowrank(change, q=wide, niter=ITERATIONS)
        right = columns.T
    return _balanced(left, values, right, rank)


def _of_product(up: torch.Tensor, down: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same of `up @ down`, without making the product."""
    left_basis, left_rest = torch.linalg.qr(up)
    right_basis, right_rest = torch.linalg.qr(down.T)
    left, values, right = torch.linalg.svd(left_rest @ right_rest.T)
    return _balanced(left_basis @ left, values, right @ right_basis.T, rank)


def _balanced(
    left: torch.Tensor, values: torch.Tensor, right: torch.Tensor, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    # Both factors get a root of the values: neither is out of a small number format's range.
    root = values[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


def _stored(
    left: torch.Tensor, right: torch.Tensor, rank: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Filled up with zeros to the rank."""
    up, down = torch.zeros(left.shape[0], rank), torch.zeros(rank, right.shape[1])
    up[:, : left.shape[1]], down[: right.shape[0]] = left, right
    return up.to(dtype), down.to(dtype)


def _error(
    change: torch.Tensor | None, up: torch.Tensor, down: torch.Tensor, left: torch.Tensor, right: torch.Tensor
) -> tuple[float, float]:
    """Squared norms of what is lost and of the whole."""
    whole = up @ down if change is None else change
    return float((whole - left @ right).square().sum()), float(whole.square().sum())


def _share(lost: float, whole: float) -> float:
    return round(math.sqrt(lost / whole), WRITTEN_DIGITS) if whole else 0.0


def _save(target: Path, tensors: Tensors, config: Mapping[str, Any], rank: int) -> None:
    plain = {
        "r": rank,
        "lora_alpha": rank,
        "use_dora": False,
        "use_rslora": False,
        "bias": "none",
        "rank_pattern": {},
        "alpha_pattern": {},
        "init_lora_weights": True,
    }
    save_file({name: each.contiguous() for name, each in tensors.items()}, target / WEIGHTS, {"format": "pt"})
    (target / CONFIG).write_text(json.dumps({**config, **plain}, indent=2, sort_keys=True), encoding="utf-8")
