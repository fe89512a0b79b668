"""What a person decided about the examples of a dataset. The decisions stand beside it, and are applied when it is read.

An example is named by its hash, so decisions outlive a dataset that is made again, and never fall on another example.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from core.citations import parse_citations
from core.errors import InvalidRequest, StorageFailed
from core.prompts import NO_ANSWER
from tuning.dataset.files import REVIEW, for_owner, read_examples, read_preferences
from tuning.dataset.grounding import problem
from tuning.dataset.types import DocumentUse, Example, Lineage, Preference, digest


class Verdict(StrEnum):
    """What becomes of an example."""

    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"


@dataclass(frozen=True, slots=True)
class Decision:
    """About the example with this hash; `answer` is the new one of an edit."""

    hash: str
    verdict: Verdict
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A dataset's examples after its decisions."""

    examples: tuple[Example, ...]
    accepted: int = 0
    rejected: int = 0
    edited: int = 0
    open: int = 0
    """Nobody has decided about these; they are among the examples."""
    unverified: int = 0
    """Edits whose answer the passages do not support; these are left out."""
    preferences: tuple[Preference, ...] = ()
    """The pairs whose better answer still stands, or has been edited."""


def apply(examples: Sequence[Example], decisions: Mapping[str, Decision]) -> Reviewed:
    """Without rejected examples, and with the new answers of edited ones, checked again. Pure."""
    kept: list[Example] = []
    counted = dict.fromkeys(Verdict, 0)
    unverified = 0
    for example in examples:
        decision = decisions.get(example.hash)
        if decision is None:
            kept.append(example)
            continue
        counted[decision.verdict] += 1
        if decision.verdict is Verdict.ACCEPT:
            kept.append(example)
        elif decision.verdict is Verdict.EDIT:
            if problem(example.prompt, decision.answer):
                unverified += 1
            else:
                kept.append(edited(example, decision.answer))
    decided = sum(counted.values())
    return Reviewed(
        tuple(kept),
        counted[Verdict.ACCEPT],
        counted[Verdict.REJECT],
        counted[Verdict.EDIT],
        len(examples) - decided,
        unverified,
    )


def edited(example: Example, answer: str) -> Example:
    """With this answer, and the lineage of the passages that it names; its hash is another one."""
    chunks = {example.lineage.numbered[number - 1] for number in parse_citations(answer)}
    lineage = replace(example.lineage, answer=_uses_of(chunks, example.lineage))
    return replace(example, answer=answer, is_answered=answer != NO_ANSWER, lineage=lineage)


def reviewed(folder: Path) -> Reviewed:
    """The examples and pairs to train and test with. Raises `InvalidRequest`."""
    decisions = read_decisions(folder)
    done = apply(read_examples(folder), decisions)
    return replace(done, preferences=tuple(_preferred(read_preferences(folder), decisions)))


def _preferred(pairs: Iterable[Preference], decisions: Mapping[str, Decision]) -> Iterator[Preference]:
    """A pair's better answer is an example's, and what was decided about that holds for the pair."""
    for pair in pairs:
        decision = decisions.get(digest([pair.namespace, pair.prompt, pair.chosen]))
        if decision is None or decision.verdict is Verdict.ACCEPT:
            yield pair
        elif decision.verdict is Verdict.EDIT and _is_better(decision.answer, pair):
            yield replace(pair, chosen=decision.answer)


def _is_better(answer: str, pair: Preference) -> bool:
    return answer != pair.rejected and problem(pair.prompt, answer) is None


def read_decisions(folder: Path) -> dict[str, Decision]:
    """By the hash of the example; the last one counts. Raises `InvalidRequest` with the line that is wrong."""
    path = folder / REVIEW
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.") from error
    found: dict[str, Decision] = {}
    for number, line in enumerate(lines, start=1):
        # Without a line break at its end, it was being written when the review was killed.
        if line.strip() and number < len(lines):
            decision = _decision(line, f"{path}, line {number}")
            found[decision.hash] = decision
    return found


def keep(folder: Path, decisions: Iterable[Decision]) -> None:
    """Add them to the folder's review. Raises `StorageFailed`."""
    path = folder / REVIEW
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        torn = text.rpartition("\n")[2]
        with open(path, "r+" if path.exists() else "w", encoding="utf-8", newline="\n", opener=for_owner) as file:
            file.seek(len(text.encode()) - len(torn.encode()))
            file.truncate()
            file.writelines(json.dumps(_row(each)) + "\n" for each in decisions)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageFailed(f"{path} cannot be written: {error}.") from error


def _row(decision: Decision) -> dict[str, str]:
    row = {"hash": decision.hash, "verdict": decision.verdict.value}
    return row | {"answer": decision.answer} if decision.verdict is Verdict.EDIT else row


def _decision(line: str, where: str) -> Decision:
    try:
        row = json.loads(line)
        return Decision(str(row["hash"]), Verdict(row["verdict"]), str(row.get("answer", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{where}, is not a decision. Delete the line, or repair it.") from error


def _uses_of(chunks: set[str], lineage: Lineage) -> tuple[DocumentUse, ...]:
    found = [replace(use, chunk_ids=tuple(each for each in use.chunk_ids if each in chunks)) for use in lineage.shown]
    return tuple(use for use in found if use.chunk_ids)
