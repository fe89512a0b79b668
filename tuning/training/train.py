"""From prepared examples to a trained adapter, by TRL's trainers. What else a run needs is written around them."""

from __future__ import annotations

import copy
import math
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import InvalidRequest, LorekeeperError, StorageFailed
from tuning.dataset.files import CARD, MANIFEST
from tuning.training.failures import PACKAGES, quiet, told
from tuning.training.methods import WAYS, Method
from tuning.training.models import load_adapter, load_model
from tuning.training.plots import loss_picture, read_losses
from tuning.training.prepare import Prepared, is_main, processes
from tuning.training.progress import Show, nowhere
from tuning.training.resume import Checkpoint, Start, begin, latest
from tuning.training.run import (
    ADAPTER,
    CHECKPOINTS,
    DATASET,
    EARLIER,
    LOSS_PICTURE,
    LOSSES,
    TENSORBOARD,
    Run,
    Stage,
    State,
    read_run,
    write_run,
)

if TYPE_CHECKING:
    from tuning.training.callbacks import Report

Found = TypeVar("Found")
SAVE_SECONDS = 300.0
LOGGED, EVALUATED = 200, 5
"""About how many losses are written, and how often validation happens at least."""
WARM_UP = 0.05
"""Share of the steps in which the learning rate grows; then it falls evenly. QLoRA and the alignment handbook take 0.03 to 0.1."""
LAST = 0.1
"""Share of the logged steps whose mean is the run's training loss."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came out of the trainer."""

    trainer: Any
    result: Mapping[str, Any]
    is_finished: bool
    """False: a person or `report` stopped it."""


