"""Invented passages, prompts and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.prompts import NO_ANSWER, messages
from core.types import GenerationRequest, Passage, Turn
from tuning.dataset.building import uses
from tuning.dataset.types import Arrangement, Example, Kind, Lineage, Prompt, Split

LEAVE = Passage(
    "c-leave", "d-leave", "Leave", "Annual leave accrues at 13 days per year.", "", 0.9, ("Annual leave",), 7
)
TRAVEL = Passage("c-travel", "d-travel", "Travel", "Travel to conferences needs the approval of a manager.", "", 0.5)
PARKING = Passage("c-parking", "d-parking", "Parking", "The car park closes at nine in the evening.", "", 0.4)


def words(text: str) -> int:
    """Tokens, for tests."""
    return len(text.split())


def prompt(
    question: str = "How much leave?", passages: Sequence[Passage] = (LEAVE, TRAVEL), history: tuple[Turn, ...] = ()
) -> Prompt:
    """As the product lays it out."""
    return tuple(messages(GenerationRequest(question, question, tuple(passages), history), 2000, words))


def example(
    question: str = "How much leave?",
    answer: str = "Annual leave accrues at 13 days per year. [1]",
    passages: Sequence[Passage] = (LEAVE, TRAVEL),
    *,
    split: Split = Split.TRAIN,
    kind: Kind = Kind.DOCUMENT,
    namespace: str = "default",
    people: tuple[str, ...] = (),
) -> Example:
    """One whose answer, if it is one, rests on the first passage."""
    is_answered = answer != NO_ANSWER
    lineage = Lineage(
        uses(passages[:1]) if is_answered else (),
        uses(passages),
        tuple(each.chunk_id for each in passages),
        people=people,
    )
    asked = prompt(question, passages)
    return Example(kind, namespace, split, asked, answer, is_answered, Arrangement.AS_SERVED, "rule", lineage)


def passages(document: str, *texts: str) -> list[Passage]:
    """Those of one document."""
    return [
        replace(LEAVE, chunk_id=f"{document}-{number}", document_id=document, title=document, text=text)
        for number, text in enumerate(texts)
    ]
