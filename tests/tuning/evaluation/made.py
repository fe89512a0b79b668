"""Invented data sets, runs and models for evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.prompts import NO_ANSWER
from core.types import Passage
from core.types.adapters import BaseModel, Form
from tests.tuning.dataset.made import LEAVE, PARKING, TRAVEL, example
from tuning.dataset import files
from tuning.dataset.types import Example, Kind, Prompt, Split
from tuning.evaluation.questions import HeldOut, question
from tuning.evaluation.types import Likelihood, Reply
from tuning.training.run import DATASET, SERVED, DatasetUsed, Run, Stage, State, write_run

RIGHT = "Annual leave accrues at 13 days per year. [1]"
PROMPT = "fingerprint"
BASE = BaseModel("lore", "1")
ANSWER_TOKENS = 24
WORDS = ("holiday", "leave", "vacation", "free days", "time off", "days off", "annual leave", "paid leave")


def about_leave(count: int = 40, *, unanswerable: int = 10) -> list[Example]:
    """About leave; the first ones are answered by the passages, the rest are not."""
    found = []
    for number in range(count):
        is_answered = number < count - unanswerable
        passages: Sequence[Passage] = (LEAVE, TRAVEL) if is_answered else (PARKING, TRAVEL)
        asked = f"How much {WORDS[number % len(WORDS)]} has employee {number}?"
        kind = Kind.DOCUMENT if is_answered else Kind.UNANSWERABLE
        answer = RIGHT if is_answered else NO_ANSWER
        found.append(example(asked, answer, passages, split=Split.TEST, kind=kind))
    return found


def train_examples() -> list[Example]:
    """About other documents."""
    return [
        example(
            "Who approves travel?", "Travel to conferences needs the approval of a manager. [1]", (TRAVEL, PARKING)
        ),
        example("When does the car park close?", "The car park closes at nine in the evening. [1]", (PARKING, TRAVEL)),
        example("Is there a yacht?", NO_ANSWER, (TRAVEL, PARKING), kind=Kind.UNANSWERABLE),
    ]


def write_dataset(folder: Path, examples: Sequence[Example], prompt: str = PROMPT) -> Path:
    """As the command writes it, with short answers."""
    rows = {
        name: files.json_lines(files.example_row(each) for each in examples if each.split is split)
        for name, split in ((files.TRAIN, Split.TRAIN), (files.TEST, Split.TEST))
    }
    rows[files.PREFERENCES] = ""
    rows[files.CARD] = "# Data card\n"
    index = files.lineage_index(examples, [])
    made_with = {"max_tokens": ANSWER_TOKENS}
    files.write_folder(folder, rows | {files.MANIFEST: files.manifest(rows, made_with, prompt, index)})
    return folder


def write_finished_run(
    folder: Path, dataset: Path, base: BaseModel = BASE, form: Form = Form.ADAPTER, **changes: Any
) -> Path:
    """With something to be served, and the data set's manifest."""
    (folder / SERVED).mkdir(parents=True)
    (folder / SERVED / "adapter_config.json").write_text("{}")
    (folder / DATASET).mkdir()
    (folder / DATASET / files.MANIFEST).write_bytes((dataset / files.MANIFEST).read_bytes())
    manifest = files.read_manifest(dataset)
    used = DatasetUsed(manifest["hash"], manifest["prompt_fingerprint"])
    values: dict[str, Any] = {"state": State.FINISHED, "preflight": {"form": form.value}} | changes
    write_run(folder, Run(stage=Stage.SFT, method="lora", base=base, dataset=used, template="t", **values))
    return folder


def held_out_of(examples: Sequence[Example]) -> HeldOut:
    """As it is read from a folder."""
    return HeldOut(tuple(map(question, examples)), tuple(train_examples()), "hash", ANSWER_TOKENS)


Says = Callable[[Prompt], str]


@dataclass
class FakeModels:
    """Says what it is told to; counts what it is asked."""

    base: Says
    adapter: Says
    likely: tuple[float, float] | None = None
    """Logarithms of the probability of each token, of base and adapter."""
    window: int = 2000
    name: str = "fake"
    dies_after: int = -1
    asked: list[Prompt] = field(default_factory=list)

    def count(self, prompt: Prompt) -> int:
        return sum(len(text.split()) for _, text in prompt)

    def answers(self, prompts: Sequence[Prompt], most_tokens: int, *, tuned: bool) -> Iterator[tuple[int, Reply]]:
        says = self.adapter if tuned else self.base
        for place, prompt in reversed(list(enumerate(prompts))):
            if len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            self.asked.append(prompt)
            text = " ".join(says(prompt).split()[:most_tokens])
            yield place, Reply(text, 0.5, len(text.split()))

    def likelihoods(
        self, asked: Sequence[tuple[Prompt, str]], *, tuned: bool
    ) -> Iterator[tuple[int, Likelihood | None]]:
        for place, (_, text) in enumerate(asked):
            count = len(text.split())
            yield place, Likelihood(self.likely[tuned] * count, count) if self.likely else None


def knows(prompt: Prompt) -> str:
    """Answers about leave where the passages do, and nothing else."""
    return RIGHT if LEAVE.text in "\n".join(text for _, text in prompt) else NO_ANSWER


def guesses(prompt: Prompt) -> str:
    """Always the same, whatever is asked."""
    return "Travel to conferences needs the approval of a manager. [2]"
