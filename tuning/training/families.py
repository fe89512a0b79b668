"""What to begin with, by family of models. Pure; each figure with where it is from, or that it is a choice of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SMOLLM2_TOKENS = 49152
"""SmolLM2 is built as Llama is; the size of its vocabulary tells it."""


@dataclass(frozen=True, slots=True)
class Family:
    """Defaults for all methods that train matrices; the others' learning rates are their own.

    rank 16, all linear layers: all-linear is what made LoRA equal full fine-tuning (Dettmers et al. 2023, Schulman et al.
    2025), and 16 is the highest rank that vLLM takes unless it is told otherwise.
    alpha 32: "LoRA Without Regret" (Schulman et al. 2025). dropout 0.05: Google's guide to Gemma.
    learning rate 2e-4: QLoRA for models up to 13 billion parameters, and TRL's guide to LoRA.
    epochs 3: Google's guide; data sets here are a few thousand examples at most.
    batch_tokens 16384: our choice, about 16 examples with their passages; LoRA suffers from large batches (Schulman et al.).
    """

    name: str
    types: tuple[str, ...] = ()
    """`model_type` of their configurations."""
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    epochs: float = 3
    batch_tokens: int = 16384
    virtual_tokens: int = 20
    """PEFT's guide to prefix tuning."""


GENERAL = Family("general")
SMOLLM2 = Family("SmolLM2", learning_rate=3e-4)
"""The alignment handbook trains all weights of the 1.7 billion with 3e-4 and of the smaller ones with 1e-3. Our choice for
adapters is the lower one for all of them."""
FAMILIES = (
    SMOLLM2,
    # Google, "Fine-Tune Gemma using Hugging Face Transformers and QloRA": rank and alpha 16, dropout 0.05, 2e-4, 3 epochs.
    Family("Gemma", ("gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma3n_text", "gemma4", "gemma4_text"), alpha=16),
    # 3e-4: examples/sft/finetune.sh of Qwen2.5, with and without LoRA.
    Family("Qwen", ("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_5", "qwen3_5_text"), learning_rate=3e-4),
    # 3e-4, alpha twice the rank: torchtune's llama3/8B_lora_single_device.yaml.
    Family("Llama", ("llama",), learning_rate=3e-4),
    # Rank 16, alpha 32, dropout 0.05, all linear: Microsoft's sample_finetune.py. Its 5e-6 is for 200,000 conversations; ours
    # are far fewer, so that the rate is the general one.
    Family("Phi", ("phi", "phi3", "phi4_multimodal")),
)  # fmt: skip


def family_of(config: Mapping[str, Any]) -> Family:
    """By a model's configuration as a mapping."""
    kind = str(config.get("model_type", ""))
    if kind == "smollm3" or (kind == "llama" and config.get("vocab_size") == SMOLLM2_TOKENS):
        return SMOLLM2
    return next((family for family in FAMILIES if kind in family.types), GENERAL)
