"""The examples that a training learns from: reviewed, as tokens, and some documents held out. The test split is not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest
from tuning.dataset.files import example_row, preference_row, read_manifest
from tuning.dataset.review import reviewed
from tuning.dataset.types import Lineage, Preference, Split, digest
from tuning.training.chat_template import Inexact, Messages, Template
from tuning.training.run import DatasetUsed, Stage

LEAST_TO_HOLD_OUT = 20
"""Examples, below which none are held out for validation."""
MOST_VALIDATED = 200
"""A loss of so many examples is known well enough, and takes little of the training's time."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Learnt:
    """Rows as TRL's trainers take them.

    SFT: `input_ids` and `labels`. DPO: `prompt`, `chosen` and `rejected` as messages.
    """

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    used: DatasetUsed
    hash: str
    """Of all that is learnt."""
    mean: float
    """Tokens of an example; a pair has its longer half's."""
    longest: int
    prompts: tuple[Messages, ...] = ()
    """Some, without their answers."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many, by why."""


@dataclass(frozen=True, slots=True)
class Material:
    """What stands in a dataset for one stage."""

    used: DatasetUsed
    rows: tuple[Row, ...]
    documents: tuple[frozenset[str], ...]
    """Ids of those that each row is about."""


def read_material(folder: Path, stage: Stage, *, force: bool) -> Material:
    """Raises `InvalidRequest`."""
    from tuning.dataset.serving import fingerprint

    manifest = read_manifest(folder)
    prompt = str(manifest["prompt_fingerprint"])
    if prompt != fingerprint() and not force:
        raise InvalidRequest(
            f"{folder} was made for other prompts than this version of Lorekeeper sends, so a model would learn to answer "
            "what it is never asked. Make the dataset again, or use --force."
        )
    found = reviewed(folder)
    examples = [each for each in found.examples if each.split is Split.TRAIN]
    rows: tuple[Row, ...]
    if stage is Stage.DPO:
        rows = tuple(map(_compared, found.preferences))
        documents = tuple(_about(each.lineage) for each in found.preferences)
    else:
        rows = tuple({"messages": example_row(each)["messages"]} for each in examples)
        documents = tuple(_about(each.lineage) for each in examples)
    if not rows:
        raise InvalidRequest(
            f"{folder} has no preference pairs. They come from answers that people rated 👎 and whose right answer is known."
            if stage is Stage.DPO
            else f"{folder} has no training examples, or none that its review left. Make a larger dataset."
        )
    namespaces = tuple(sorted({each.namespace for each in examples}))
    return Material(DatasetUsed(str(manifest["hash"]), prompt, namespaces, len(rows)), rows, documents)


def learnt(material: Material, template: Template, stage: Stage, most_tokens: int, share: float, seed: int) -> Learnt:
    """`most_tokens`: the longest example that is taken. `share` of them is held out by document. Raises `InvalidRequest`."""
    made = _pair if stage is Stage.DPO else _taught
    left_out: Counter[str] = Counter()
    rows: list[Row] = []
    kept: list[int] = []
    lengths: list[int] = []
    for place, row in enumerate(material.rows):
        try:
            done, length = made(row, template)
        except Inexact as error:
            left_out[str(error)] += 1
            continue
        if length > most_tokens:
            left_out[f"they are longer than {most_tokens} tokens"] += 1
            continue
        rows.append(done)
        kept.append(place)
        lengths.append(length)
    if not rows:
        raise InvalidRequest(f"No example can be learnt from: {reasons(left_out)}.")
    held = held_out([material.documents[place] for place in kept], share, seed)
    train = tuple(row for row, out in zip(rows, held, strict=True) if not out)
    validation = tuple(row for row, out in zip(rows, held, strict=True) if out)[:MOST_VALIDATED]
    return Learnt(
        train,
        validation,
        material.used,
        digest([train, validation]),
        sum(lengths) / len(lengths),
        max(lengths),
        tuple(_prompt(material.rows[place]) for place in kept[:8]),
        dict(sorted(left_out.items())),
    )


def held_out(documents: Sequence[frozenset[str]], share: float, seed: int) -> list[bool]:
    """Which examples are for validation: all those about documents that are drawn until they make up `share`.

    An example about a drawn and another document is trained on, as are those that only show a drawn document.
    """
    if len(documents) < LEAST_TO_HOLD_OUT or share <= 0:
        return [False] * len(documents)
    drawn: set[str] = set()
    held = [False] * len(documents)
    for document in sorted({each for some in documents for each in some}, key=lambda name: digest([seed, name])):
        trial = [bool(some) and some <= drawn | {document} for some in documents]
        if sum(trial) > share * len(documents) and any(held):
            break
        if sum(trial) > len(documents) // 2:
            continue
        drawn.add(document)
        held = trial
        if sum(held) >= share * len(documents):
            break
    return held


def reasons(left_out: Mapping[str, int]) -> str:
    """`3 because …, 1 because …`."""
    return ", ".join(f"{count} because {why}" for why, count in sorted(left_out.items()))


def _taught(row: Row, template: Template) -> tuple[Row, int]:
    tokens = template.tokens(row["messages"])
    return {"input_ids": tokens.ids, "labels": tokens.labels}, len(tokens.ids)


def _pair(row: Row, template: Template) -> tuple[Row, int]:
    longest = max(len(template.tokens([*row["prompt"], *row[answer]]).ids) for answer in ("chosen", "rejected"))
    return row, longest


def _compared(pair: Preference) -> Row:
    row = preference_row(pair)
    return {name: row[name] for name in ("prompt", "chosen", "rejected")}


def _about(lineage: Lineage) -> frozenset[str]:
    """An unanswerable question is about the documents that were kept out of its prompt."""
    return frozenset(use.document_id for use in lineage.answer) or frozenset(lineage.hidden)


def _prompt(row: Row) -> Messages:
    return list(row["prompt"]) if "prompt" in row else list(row["messages"][:-1])
