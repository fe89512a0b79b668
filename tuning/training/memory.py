"""How much memory a training will need, before it begins, and what to lower where that is more than there is.

The estimate counts what is in memory at the same time when the backward pass begins:
- weights, and for what is trained its gradients and AdamW's two moments in float32 (Rajbhandari et al. 2019, ZeRO, 3.1);
- activations that each layer keeps for the backward pass, counted as by Korthikanti et al. (2022, "Reducing Activation
  Recomputation", 4.1) for layers as Llama's: root-mean-square norms, a gated activation, no attention matrix;
- a tile of the logits, of which TRL never makes all (`trl.kernels.chunked_logprob`), and what the loss makes of it;
- what Python, torch and the trainer take, whatever the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuning.training.prepare import Prepared

FLOAT32, BFLOAT16 = 4.0, 2.0
FOUR_BITS = 0.53
"""NF4 with its constants quantised as well: 4.127 bits a parameter (Dettmers et al. 2023, 2)."""
STATES = 12.0
"""Of a trained parameter: its gradient and two moments."""
TILE_TOKENS, TILE_WORDS = 4096, 32768
"""TRL's tiles of the logits: tokens, and entries of the vocabulary."""
TILE_COPIES = {"cpu": 10.5, "cuda": 0.0}
"""In float32 beside the tile, as measured on a CPU; a GPU's kernel works in its place."""
PROGRAM = {"cpu": 0.6e9, "cuda": 0.6e9}
"""Python with torch, transformers and TRL; a CUDA context."""
NORMS, INPUTS, GATED = 4.0, 2.0, 4.0
"""Values that a layer keeps: of its width for both norms and for the inputs of both parts, of the inner width for the gate."""
MASK = 1.0
"""Byte of dropout's mask for each value."""
MARGIN = 1.1
"""Memory is not free to the last byte: allocators leave gaps."""
GIGABYTE = 1e9
CGROUP = Path("/sys/fs/cgroup")
MEMORY_INFORMATION = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Plan:
    """What memory depends on."""

    parameters: int
    trained: int
    """Of an adapter, or all of them."""
    layers: int
    hidden: int
    inner: int
    """Width of the feed-forward part."""
    queries: int
    """Heads times their width."""
    keys: int
    """The same of keys, and of values."""
    vocabulary: int
    micro_batch: int
    length: int
    """Tokens of the longest example."""
    device: str
    """`cpu` or `cuda`."""
    is_half: bool = False
    """Computed in bfloat16."""
    is_quantised: bool = False
    """Weights in 4 bits."""
    is_full: bool = False
    """All weights are trained."""
    is_checkpointed: bool = False
    has_dropout: bool = False
    has_magnitudes: bool = False
    """DoRA."""
    texts: int = 1
    """That are in memory for one example; 2 for DPO."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """In bytes."""

    weights: float
    states: float
    activations: float
    logits: float
    program: float

    @property
    def total(self) -> float:
        return self.weights + self.states + self.activations + self.logits + self.program


def estimate(plan: Plan) -> Estimate:
    """The highest that is used at the same time. Pure."""
    number = BFLOAT16 if plan.is_half else FLOAT32
    tokens = plan.micro_batch * plan.length * plan.texts
    stored = FOUR_BITS if plan.is_quantised else FLOAT32 if plan.is_full else number
    layer = tokens * _layer(plan, number)
    # With checkpointing, each layer keeps its input, and one layer at a time is computed again.
    layers = plan.layers * tokens * plan.hidden * number + layer if plan.is_checkpointed else plan.layers * layer
    return Estimate(
        weights=plan.parameters * stored + (0 if plan.is_full else plan.trained * FLOAT32),
        states=plan.trained * STATES,
        activations=layers,
        logits=_tile(plan, tokens, number),
        program=PROGRAM[plan.device],
    )


def _tile(plan: Plan, tokens: int, number: float) -> float:
    rows, words = min(tokens, TILE_TOKENS), min(plan.vocabulary, TILE_WORDS)
    return rows * (TILE_WORDS * number + words * TILE_COPIES[plan.device] * FLOAT32)


def _layer(plan: Plan, number: float) -> float:
    """Bytes that a layer keeps of one token."""
    # Queries and the attention's output; keys and values, which are repeated for all heads.
    attention = 4 * plan.queries
    kept = NORMS * plan.hidden + INPUTS * plan.hidden + attention + GATED * plan.inner
    adapted = 0.0
    if plan.has_dropout:
        # Each adapted linear layer has an input of its own: three and two of the hidden size, two more.
        adapted += (5 * plan.hidden + plan.queries + plan.inner) * (number + MASK)
    if plan.has_magnitudes:
        # DoRA scales both the layer's and the adapter's output.
        adapted += 2 * (plan.queries + 2 * plan.keys + 2 * plan.hidden + 2 * plan.inner) * number
    return kept * number + adapted


def plan_of(prepared: Prepared) -> Plan:
    """Of a training that is about to begin. Makes no weights."""
    import torch

    from tuning.training.methods import Method
    from tuning.training.run import Stage

    options, config = prepared.options, prepared.base.config.get_text_config()
    hidden, heads = int(config.hidden_size), int(config.num_attention_heads)
    width = int(getattr(config, "head_dim", None) or hidden // heads)
    keys = int(getattr(config, "num_key_value_heads", None) or heads)
    return Plan(
        parameters=prepared.base.parameters,
        trained=_trained(prepared),
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        inner=int(getattr(config, "intermediate_size", None) or 4 * hidden),
        queries=heads * width,
        keys=keys * width,
        vocabulary=int(config.vocab_size),
        micro_batch=options.micro_batch,
        length=options.max_length,
        device="cuda" if torch.cuda.is_available() else "cpu",
        is_half=options.precision == "bfloat16",
        is_quantised=options.method is Method.QLORA,
        is_full=options.method is Method.FULL,
        is_checkpointed=options.gradient_checkpointing,
        has_dropout=options.dropout > 0,
        has_magnitudes=options.method is Method.DORA,
        texts=2 if options.stage is Stage.DPO else 1,
    )


def notes(plan: Plan, free: int | None) -> Iterator[str]:
    """What a person should know before it begins, a sentence each. Pure. `free` in bytes; None where it is not known."""
    need = estimate(plan)
    parts = f"{_size(need.weights)} for weights, {_size(need.states)} for gradients and moments, "
    parts += f"{_size(need.activations)} for activations, {_size(need.logits)} for logits"
    known = f"; {_size(free)} are free" if free is not None else ""
    yield f"It will need about {_size(need.total)} of memory ({parts}){known}."
    if free is not None and need.total * MARGIN > free:
        yield f"That may not be enough. {_advice(plan, free)}"


def _advice(plan: Plan, free: int) -> str:
    """The least change after which it fits."""
    for flag, lower in _lower(plan):
        total = estimate(lower).total
        if total * MARGIN <= free:
            return f"With {flag} it needs about {_size(total)}."
    return "Not even --micro-batch 1 with --gradient-checkpointing fits: shorten the examples or take a smaller model."


def _lower(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Plans that need less and less; those that cost nothing first."""
    batches = [plan.micro_batch >> step for step in range(1, plan.micro_batch.bit_length())]
    for batch in batches:
        yield f"--micro-batch {batch}", replace(plan, micro_batch=batch)
    checkpointed = replace(plan, is_checkpointed=True)
    if not plan.is_checkpointed:
        for batch in [plan.micro_batch, *batches]:
            yield f"--gradient-checkpointing --micro-batch {batch}", replace(checkpointed, micro_batch=batch)
    least = replace(checkpointed, micro_batch=1)
    if plan.device == "cuda" and not plan.is_quantised and not plan.is_full:
        yield "--method qlora --gradient-checkpointing --micro-batch 1", replace(least, is_quantised=True)
    for part in (2, 4):
        length = plan.length // part
        flags = f"--gradient-checkpointing --micro-batch 1 --max-length {length}, which leaves out longer examples,"
        yield flags, replace(least, length=length)


