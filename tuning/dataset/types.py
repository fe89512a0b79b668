"""Every value of a dataset: frozen, slotted, and as it is written to disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from core.types import Turn

Prompt = tuple[tuple[str, str], ...]
"""(role, content) pairs, as `core.prompts.messages` makes them."""


class Kind(StrEnum):
    """Where an example comes from."""

    DOCUMENT = "document"
    """A question made from a document, by a teacher model or by rule."""
    GOLDEN = "golden"
    """A question that a person wrote, with its answer."""
    CORRECTION = "correction"
    """What somebody said was right, about an answer that was not."""
    LIKED = "liked"
    """An answer that somebody found good."""
    UNANSWERABLE = "unanswerable"
    """A question that the passages shown do not answer."""
    FOLLOW_UP = "follow_up"
    """A question after another one about the same document, some of them understood only with it."""


class Split(StrEnum):
    """What an example is for."""

    TRAIN = "train"
    TEST = "test"


class Arrangement(StrEnum):
    """How the passages of an example came to stand where they stand."""

    AS_SERVED = "as_served"
    """In the order in which retrieval found them."""
    MOVED = "moved"
    """The passage that answers was put elsewhere among the others."""
    GOLD_LEFT_OUT = "gold_left_out"
    """The documents that answer were kept out of the search."""


@dataclass(frozen=True, slots=True)
class DocumentUse:
    """Passages of one version of one document."""

    document_id: str
    version: int
    chunk_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """What an example was made from, so that whatever has to be erased can be found again."""

    answer: tuple[DocumentUse, ...] = ()
    """What the answer rests on."""
    shown: tuple[DocumentUse, ...] = ()
    """All passages in the prompt."""
    numbered: tuple[str, ...] = ()
    """Ids of their chunks, in the order of their numbers."""
    hidden: tuple[str, ...] = ()
    """Ids of documents that answer the question and were kept out of the prompt."""
    quoted: tuple[str, ...] = ()
    """Ids of documents that earlier answers in the prompt, or a rejected answer, were made from."""
    people: tuple[str, ...] = ()
    """Who asked or judged, as `person` makes it of their stored id."""
    feedback: str = ""
    """Id of the answer that was judged."""
    golden: str = ""
    """Id of the golden question."""


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt as it is served, and the answer that it should have."""

    kind: Kind
    namespace: str
    split: Split
    prompt: Prompt
    answer: str
    """With `[n]` marks; `core.prompts.NO_ANSWER` where the passages do not answer."""
    is_answered: bool
    arrangement: Arrangement
    origin: str
    """By which rule, teacher, file or person it was made."""
    lineage: Lineage = field(default_factory=Lineage)
    masked: int = 0
    """Pieces of personal data that are masked in its passages."""

    @property
    def question(self) -> str:
        return self.prompt[-1][1]

    @property
    def hash(self) -> str:
        """Of what a model sees, 64 hexadecimal characters."""
        return digest([self.namespace, self.prompt, self.answer])


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to the same prompt, of which people found one better."""

    namespace: str
    prompt: Prompt
    chosen: str
    rejected: str
    lineage: Lineage

    @property
    def hash(self) -> str:
        return digest([self.namespace, self.prompt, self.chosen, self.rejected])


@dataclass(frozen=True, slots=True)
class Draft:
    """A question and its answer before passages were searched for."""

    kind: Kind
    namespace: str
    question: str
    answer: str
    """Without marks; empty where there is none."""
    documents: frozenset[str] = frozenset()
    """Ids of those that answer."""
    chunks: frozenset[str] = frozenset()
    """Those of their chunks that answer, where they are known."""
    spoken: tuple[str, ...] = ()
    """Short forms of the answer: where one of them stands, the question is answered."""
    history: tuple[Turn, ...] = ()
    quoted: frozenset[str] = frozenset()
    """Ids of the documents that the history's answers were made from, where they are not those that answer."""
    unseen: frozenset[str] = frozenset()
    """Ids of documents that are newer than somebody's judgement that there is no answer."""
    origin: str = ""
    is_trusted: bool = False
    """A person gave the answer, so that it may use other words than the passages."""
    people: tuple[str, ...] = ()
    feedback: str = ""
    golden: str = ""


def as_messages(prompt: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """As chat templates and OpenAI-compatible servers take it."""
    return [{"role": role, "content": content} for role, content in prompt]


def digest(value: object) -> str:
    """Of anything that JSON can write, the same on every machine."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def person(stored: str) -> str:
    """A person's stored id as a dataset names them, so that no platform's ids are in it."""
    return f"person-{hashlib.sha256(stored.encode()).hexdigest()[:24]}" if stored else ""
