"""An adapter and its base model as one model, in the precision of the base model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from core.errors import InvalidRequest
from core.types.adapters import BaseModel
from tuning.registry.compare import load_base, load_tokenizer

OUTER = ("embed_tokens", "lm_head", "wte")
BIGGEST_FILE = "5GB"


def merge(base: BaseModel, trained: Path, config: Mapping[str, Any], target: Path) -> None:
    """Write the whole model and its tokenizer. Raises `NotImplementedError` for what PEFT cannot merge, and `InvalidRequest`."""
    model = load_base(base)
    if _touches_embeddings(config) and not config.get("ensure_weight_tying"):
        _untie(model)
    try:
        tuned = PeftModel.from_pretrained(model, str(trained))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"The adapter in {trained} does not fit the model {base.name}: {error}") from error
    try:
        merged: Any = tuned.merge_and_unload(safe_merge=True)
    except (AttributeError, RuntimeError, ValueError) as error:
        raise NotImplementedError(str(error)) from error
    merged.save_pretrained(target, max_shard_size=BIGGEST_FILE)
    load_tokenizer(base, trained).save_pretrained(target)


def _touches_embeddings(config: Mapping[str, Any]) -> bool:
    named = (config.get("target_modules") or [], config.get("modules_to_save") or [])
    text = " ".join(" ".join(each) if isinstance(each, list) else str(each) for each in named)
    return bool(config.get("trainable_token_indices")) or any(name in text for name in OUTER)


def _untie(model: Any) -> None:
    """A change of one of two layers that share a weight would be a change of both."""
    if not model.config.tie_word_embeddings:
        return
    model.config.tie_word_embeddings = False
    model.get_output_embeddings().weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone())