def free_memory() -> int | None:
    """Of the GPU that is trained on, or of this machine as far as this process may use it, in bytes."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    found = [each for each in (_available(), _left_of_limit()) if each is not None]
    return min(found, default=None)


def _available() -> int | None:
    with suppress(OSError, StopIteration, ValueError):
        lines = MEMORY_INFORMATION.read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    return None


def _left_of_limit() -> int | None:
    """Of a container."""
    with suppress(OSError, ValueError):
        most, used = ((CGROUP / name).read_text(encoding="ascii") for name in ("memory.max", "memory.current"))
        return int(most) - int(used) + _reclaimable()
    return None


def _reclaimable() -> int:
    """What files that were read take of a container's limit, such as a model's: the system gives it up when it is needed."""
    with suppress(OSError, StopIteration, ValueError):
        lines = (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
    return 0


def _trained(prepared: Prepared) -> int:
    """Parameters that are trained."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from tuning.training.methods import WAYS

    options = prepared.options
    make = WAYS[options.method].make
    if make is None:
        return prepared.base.parameters
    with torch.device("meta"):
        automatic: Any = AutoModelForCausalLM
        model = automatic.from_config(prepared.base.config)
        adapted = get_peft_model(model, make(options.shape), low_cpu_mem_usage=True)
    return sum(each.numel() for each in adapted.parameters() if each.requires_grad)


def _size(count: float) -> str:
    return f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE / 10 else f"{count / 1e6:.0f} MB"
