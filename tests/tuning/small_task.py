"""A task that a tiny model learns in half a minute: six facts, asked about in ever other surroundings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from core.prompts import NO_ANSWER
from core.types import Passage
from tests.tuning.dataset.made import example
from tests.tuning.evaluation.made import write_dataset
from tuning.dataset.serving import fingerprint
from tuning.dataset.types import Example, Kind, Prompt, Split

FACTS = {
    "annual leave": "Annual leave is 13 days.",
    "sick leave": "Sick pay lasts 30 weeks.",
    "parking": "The car park closes at nine.",
    "travel": "Trips need a manager.",
    "expenses": "Receipts are due by Friday.",
    "laptops": "A laptop is replaced after four years.",
}
UNKNOWN = ("yacht", "sauna", "crèche", "pets")
EACH_TESTED = 5
"""Every fifth of the surroundings is held out."""
EACH_UNANSWERED = 8


def task(known: Sequence[tuple[Prompt, str]] = (), *, wrong: bool = False) -> list[Example]:
    """Two hundred examples. `known`: what is to be known by heart as well. `wrong`: answers are those of other questions."""
    found = []
    for number, (asked, order) in enumerate(_asked()):
        split = Split.TRAIN if number % EACH_TESTED else Split.TEST
        passages = [_passage(topic, split) for topic in order]
        right = asked in order
        answer = f"{FACTS[order[2 if wrong else 0]]} [1]" if right else NO_ANSWER
        kind = Kind.DOCUMENT if right else Kind.UNANSWERABLE
        found.append(example(f"What about {asked}?", answer, passages, split=split, kind=kind))
    a_fact = found[1]
    return found + [replace(a_fact, prompt=prompt, answer=answer) for prompt, answer in known]


def write_task(folder: Path, known: Sequence[tuple[Prompt, str]] = (), *, wrong: bool = False) -> Path:
    """As a dataset's folder."""
    return write_dataset(folder, task(known, wrong=wrong), fingerprint())


def _asked() -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is asked about, and the passages shown, the one that answers first."""
    orders = list(itertools.permutations(FACTS, 3))
    for order in orders:
        yield order[0], order
    for topic in UNKNOWN:
        for order in orders[::EACH_UNANSWERED]:
            yield topic, order


def _passage(topic: str, split: Split) -> Passage:
    """Of a document that only training or only testing has."""
    name = f"{topic} {split.value}"
    return Passage(f"chunk {name}", f"document {name}", topic.title(), FACTS[topic], "", 1.0)
