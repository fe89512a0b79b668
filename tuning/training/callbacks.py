"""What happens between the steps of a training: losses are written, checkpoints kept, people told, and it can be stopped.

Imports transformers; import it only where a training begins.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tuning.dataset.files import write_text
from tuning.training.plots import read_losses
from tuning.training.progress import Show, Standing, seconds_left
from tuning.training.resume import Checkpoint, complete, keep_last
from tuning.training.run import CHECKPOINTS, LOSSES, TENSORBOARD

Report = Callable[[int, float], bool]
"""Told the step and the validation loss; False ends the training."""
KEPT = {
    "loss": "loss",
    "eval_loss": "validation_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "mean_token_accuracy": "token_accuracy",
    "eval_mean_token_accuracy": "validation_token_accuracy",
    "rewards/accuracies": "preferred",
    "rewards/margins": "margin",
    "eval_rewards/accuracies": "validation_preferred",
    "num_tokens": "tokens",
}
"""What of the trainer's figures is written, and how it is called."""


class Stopping:
    """Set by the first Ctrl-C or SIGTERM; the second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.is_asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._asked) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked(self, number: int, frame: object) -> None:
        if self.is_asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.is_asked = True


class Watch(TrainerCallback):
    """Writes only in the main process; all processes save and stop at the same step."""

    def __init__(
        self,
        folder: Path,
        begun: Checkpoint | None,
        *,
        is_main: bool,
        processes: int,
        stopping: Stopping,
        show: Show,
        report: Report | None,
        save_steps: int,
        save_seconds: float,
    ) -> None:
        self.seconds = begun.seconds if begun else 0.0
        """Trained, without evaluations and checkpoints."""
        self.tokens = 0
        self.validation_loss: float | None = None
        """The last one."""
        self.is_stopped = False
        """By a person, or by `report`."""
        self._folder = folder
        self._begun_at = begun.step if begun else 0
        self._is_main = is_main
        self._processes = processes
        self._stopping = stopping
        self._show = show
        self._report = report
        self._save_steps = save_steps
        self._save_seconds = save_seconds
        self._saved_at = time.monotonic()
        self._step_begun = 0.0
        self._session_seconds = 0.0
        self._tokens_before = 0
        self._is_refused = False
        self._validated_at = 0
        self._latest: dict[str, float] = {}
        self._writer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **further: Any) -> None:
        if not self._is_main:
            return
        from torch.utils.tensorboard import SummaryWriter

        path = self._folder / LOSSES
        rows = [row for row in read_losses(path) if row["step"] <= self._begun_at]
        self._tokens_before = self.tokens = int(max((row.get("tokens", 0) for row in rows), default=0))
        write_text(path, "".join(f"{json.dumps(row)}\n" for row in rows))
        # What a process wrote after its last checkpoint before it was killed is hidden.
        make: Any = SummaryWriter
        self._writer = make(str(self._folder / TENSORBOARD), purge_step=self._begun_at + 1)

    def on_step_begin(self, args: Any, state: Any, control: Any, **further: Any) -> None:
        self._step_begun = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **further: Any) -> None:
        now = time.monotonic()
        self.seconds += now - self._step_begun
        self._session_seconds += now - self._step_begun
        wants_save = state.global_step % self._save_steps == 0 or now - self._saved_at >= self._save_seconds
        saves, stops, refused = self._agreed(wants_save, self._stopping.is_asked, self._is_refused)
        if stops or refused:
            self.is_stopped = True
            control.should_training_stop = True
        # One that was refused is not gone on with.
        control.should_save = (saves or stops) and not refused and state.global_step < state.max_steps
        self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **further: Any) -> None:
        row = {KEPT[name]: value for name, value in (logs or {}).items() if name in KEPT}
        if "tokens" in row:
            # The trainer counts from where this process began.
            self.tokens = self._tokens_before + int(row["tokens"])
            row["tokens"] = self.tokens
        if not self._is_main or not {"loss", "validation_loss"} & row.keys():
            return
        self._latest |= row
        row = {"step": state.global_step, **row}
        with (self._folder / LOSSES).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(row)}\n")
        for name, value in row.items():
            if name not in ("step", "tokens"):
                self._writer.add_scalar(name, value, state.global_step)
        self._writer.flush()
        self._tell(state)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **further: Any
    ) -> None:
        if not metrics or "eval_loss" not in metrics:
            return
        self.validation_loss, self._validated_at = metrics["eval_loss"], state.global_step
        if self._report:
            self._is_refused = not self._report(state.global_step, metrics["eval_loss"])
            if self._is_refused and self._processes == 1:
                self.is_stopped = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **further: Any) -> None:
        if self._processes > 1:
            # Every process has a file in it.
            import torch

            torch.distributed.barrier()
        if self._is_main:
            checkpoints = self._folder / CHECKPOINTS
            complete(checkpoints / f"checkpoint-{state.global_step}", self.seconds)
            keep_last(checkpoints)
        self._saved_at = time.monotonic()

    def validate_last(self, trainer: Any) -> None:
        """After the last step, unless that was just done; then nothing more is written."""
        if not self.is_stopped and trainer.eval_dataset is not None and self._validated_at < trainer.state.global_step:
            trainer.evaluate()
        if self._writer:
            self._writer.close()

    def _agreed(self, *wishes: bool) -> list[bool]:
        """What any of the processes wants."""
        if self._processes == 1:
            return list(wishes)
        import torch

        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        votes = torch.tensor([float(wish) for wish in wishes], device=device)
        torch.distributed.all_reduce(votes, op=torch.distributed.ReduceOp.MAX)
        return [bool(vote) for vote in votes.tolist()]

    def _tell(self, state: Any) -> None:
        if not self._is_main:
            return
        left = seconds_left(state.global_step, state.max_steps, self._begun_at, self._session_seconds)
        self._show(
            Standing(
                state.global_step, state.max_steps, self._latest.get("loss"), self._latest.get("validation_loss"), left
            )
        )
