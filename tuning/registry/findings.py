"""What stands between what was trained and vLLM 0.32. Reads names and shapes only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest

CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
# These initial values leave the model's own weights as they were; PEFT's others change them, so vLLM refuses them.
PLAIN_STARTS = frozenset({"gaussian", "eva", "orthogonal", "mica", "lora_ga"})
# What goes into the model's input instead of its weights.
PROMPTS = {
    "PROMPT_TUNING": "prompt tuning",
    "MULTITASK_PROMPT_TUNING": "multitask prompt tuning",
    "P_TUNING": "P-tuning",
    "PREFIX_TUNING": "prefix tuning",
    "ADAPTION_PROMPT": "adaption prompts",
    "CARTRIDGE": "cartridges",
    "CPT": "context-aware prompt tuning",
}
# Their effect is no fixed change of weights.
NEVER = {
    "alora_invocation_tokens": "an activated LoRA (aLoRA), which works from a certain token on",
    "layer_replication": "replicated layers, which the model does not have",
    "arrow_config": "routing between several adapters (Arrow)",
}
# vLLM reads none of these, or refuses them; PEFT can merge them.
MERGED_ONLY = {
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
    "target_parameters": "LoRA of single parameters (experts)",
    "trainable_token_indices": "trained tokens",
    "kasa_config": "KaSA",
    "velora_config": "VeLoRA",
    "monteclora_config": "MonteCLoRA",
}
Shapes = Mapping[str, tuple[int, ...]]


class Way(StrEnum):
    """From what was trained to what is served."""

    COPY = "copy"
    REWRITE = "rewrite"
    """The same weights, laid out so that every server reads them alike."""
    CONVERT = "convert"
    """A plain LoRA that is nearly the same."""
    MERGE = "merge"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What stands between an adapter and vLLM, and the least that helps."""

    way: Way
    problems: tuple[str, ...] = ()
    rank: int = 0
    """The highest of its layers; 0 where the form has none."""


def inspect(config: Mapping[str, Any], shapes: Shapes, max_rank: int) -> Finding:
    """What vLLM 0.32 would refuse or read otherwise in an adapter of this configuration and these weights. Pure."""
    if never := _never(config, shapes):
        return Finding(Way.NOTHING, tuple(never))
    if merged := _only_merged(config, shapes):
        return Finding(Way.MERGE, tuple(merged))
    rank = max(_ranks(shapes))
    if converted := _converted(config, rank, max_rank):
        return Finding(Way.CONVERT, tuple(converted), rank)
    rewritten = _rewritten(config)
    return Finding(Way.REWRITE if rewritten else Way.COPY, tuple(rewritten), rank)


def read_config(folder: Path) -> dict[str, Any]:
    """PEFT's of an adapter. Raises `InvalidRequest`."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        whole = list(config.get("modules_to_save") or ())
        return {**config, "peft_type": str(config["peft_type"]), "modules_to_save": whole or None}
    except (OSError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InvalidRequest(
            f"{folder / CONFIG} is not the configuration of an adapter. Save it again with PEFT."
        ) from error


def read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Of an adapter's weights by their names, without reading them. Raises `InvalidRequest`."""
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    if not path.is_file():
        if (folder / PICKLE).is_file():
            raise InvalidRequest(
                f"{folder / PICKLE} is not read: such files can run programs. Save the adapter again as safetensors, "
                "with PEFT: save_pretrained(…, safe_serialization=True)."
            )
        raise InvalidRequest(f"{folder} has no {WEIGHTS}. Train again, or name a folder that PEFT has saved.")
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InvalidRequest(f"{path} is damaged. Train again, or copy it again.") from error
    if empty := [name for name, shape in shapes.items() if 0 in (shape or (0,))]:
        raise InvalidRequest(f"{path} is damaged: {empty[0]!r} is no matrix. Train again, or copy it again.")
    return shapes


def _never(config: Mapping[str, Any], shapes: Shapes) -> list[str]:
    if kind := PROMPTS.get(config["peft_type"]):
        return [f"vLLM cannot serve {kind}, and it cannot be merged. Train a LoRA, DoRA or IA³ instead."]
    if config["peft_type"] == "LORA" and not _ranks(shapes) and not config.get("modules_to_save"):
        return ["There are no LoRA weights in it."]
    return [f"vLLM cannot serve {what}, and it cannot be merged." for key, what in NEVER.items() if config.get(key)]


def _only_merged(config: Mapping[str, Any], shapes: Shapes) -> list[str]:
    if config["peft_type"] != "LORA":
        return [f"vLLM loads LoRA adapters only, and this is {_called(config['peft_type'])}."]
    found = [f"vLLM does not serve {what}." for key, what in MERGED_ONLY.items() if config.get(key)]
    if whole := config.get("modules_to_save"):
        found.append(f"vLLM does not load whole modules (modules_to_save: {', '.join(map(str, whole))}).")
    if config.get("lora_bias") or any(name.endswith((".bias", "lora_B.bias")) for name in shapes):
        found.append("vLLM does not load a bias.")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower() not in PLAIN_STARTS:
        found.append(
            f"It starts from changed weights of the model (init_lora_weights: {start}), which vLLM does not have."
        )
    outer = sorted({part for name in shapes for part in name.split(".") if part in ("embed_tokens", "lm_head", "wte")})
    if any(".lora_embedding_" in name for name in shapes) or outer:
        # A model with tied embeddings would get the change in one place only, and without a message.
        found.append(f"Not every model that vLLM serves takes a LoRA of {' and '.join(outer) or 'embeddings'}.")
    known = (".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector", ".bias")
    if not found and (odd := [name for name in shapes if not name.endswith(known)]):
        found.append(f"vLLM does not know its weights {odd[0]!r}.")
    return found


def _converted(config: Mapping[str, Any], rank: int, max_rank: int) -> list[str]:
    found = ["vLLM does not load DoRA."] if config.get("use_dora") else []
    if rank > max_rank:
        found.append(f"Its rank {rank} is over the server's maximum {max_rank} (vLLM: --max-lora-rank).")
    return found


def _rewritten(config: Mapping[str, Any]) -> list[str]:
    found = []
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        found.append("Its layers have ranks or scales of their own, which not every vLLM reads.")
    if config.get("bias", "none") != "none":
        found.append("It is marked as having a bias and has none.")
    return found


def _ranks(shapes: Shapes) -> list[int]:
    return [shape[0] for name, shape in shapes.items() if name.endswith((".lora_A.weight", ".lora_embedding_A"))]


def _called(kind: str) -> str:
    return {"IA3": "IA³"}.get(kind, kind)
