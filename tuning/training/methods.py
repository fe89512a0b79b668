"""How a model is tuned: what each method trains, how fast it learns, and how it can be served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from core.errors import InvalidRequest, MissingExtra

if TYPE_CHECKING:
    from peft import PeftConfig

SMALLEST_FOR_FULL = 300_000_000
"""Parameters below which full fine-tuning is known to make models worse."""
ALL_LINEAR = "all-linear"
"""All linear layers but the output layer, in PEFT's words."""


class Method(StrEnum):
    """What is trained."""

    LORA = "lora"
    """Two small matrices beside each linear layer (Hu et al. 2021)."""
    RSLORA = "rslora"
    """LoRA scaled by alpha / sqrt(rank), for high ranks (Kalajdzievski 2023)."""
    DORA = "dora"
    """LoRA for the direction of the weights, and their length beside it (Liu et al. 2024)."""
    QLORA = "qlora"
    """LoRA on a base model in 4 bits (Dettmers et al. 2023)."""
    IA3 = "ia3"
    """One factor for each key, value and inner activation (Liu et al. 2022)."""
    PROMPT = "prompt"
    """Virtual tokens before the prompt (Lester et al. 2021)."""
    PREFIX = "prefix"
    """Virtual keys and values in each layer, made by a small network (Li and Liang 2021)."""
    P_TUNING_V2 = "p-tuning-v2"
    """Virtual keys and values in each layer, trained directly (Liu et al. 2021)."""
    FULL = "full"
    """All weights."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large an adapter is."""

    rank: int
    alpha: int
    dropout: float
    virtual_tokens: int
    targets: str = ALL_LINEAR


@dataclass(frozen=True, slots=True)
class Way:
    """What is particular to a method."""

    make: Callable[[Shape], PeftConfig] | None
    """None where all weights are trained."""
    learning_rate: float | None
    """None: that of the model's family."""
    preference_rate: float
    """Learning rate of DPO."""
    serving: str = ""
    """Told before it trains, where a server cannot load what comes out as it is."""

    @property
    def has_rank(self) -> bool:
        """Whether rank, alpha and dropout mean anything."""
        return self.make in (_lora, _rslora, _dora)


def is_virtual(method: Method) -> bool:
    """Whether it trains virtual tokens instead of changing layers."""
    return method in (Method.PROMPT, Method.PREFIX, Method.P_TUNING_V2)


def check_method(method: Method, parameters: int, *, force: bool) -> None:
    """Raises `InvalidRequest` where this model or machine is not for it, and `MissingExtra`."""
    if method is Method.FULL and parameters < SMALLEST_FOR_FULL and not force:
        raise InvalidRequest(
            f"This model has {parameters / 1e6:.1f} million parameters. Training all weights of one below "
            f"{SMALLEST_FOR_FULL // 10**6} million on few examples is known to make it worse: what it learns displaces what it "
            "knew (negative transfer). Use --method lora, or --force to do it all the same."
        )
    if method is Method.QLORA:
        import torch

        if not torch.cuda.is_available():
            raise InvalidRequest("QLoRA needs a GPU with CUDA, and there is none here. Use --method lora.")
        from importlib.util import find_spec

        if find_spec("bitsandbytes") is None:
            raise MissingExtra("bitsandbytes", "qlora")


def _lora(shape: Shape, **further: Any) -> PeftConfig:
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=shape.rank,
        lora_alpha=shape.alpha,
        lora_dropout=shape.dropout,
        target_modules=shape.targets,
        bias="none",
        **further,
    )


def _rslora(shape: Shape) -> PeftConfig:
    return _lora(shape, use_rslora=True)


def _dora(shape: Shape) -> PeftConfig:
    return _lora(shape, use_dora=True)


def _ia3(shape: Shape) -> PeftConfig:
    from peft import IA3Config

    # Without target modules, PEFT takes those that it knows for the kind of model.
    return IA3Config(task_type="CAUSAL_LM")


def _prompt(shape: Shape) -> PeftConfig:
    from peft import PromptTuningConfig

    return PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=shape.virtual_tokens)


def _prefix(shape: Shape) -> PeftConfig:
    from peft import PrefixTuningConfig

    return PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=shape.virtual_tokens, prefix_projection=True)


def _p_tuning_v2(shape: Shape) -> PeftConfig:
    from peft import PrefixTuningConfig

    return PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=shape.virtual_tokens, prefix_projection=False)


_UNSERVED = "vLLM cannot serve virtual tokens: what comes out is for PEFT, and neither evaluated nor promoted here."
_ADAPTER_PREFERENCES, _FULL_PREFERENCES = 5e-6, 5e-7
"""As in TRL's trl/scripts/dpo.py, with and without LoRA. Of the other methods, a tenth of their own rate: our choice."""

WAYS: Mapping[Method, Way] = {
    Method.LORA: Way(_lora, None, _ADAPTER_PREFERENCES),
    Method.RSLORA: Way(_rslora, None, _ADAPTER_PREFERENCES),
    Method.DORA: Way(
        _dora,
        None,
        _ADAPTER_PREFERENCES,
        "vLLM does not load DoRA: it will be converted to a plain LoRA and compared, or merged into the base model.",
    ),
    Method.QLORA: Way(_lora, None, _ADAPTER_PREFERENCES),
    # 3e-3: T-Few's recipe in the paper of (IA)³, there with Adafactor.
    Method.IA3: Way(
        _ia3,
        3e-3,
        3e-4,
        "vLLM does not load (IA)³: it will be merged into the base model and needs a server of its own.",
    ),
    # 3e-2, 1e-2: PEFT's guides to prompt and prefix tuning; 5e-3: run_squad_roberta.sh beside the paper of P-tuning v2.
    Method.PROMPT: Way(_prompt, 3e-2, 3e-3, _UNSERVED),
    Method.PREFIX: Way(_prefix, 1e-2, 1e-3, _UNSERVED),
    Method.P_TUNING_V2: Way(_p_tuning_v2, 5e-3, 5e-4, _UNSERVED),
    # A tenth of LoRA's, as "LoRA Without Regret" (Schulman et al. 2025) measured.
    Method.FULL: Way(None, 2e-5, _FULL_PREFERENCES, "All weights are trained: the model needs a server of its own."),
}
