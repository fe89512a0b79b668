"""What is asked of a training, and what it is done with once the model and the examples are known. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.errors import InvalidRequest
from tuning.training.families import Family
from tuning.training.methods import WAYS, Method, Shape, is_virtual
from tuning.training.run import Stage

MICRO_TOKENS = 8192
"""At once in one device's memory, unless somebody says how many examples."""
MOST_EXAMPLES_AT_ONCE = 64
Value = TypeVar("Value")
CHECKPOINTING_FROM = 1_000_000_000
"""Parameters from which activations are computed again instead of kept, on a GPU."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for; None is the family's."""

    model: str
    """A folder, or a name on the hub. Empty where a run is continued."""
    dataset: Path
    revision: str = ""
    stage: Stage = Stage.SFT
    method: Method | None = None
    start: Path | None = None
    """The run that is continued."""
    rank: int | None = None
    alpha: int | None = None
    dropout: float | None = None
    virtual_tokens: int | None = None
    learning_rate: float | None = None
    epochs: float | None = None
    batch: int | None = None
    """Examples a step, over all devices."""
    micro_batch: int | None = None
    """Examples at once on one device."""
    max_length: int | None = None
    """Tokens of the longest example."""
    validation: float = 0.1
    """Share of the training examples that is held out by document."""
    beta: float = 0.1
    """How near DPO stays to where it began; that of its paper."""
    seed: int = 1
    gradient_checkpointing: bool | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """All that decides about what is learnt, beside model and examples."""

    stage: Stage
    method: Method
    rank: int
    alpha: int
    dropout: float
    virtual_tokens: int
    learning_rate: float
    epochs: float
    batch: int
    micro_batch: int
    max_length: int
    validation: float
    beta: float
    seed: int
    gradient_checkpointing: bool
    precision: str
    """`float32` or `bfloat16`."""
    processes: int = 1
    """That train together, each on a device of its own."""
    examples: str = ""
    """Hash of the tokens that are trained on."""
    started_from: str = ""
    """Hash of the adapter that is continued."""

    @property
    def shape(self) -> Shape:
        return Shape(self.rank, self.alpha, self.dropout, self.virtual_tokens)

    @property
    def accumulated(self) -> int:
        """Micro batches that make a step, on each device."""
        return max(1, round(self.batch / (self.micro_batch * self.processes)))

    def row(self) -> dict[str, Any]:
        """For run.json."""
        return {name: value for name, value in asdict(self).items() if value != ""}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the batches depend on."""

    examples: int
    mean: float
    """Tokens of an example."""
    longest: int
    parameters: int
    processes: int
    has_gpu: bool
    has_bfloat16: bool


def resolve(asked: Asked, method: Method, family: Family, sizes: Sizes) -> Options:
    """Every option as a value. Raises `InvalidRequest`."""
    way = WAYS[method]
    rate = way.preference_rate if asked.stage is Stage.DPO else way.learning_rate or family.learning_rate
    rank = _first(asked.rank, family.rank)
    for option, value in (("--epochs", asked.epochs), ("--learning-rate", asked.learning_rate)):
        if value == 0:
            raise InvalidRequest(f"With {option} 0 nothing is learnt. Give more than 0, or leave it out.")
    batch, micro = batches(asked, family, sizes)
    return Options(
        stage=asked.stage,
        method=method,
        rank=rank if way.has_rank else 0,
        alpha=_first(asked.alpha, _alpha(method, family)) if way.has_rank else 0,
        dropout=_first(asked.dropout, family.dropout) if way.has_rank else 0.0,
        virtual_tokens=_first(asked.virtual_tokens, family.virtual_tokens),
        learning_rate=_first(asked.learning_rate, rate),
        epochs=_first(asked.epochs, 1 if asked.stage is Stage.DPO else family.epochs),
        batch=batch,
        micro_batch=micro,
        max_length=sizes.longest,
        validation=asked.validation,
        beta=asked.beta if asked.stage is Stage.DPO else 0.0,
        seed=asked.seed,
        # PEFT cannot hand virtual keys and values to activations that are computed again.
        gradient_checkpointing=not is_virtual(method)
        and _first(asked.gradient_checkpointing, sizes.has_gpu and sizes.parameters >= CHECKPOINTING_FROM),
        precision="bfloat16" if sizes.has_bfloat16 else "float32",
        processes=sizes.processes,
    )


def batches(asked: Asked, family: Family, sizes: Sizes) -> tuple[int, int]:
    """Examples a step, and at once on a device. The first is a multiple of the second and of the processes."""
    wanted = asked.batch or max(1, min(sizes.examples, round(family.batch_tokens / sizes.mean)))
    each = max(1, wanted // sizes.processes)
    # A DPO example is two texts.
    texts = 2 if asked.stage is Stage.DPO else 1
    room = max(1, min(MOST_EXAMPLES_AT_ONCE, MICRO_TOKENS // (sizes.longest * texts)))
    micro = min(each, asked.micro_batch or room)
    accumulated = max(1, round(each / micro))
    batch = micro * accumulated * sizes.processes
    if asked.batch and batch != asked.batch:
        raise InvalidRequest(
            f"--batch {asked.batch} cannot be made of {sizes.processes} processes with {micro} examples at once. "
            f"Take {batch}, or another --micro-batch."
        )
    return batch, micro


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs, in words: `rank 8 instead of 16`."""
    names = sorted({*old, *new})
    return [
        f"{name.replace('_', ' ')} {new.get(name, 'none')} instead of {old.get(name, 'none')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _alpha(method: Method, family: Family) -> int:
    """The same for all ranks, so that another rank does not need another learning rate (Schulman et al. 2025)."""
    if method is Method.RSLORA:
        # Scaled as LoRA at the family's rank, by the root of the rank instead of the rank.
        return max(1, round(family.alpha / math.sqrt(family.rank)))
    return family.alpha


def _first(asked: Value | None, otherwise: Value) -> Value:
    return otherwise if asked is None else asked
