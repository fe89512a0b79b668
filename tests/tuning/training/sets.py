"""Invented datasets of invented answers, as `lorekeeper tune dataset` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.prompts import NO_ANSWER
from core.types import Passage
from tests.tuning.dataset.made import example
from tuning.dataset import files
from tuning.dataset.serving import fingerprint
from tuning.dataset.types import Example, Preference, Split

TOPICS = ("Leave", "Travel", "Parking", "Coffee", "Visitors", "Laptops", "Pensions", "Training", "Bicycles", "Badges")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def made_examples(each: int = 3, topics: Sequence[str] = TOPICS) -> list[Example]:
    """`each` about every topic, each topic a document of its own; one test example besides."""
    found = []
    for topic in topics:
        for number in NUMBERS[:each]:
            passage = Passage(f"c-{topic}-{number}", f"d-{topic}", topic, f"{topic} takes {number} days.", "", 0.9)
            found.append(example(f"How long is {topic} {number}?", f"{topic} takes {number} days. [1]", (passage,)))
    return [*found, example("What is tested?", NO_ANSWER, split=Split.TEST)]


def made_pairs(examples: Sequence[Example]) -> list[Preference]:
    """The right answer against the honest no-answer."""
    return [
        Preference(each.namespace, each.prompt, each.answer, NO_ANSWER, each.lineage)
        for each in examples
        if each.split is Split.TRAIN
    ]


def write_dataset(folder: Path, examples: Sequence[Example] | None = None, *, prompt: str | None = None) -> Path:
    """With preference pairs for all training examples."""
    examples = made_examples() if examples is None else examples
    rows = {
        name: files.json_lines(files.example_row(each) for each in examples if each.split is split)
        for name, split in ((files.TRAIN, Split.TRAIN), (files.TEST, Split.TEST))
    }
    pairs = made_pairs(examples)
    rows[files.PREFERENCES] = files.json_lines(map(files.preference_row, pairs))
    rows[files.CARD] = "# Data card\n"
    index = files.lineage_index(examples, pairs)
    rows[files.MANIFEST] = files.manifest(rows, {}, fingerprint() if prompt is None else prompt, index)
    files.write_folder(folder, rows)
    return folder


def renamed(one: Example, namespace: str) -> Example:
    """The same in another namespace."""
    return replace(one, namespace=namespace)
