"""Base models and tokenizers, from a folder or the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest
from core.types.adapters import BaseModel
from tuning.dataset.types import digest
from tuning.training.methods import Method
from tuning.training.run import hashes

WINDOWS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
CONFIG = "config.json"
PATHS = ("/", ".", "~")
NOT_THE_MODEL = (".md", ".lock")


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of a model before its weights are read."""

    model: BaseModel
    config: Any
    tokenizer: Any
    parameters: int
    window: int
    """Longest prompt with its answer, in tokens."""
    stops: frozenset[int]
    """Tokens at which it stops."""


def read_base(name: str, revision: str) -> Base:
    """Raises `InvalidRequest`."""
    from transformers import AutoConfig, AutoTokenizer

    if not name:
        raise InvalidRequest("Say which model to train: --model with a folder, or with a name on the Hugging Face hub.")
    _check_folder(name)
    is_folder = Path(name).is_dir()
    further: dict[str, Any] = {} if is_folder or not revision else {"revision": revision}
    with _found(name):
        # Unless it is told not to, transformers asks whether to run programs that lie beside a model.
        config: Any = AutoConfig.from_pretrained(name, trust_remote_code=False, **further)
        tokenizer: Any = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **further)
        commit = folder_revision(Path(name)) if is_folder else str(getattr(config, "_commit_hash", "") or revision)
        stops = _stops(name, further, config, tokenizer)
    text_config = config.get_text_config()
    window = next((int(size) for each in WINDOWS if (size := getattr(text_config, each, None))), 0)
    if not window:
        raise InvalidRequest(f"{name} does not say how long its prompts may be, so it cannot be tuned here.")
    return Base(BaseModel(name, commit), config, tokenizer, count_parameters(config), window, stops)


def folder_revision(folder: Path) -> str:
    """`sha256:` and the hash of what is in it, but for hidden files and descriptions."""
    files = {
        name: found
        for name, found in hashes(folder).items()
        if not name.endswith(NOT_THE_MODEL) and not any(part.startswith(".") for part in name.split("/"))
    }
    return f"sha256:{digest(files)}"


def count_parameters(config: Any) -> int:
    """Of a model with this configuration; no weights are made."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            make: Any = AutoModelForCausalLM.from_config
            model = make(config)
    except ValueError as error:
        raise InvalidRequest(
            f"A model of the kind {config.model_type} writes no text, so it cannot be tuned."
        ) from error
    return int(model.num_parameters())


def load_model(base: BaseModel, weights: str, method: Method, precision: str) -> Any:
    """`weights`: the base's name, or the folder of a whole model that was made of it. Raises `InvalidRequest`.

    Weights that are trained are float32, whatever is computed with; frozen ones are in the precision of computing.
    """
    import torch
    from transformers import AutoModelForCausalLM

    further: dict[str, Any] = {}
    if not Path(weights).is_dir() and base.revision:
        further["revision"] = base.revision
    if method is Method.QLORA:
        further |= _four_bits()
    dtype = torch.float32 if method is Method.FULL else getattr(torch, precision)
    with _found(weights):
        return AutoModelForCausalLM.from_pretrained(
            weights, dtype=dtype, use_safetensors=True, trust_remote_code=False, **further
        )


def load_adapter(model: Any, folder: Path) -> Any:
    """The adapter of an earlier run on its model, to be trained further."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder), is_trainable=True)


def _four_bits() -> dict[str, Any]:
    """As in the paper of QLoRA: normal floats of 4 bits, their constants quantised as well."""
    import torch
    from transformers import BitsAndBytesConfig

    quantised: Any = BitsAndBytesConfig
    config = quantised(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": int(os.environ.get("LOCAL_RANK", "0"))}}


def _stops(name: str, further: dict[str, Any], config: Any, tokenizer: Any) -> frozenset[int]:
    """All that a server stops at: the generation's and the tokenizer's."""
    from transformers import GenerationConfig

    try:
        named = GenerationConfig.from_pretrained(name, **further).eos_token_id
    except OSError:
        named = config.get_text_config().eos_token_id
    several = named if isinstance(named, list) else [named]
    return frozenset(each for each in (*several, tokenizer.eos_token_id) if each is not None)


def is_for_hub(name: str) -> bool:
    """Whether it can only be a name on the hub."""
    return bool(name) and not name.startswith(PATHS) and not Path(name).is_dir()


def _check_folder(name: str) -> None:
    """Before the libraries take a folder that is not there for a name on the hub."""
    if name.startswith(PATHS) and not Path(name).is_dir():
        raise InvalidRequest(
            f"There is no folder {name}. Give the model's folder, or its name on the Hugging Face hub."
        )
    if Path(name).is_dir() and not (Path(name) / CONFIG).is_file():
        raise InvalidRequest(f"{name} holds no model: there is no {CONFIG} in it. Name the folder that has it.")


@contextmanager
def _found(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().split("\n")[0][:300]
        raise InvalidRequest(
            f"The model {name} cannot be read. It has to be a folder with a model here, or a name on the Hugging Face hub "
            f"that can be reached or was loaded before. What was said: {first}"
        ) from error
