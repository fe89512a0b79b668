"""A question on its way to its answer, and what a channel sees meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from core.types.documents import page_word

DEFAULT_NAMESPACE = "default"


class Outcome(StrEnum):
    """How a question ended. Every question ends in exactly one of these."""

    ANSWERED = "answered"
    """The text answers from the documents, and every claim in it is cited."""
    NO_EVIDENCE = "no_evidence"
    """The documents do not answer this; `Answer.nearest` names the closest ones."""
    EMPTY_INDEX = "empty_index"
    """There is nothing searchable in this namespace (yet)."""
    INVALID_QUESTION = "invalid_question"
    """The text is not a question that can be looked up: empty, only symbols, or far too long."""
    FAILED = "failed"
    """Something of ours broke; the text carries a reference id and the log the cause."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel adapter makes of a platform's event, before anything is decided about it."""

    id: str
    channel: str
    """The adapter's name: slack, discord, web, terminal, …"""
    conversation: str
    """The platform's id of the place (channel or direct message), never its name."""
    author: str
    text: str
    thread: str | None = None
    addressed: bool = False
    """Mentioned by name, sent privately, or asked by command."""
    from_bot: bool = False
    namespace: str | None = None
    """Set only where the platform says it (an API call, a command's option)."""
    readers: frozenset[str] = frozenset()
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be searched: one namespace, with the eyes of these readers (principal ids)."""

    namespace: str = DEFAULT_NAMESPACE
    readers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """A message that the router decided to answer."""

    id: str
    text: str
    scope: Scope = Scope()
    history: tuple[Turn, ...] = ()
    thread: str | None = None
    asker: str = ""
    """Whose thread it is, where threads of several people or programs may have the same name."""
    is_first: bool = False
    """The thread begins with it, so nobody needs to look for what came before."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of one index: larger scores are better; cosine for dense, BM25 for lexical."""

    chunk_id: str
    score: float


@dataclass(frozen=True, slots=True)
class WordHits:
    """What a word index knows of a query: its best chunks, and how common its stems are in the namespace."""

    hits: tuple[Hit, ...] = ()
    frequencies: Mapping[str, int] = field(default_factory=dict)
    """In how many chunks each of the query's stems occurs, in the query's order."""
    chunks: int = 0
    """How many there are in all."""


@dataclass(frozen=True, slots=True)
class Stems:
    """A chunk's words in reading order, as the word index knows them, by where they stand."""

    title: Sequence[str] = ()
    """Of the document, with its keywords."""
    headings: Sequence[str] = ()
    body: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found, with all that a citation needs."""

    chunk_id: str
    document_id: str
    title: str
    text: str
    context: str
    """The parent section's text around the chunk; equals `text` when the section is the chunk."""
    score: float
    headings: tuple[str, ...] = ()
    page: int | None = None
    url: str | None = None
    dense: float | None = None
    """Cosine similarity of question and chunk, when the dense index returned it."""
    lexical: float | None = None
    """BM25 of question and chunk, when they have words in common."""
    keywords: str = ""
    """The document's own, which are searched and never shown."""
    media_type: str = ""
    """The document's."""
    version: int = 1
    """The document's."""

    @property
    def locator(self) -> str:
        """Where in the document: `page 12`, `Benefits › Vacation`, or both; empty when neither is known."""
        path = " › ".join(self.headings)
        page = f"{page_word(self.media_type)} {self.page}" if self.page is not None else ""
        return ", ".join(part for part in (page, path) if part)


@dataclass(frozen=True, slots=True)
class Signals:
    """What retrieval knows about how well it did; abstention is decided on these and nothing else."""

    top_dense: float = 0.0
    """Cosine similarity of the best chunk, -1 to 1."""
    top_sentence: float = 0.0
    """Cosine similarity of the sentence in the best passages that is nearest to the question, -1 to 1; of those looked at."""
    coverage: float = 0.0
    """Share (0 to 1, weighted by rarity) of the question's words that the passage with most of them holds."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The passages for a query, best first."""

    query: str
    passages: tuple[Passage, ...]
    rarity: Mapping[str, float] = field(default_factory=dict)
    """Inverse document frequency of the query's stems in the namespace."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Everything a generator may use. Passages are numbered from 1 in the order given."""

    question: str
    standalone: str
    passages: tuple[Passage, ...]
    history: tuple[Turn, ...] = ()
    instructions: str = ""
    """The namespace's own additions to the system prompt."""


@dataclass(frozen=True, slots=True)
class Citation:
    """One numbered source of an answer."""

    number: int
    title: str
    locator: str
    quote: str
    document_id: str
    url: str | None = None
    chunk_id: str = ""
    page: int | None = None
    version: int = 1
    """Of the document."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a question ended, as every channel renders it."""

    id: str
    outcome: Outcome
    text: str
    citations: tuple[Citation, ...] = ()
    nearest: tuple[Citation, ...] = ()
    """With `no_evidence`: the closest passages, so that a person can look for themselves."""
    namespace: str = DEFAULT_NAMESPACE
    thread: str | None = None
    standalone: str = ""
    """The query that was looked up, after the history was folded in."""
    generator: str = ""
    notice: str | None = None
    """For a person, when the answer was made in a lesser way than configured."""
    why: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Why an answer is what it is: shown by `ask --why`, never to other people than the asker."""

    signals: Signals
    confidence: float
    threshold: float
    passages: tuple[Passage, ...]
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    """Time by stage."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question of a thread with its answer, as it was recorded; the answer's receipt is not kept."""

    question: str
    asked_at: datetime
    answer: Answer


class Thumb(StrEnum):
    """What somebody thinks of an answer."""

    UP = "up"
    DOWN = "down"


class Reason(StrEnum):
    """Why an answer was not good."""

    WRONG = "wrong"
    INCOMPLETE = "incomplete"
    OUTDATED = "outdated"
    WRONG_SOURCE = "wrong_source"
    NOT_FOUND = "not_found"
    """The documents do hold the answer."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's view of one answer; a later one replaces it."""

    answer_id: str
    thumb: Thumb
    rater: str = ""
    reason: Reason | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class RatedExchange:
    """Feedback with what it is about: kept together, because answers are deleted after a while."""

    feedback: Feedback
    namespace: str
    question: str
    answer: str
    outcome: Outcome
    rated_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """A stage began: searching, reading, writing."""

    stage: str


@dataclass(frozen=True, slots=True)
class Token:
    """The next piece of a streamed answer; the final text in `Finished` replaces all of them."""

    text: str
    restart: bool = False
    """What was streamed before is void: another generator began anew."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every question."""

    answer: Answer


Event = Status | Token | Finished
