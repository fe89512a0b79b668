"""`lorekeeper eval tuning`: how fast `lorekeeper tune train` trains, beside TRL's trainer used by itself.

Both train the same model on the same tokens with the same method, batches, rates and seed, from reading the model to the last
step. They take turns in one process, after one training each that warms it up and is not counted. What counts is the ratio.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tuning.training.failures import prepare_libraries
from tuning.training.methods import WAYS, Method
from tuning.training.models import load_model
from tuning.training.options import Asked
from tuning.training.prepare import Prepared, prepare
from tuning.training.train import WARM_UP, checkpointing_name, fit

OURS, PLAIN = "lorekeeper", "trl"
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Timed:
    """One training."""

    seconds: float
    processor: float
    """Seconds of all cores: without a GPU, other work on the machine changes these little."""
    loss: float
    """Of all its steps on average; the same on both sides, or they did not do the same."""


def evaluate_tuning(
    dataset: Path, model: str, report: Report, *, method: Method, runs: int, epochs: float, micro_batch: int | None
) -> dict[str, Any]:
    """One row. Nothing is held out, so that all of the time is training. Raises `LorekeeperError`."""
    prepare_libraries()
    asked = Asked(model, dataset, method=method, epochs=epochs, validation=0.0, micro_batch=micro_batch, force=True)
    prepared = prepare(asked)
    times: dict[str, list[Timed]] = {OURS: [], PLAIN: []}
    sides = {OURS: train_ours, PLAIN: train_plain}
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        for name, train in sides.items():
            train(prepared, Path(folder) / f"{name}-warm-up")
        for run in range(runs):
            # Each side is as often the first.
            for name in (OURS, PLAIN) if run % 2 == 0 else (PLAIN, OURS):
                times[name].append(_timed(sides[name], prepared, Path(folder) / f"{name}-{run}"))
                report("training", sum(map(len, times.values())), 2 * runs)
    return row(prepared, times)


def row(prepared: Prepared, times: dict[str, list[Timed]]) -> dict[str, Any]:
    """What was measured. Pure."""
    options = prepared.options
    tokens = round(sum(len(each["input_ids"]) for each in prepared.learnt.train) * options.epochs)
    ours, plain = ([tokens / each.seconds for each in times[name]] for name in (OURS, PLAIN))
    return {
        "model": Path(prepared.base.model.name).name,
        "parameters": prepared.base.parameters,
        "method": options.method.value,
        "examples": len(prepared.learnt.train),
        "tokens": tokens,
        "batch": options.batch,
        "micro_batch": options.micro_batch,
        "runs": len(ours),
        "tokens_per_second": round(median(ours), 1),
        "trl_tokens_per_second": round(median(plain), 1),
        "ratio": round(median(ours) / median(plain), 3),
        "processor_ratio": round(_processor(times[PLAIN]) / _processor(times[OURS]), 3),
        "ratios": [round(mine / theirs, 3) for mine, theirs in zip(ours, plain, strict=True)],
        "loss": round(times[OURS][0].loss, 4),
        "trl_loss": round(times[PLAIN][0].loss, 4),
    }


def train_ours(prepared: Prepared, folder: Path) -> float:
    """As `lorekeeper tune train`, with its losses, TensorBoard and progress. Returns the loss."""
    return float(fit(prepared, folder).trainer.state.log_history[-1]["train_loss"])


def train_plain(prepared: Prepared, folder: Path) -> float:
    """As TRL's documentation has it. Returns the loss."""
    import torch
    from datasets import Dataset  # type: ignore[import-untyped]
    from transformers import PrinterCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    options = prepared.options
    model = load_model(prepared.base.model, prepared.base.model.name, options.method, options.precision)
    make = WAYS[options.method].make
    configure: Any = SFTConfig
    arguments = configure(
        output_dir=str(folder),
        per_device_train_batch_size=options.micro_batch,
        gradient_accumulation_steps=options.accumulated,
        learning_rate=options.learning_rate,
        num_train_epochs=options.epochs,
        lr_scheduler_type="linear",
        warmup_steps=WARM_UP,
        seed=options.seed,
        data_seed=options.seed,
        bf16=options.precision == "bfloat16",
        max_length=None,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        **{checkpointing_name(configure): options.gradient_checkpointing},
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(list(prepared.learnt.train)),
        processing_class=prepared.base.tokenizer,
        peft_config=make(options.shape) if make else None,
    )
    trainer.remove_callback(PrinterCallback)
    return float(trainer.train().training_loss)


def _timed(train: Callable[[Prepared, Path], float], prepared: Prepared, folder: Path) -> Timed:
    import torch

    gc.collect()
    start, processor = time.perf_counter(), time.process_time()
    loss = train(prepared, folder)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return Timed(time.perf_counter() - start, time.process_time() - processor, loss)


def _processor(times: list[Timed]) -> float:
    return median(each.processor for each in times)