def described(prepared: Prepared) -> Run:
    """The run before its first step."""
    return Run(
        State.RUNNING,
        prepared.options.stage,
        prepared.options.method.value,
        prepared.base.model,
        prepared.learnt.used,
        prepared.template.fingerprint,
        options=prepared.options.row(),
        versions={package: version(package) for package in PACKAGES},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def enter(folder: Path, prepared: Prepared, dataset: Path, *, again: bool = False) -> Start:
    """What there is to do in the folder; its files are laid out. One process decides for all. Raises `LorekeeperError`."""
    decided: tuple[Start | None, str] = (None, "")
    if is_main():
        try:
            decided = (_lay_out(folder, prepared, dataset, again=again), "")
        except LorekeeperError as error:
            decided = (None, error.message)
    start, problem = _from_main(decided)
    if start is None:
        raise InvalidRequest(problem)
    return start


def train(
    folder: Path,
    prepared: Prepared,
    start: Start,
    *,
    show: Show = nowhere,
    save_steps: int = sys.maxsize,
    save_seconds: float = SAVE_SECONDS,
) -> Run | None:
    """Train in a folder that was entered, and write what is left to write. None when a person stopped it.

    Raises `LorekeeperError`.
    """
    if start in (Start.SERVE, Start.NOTHING):
        return read_run(folder)
    begun = latest(folder / CHECKPOINTS) if is_main() or processes() == 1 else None
    begun = _from_main(begun)
    done = fit(prepared, folder, begun=begun, show=show, save_steps=save_steps, save_seconds=save_seconds)
    if not done.is_finished:
        return None
    with told(prepared.base.model.name, folder, ""):
        _save(done.trainer, prepared, folder)
        return _finish(folder, prepared, done) if is_main() else None


def fit(
    prepared: Prepared,
    folder: Path,
    *,
    begun: Checkpoint | None = None,
    report: Report | None = None,
    show: Show = nowhere,
    evaluations: int = EVALUATED,
    save_steps: int = sys.maxsize,
    save_seconds: float = SAVE_SECONDS,
) -> Fitted:
    """Train, with losses and checkpoints in `folder`; nothing is saved at its end.

    `report` is told the validation loss about `evaluations` times, and may stop it. Raises `LorekeeperError`.
    """
    from tuning.training.callbacks import Stopping, Watch

    options = prepared.options
    stopping = Stopping()
    watch = Watch(
        folder,
        begun,
        is_main=is_main(),
        processes=processes(),
        stopping=stopping,
        show=show,
        report=report,
        save_steps=save_steps,
        save_seconds=save_seconds,
    )
    folder.mkdir(parents=True, exist_ok=True)
    hint = (
        f"Lower --micro-batch (it is {options.micro_batch}) or --max-length (the longest example has {options.max_length} tokens), "
        "use --gradient-checkpointing or --method qlora, or take a smaller model. Then run it with --again."
    )
    with told(prepared.base.model.name, folder, hint), quiet(), stopping.listening():
        trainer = _trainer(prepared, folder, watch, evaluations)
        _count_memory()
        trainer.train(resume_from_checkpoint=str(begun.folder) if begun else None)
        watch.validate_last(trainer)
    rows = read_losses(folder / LOSSES) if is_main() else []
    result = _result(prepared, trainer, watch, rows)
    return Fitted(trainer, result, not watch.is_stopped or trainer.state.global_step >= trainer.state.max_steps)


def _lay_out(folder: Path, prepared: Prepared, dataset: Path, *, again: bool) -> Start:
    run = described(prepared)
    start = begin(folder, run, again=again)
    if start is not Start.NEW:
        return start
    try:
        (folder / DATASET).mkdir(parents=True, exist_ok=True)
        for name in (CARD, MANIFEST):
            shutil.copyfile(dataset / name, folder / DATASET / name)
        if prepared.start:
            # What the earlier run learnt from is in the weights as well.
            shutil.copytree(prepared.start / DATASET, folder / DATASET / EARLIER, dirs_exist_ok=True)
        shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
        write_run(folder, run)
    except OSError as error:
        raise StorageFailed(f"{error.filename or folder}: {error.strerror}.") from error
    return start


def _from_main(value: Found) -> Found:
    """What the first process found, in all of them."""
    if processes() == 1:
        return value
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]

    PartialState(cpu=not torch.cuda.is_available())
    shared = [value]
    torch.distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def _trainer(prepared: Prepared, folder: Path, watch: Any, evaluations: int) -> Any:
    from datasets import Dataset  # type: ignore[import-untyped]
    from transformers import PrinterCallback
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    options = prepared.options
    make: Any = DPOTrainer if options.stage is Stage.DPO else SFTTrainer
    configure: Any = DPOConfig if options.stage is Stage.DPO else SFTConfig
    arguments = _arguments(prepared, folder, evaluations)
    arguments[checkpointing_name(configure)] = options.gradient_checkpointing
    model, peft_config = _model(prepared)
    if options.stage is Stage.DPO:
        # A whole model's first probabilities are computed beforehand, so that no second copy of its weights is needed.
        arguments |= {"beta": options.beta, "precompute_ref_log_probs": options.method is Method.FULL}
    validation = Dataset.from_list(list(prepared.learnt.validation)) if prepared.validated else None
    trainer = make(
        model=model,
        args=configure(**arguments),
        train_dataset=Dataset.from_list(list(prepared.learnt.train)),
        eval_dataset=validation,
        # The trainer changes it, and it is to be saved as the model has it.
        processing_class=copy.deepcopy(prepared.base.tokenizer),
        peft_config=peft_config,
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def checkpointing_name(configure: Any) -> str:
    """Of the option of a trainer's configuration: `gradient_checkpointing` before transformers 5.23."""
    return next(
        each.name for each in fields(configure) if each.name in ("activation_checkpointing", "gradient_checkpointing")
    )


def _arguments(prepared: Prepared, folder: Path, evaluations: int) -> dict[str, Any]:
    import torch

    options = prepared.options
    has_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "per_device_train_batch_size": options.micro_batch,
        "per_device_eval_batch_size": options.micro_batch,
        "gradient_accumulation_steps": options.accumulated,
        "learning_rate": options.learning_rate,
        "num_train_epochs": options.epochs,
        "lr_scheduler_type": "linear",
        "warmup_steps": WARM_UP,
        "seed": options.seed,
        "data_seed": options.seed,
        "bf16": options.precision == "bfloat16",
        # Otherwise each of several processes on a CPU would train by itself.
        "use_cpu": options.processes > 1 and not has_gpu,
        "logging_steps": max(1, prepared.steps // LOGGED),
        "logging_first_step": True,
        "eval_strategy": "steps" if prepared.validated else "no",
        "eval_steps": max(1, math.ceil(prepared.steps / evaluations)),
        "save_strategy": "no",
        "max_length": None,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": has_gpu,
        "ddp_find_unused_parameters": False,
    }


def _model(prepared: Prepared) -> tuple[Any, Any]:
    """The model, and what PEFT is to make of it."""
    options, base = prepared.options, prepared.base.model
    weights = base.name
    if prepared.start and options.method is Method.FULL:
        weights = str(prepared.start / ADAPTER)
    model = load_model(base, weights, options.method, options.precision)
    if prepared.start and options.method is not Method.FULL:
        # The trainer keeps a frozen copy of the adapter as what it began with, beside the same weights.
        return load_adapter(model, prepared.start / ADAPTER), None
    make = WAYS[options.method].make
    return model, make(options.shape) if make else None


def _save(trainer: Any, prepared: Prepared, folder: Path) -> None:
    """All processes call it, as each may hold a part."""
    work = folder / f".{ADAPTER}.tmp"
    trainer.save_model(str(work))
    if not is_main():
        return
    shutil.rmtree(work / "ref", ignore_errors=True)
    for name in ("training_args.bin", "README.md"):
        (work / name).unlink(missing_ok=True)
    prepared.base.tokenizer.save_pretrained(str(work))
    shutil.rmtree(folder / ADAPTER, ignore_errors=True)
    work.replace(folder / ADAPTER)


def _finish(folder: Path, prepared: Prepared, done: Fitted) -> Run:
    title = f"{prepared.options.stage.value}, {prepared.options.method.value}"
    (folder / LOSS_PICTURE).write_bytes(loss_picture(read_losses(folder / LOSSES), title))
    run = replace(read_run(folder), state=State.FINISHED, result=done.result)
    write_run(folder, run)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return run


def _result(prepared: Prepared, trainer: Any, watch: Any, rows: list[dict[str, float]]) -> dict[str, Any]:
    losses = [row["loss"] for row in rows if "loss" in row]
    last = losses[-max(1, round(len(losses) * LAST)) :]
    trained = sum(each.numel() for each in trainer.model.parameters() if each.requires_grad)
    added = 0 if prepared.options.method is Method.FULL else trained
    return {
        "steps": trainer.state.global_step,
        "train_loss": sum(last) / len(last) if last else None,
        "validation_loss": watch.validation_loss,
        "examples": len(prepared.learnt.train),
        "validation_examples": prepared.validated,
        "left_out": dict(prepared.learnt.left_out),
        "learnt_by": prepared.template.masking,
        "tokens": watch.tokens,
        "seconds": round(watch.seconds, 3),
        "tokens_per_second": round(watch.tokens / watch.seconds, 1) if watch.seconds else None,
        "trained_parameters": trained,
        "total_parameters": prepared.base.parameters + added,
        "peak_memory_bytes": _peak_memory(),
        "device": str(trainer.accelerator.device.type),
    }


def _count_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_memory() -> int | None:
    """Of the GPU, or of this process since it began."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    with suppress(ImportError):  # not on Windows
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(used) if sys.platform == "darwin" else int(used) * 1024
    return None
