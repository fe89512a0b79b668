"""What people think of answers, as material for examples: 👍 answers, and 👎 answers with what was said to be right.

There is no field for the right answer: a person who presses 👎 may write what was wrong, in free words. Such a comment
becomes a correction only where the documents say what it says; "too long" supports nothing and is left out.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.citations import parse_citations
from core.followup import refers_back
from core.store.conversations import Conversations
from core.store.engine import reading
from core.store.schema import feedback
from core.types import Outcome, Thumb, Turn
from tuning.dataset.types import Draft, Kind, person

LONGEST_HISTORY = 3
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """One person's view of one answer, with what the answer rested on."""

    answer_id: str
    namespace: str
    question: str
    answer: str
    outcome: Outcome
    thumb: Thumb
    comment: str
    cited: Mapping[int, str]
    """Chunk id by the number that the answer gave it."""
    documents: frozenset[str]
    """Ids of the cited documents."""
    people: tuple[str, ...]
    history: tuple[Turn, ...] | None = ()
    """What was said before; None when it is not known any more, or holds what not everybody may read."""
    quoted: frozenset[str] = frozenset()
    """Ids of the documents that the answers before it cite."""
    rated_at: datetime = LATEST

    @property
    def text(self) -> str:
        """The answer without its marks."""
        return without_marks(self.answer)


def read_rated(
    engine: Engine, conversations: Conversations, namespaces: Collection[str], open_documents: Collection[str]
) -> list[RatedAnswer]:
    """All feedback in these namespaces, in an order that does not change.

    Answers that rest on a document outside `open_documents` are left out. Raises `StorageFailed`.
    """
    query = sa.select(feedback).where(feedback.c.namespace.in_(sorted(namespaces)))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(feedback.c.answer_id, feedback.c.rater)).mappings().all()
    rated = [_rated(row, conversations, open_documents) for row in rows]
    return [each for each in rated if each.documents <= set(open_documents)]


def liked(rated: Sequence[RatedAnswer], changed: Mapping[str, datetime]) -> Iterator[Draft]:
    """Answers that somebody found good and nobody found bad. `changed`: by document id, since when it is as it is."""
    disliked = {each.answer_id for each in rated if each.thumb is Thumb.DOWN}
    people: dict[str, set[str]] = defaultdict(set)
    first: dict[str, RatedAnswer] = {}
    for each in rated:
        if each.thumb is Thumb.UP and each.answer_id not in disliked and _is_usable(each):
            people[each.answer_id].update(each.people)
            first.setdefault(each.answer_id, each)
    for each in first.values():
        draft = replace(_draft(each, Kind.LIKED, each.text), people=tuple(sorted(people[each.answer_id])))
        if each.outcome is not Outcome.ANSWERED:
            unseen = frozenset(document for document, at in changed.items() if at > each.rated_at)
            draft = replace(draft, answer="", unseen=unseen)
        yield draft


def corrections(rated: Sequence[RatedAnswer]) -> Iterator[Draft]:
    """What people wrote about answers that they found bad; whether the documents say it is found out later."""
    for each in rated:
        if each.thumb is Thumb.DOWN and each.comment.strip() and _is_usable(each):
            yield _draft(each, Kind.CORRECTION, without_marks(each.comment.strip()))


def without_marks(text: str) -> str:
    """Without `[n]`, line by line."""
    return re.sub(r"[ \t]*\[\d{1,3}\]", "", text) if parse_citations(text) else text


def _is_usable(each: RatedAnswer) -> bool:
    return each.history is not None and each.outcome in {Outcome.ANSWERED, Outcome.NO_EVIDENCE}


def _draft(each: RatedAnswer, kind: Kind, answer: str) -> Draft:
    # A correction may rest on other documents than the answer that it corrects.
    documents = each.documents if kind is Kind.LIKED else frozenset[str]()
    return Draft(
        kind,
        each.namespace,
        each.question,
        answer,
        documents,
        history=each.history or (),
        quoted=each.quoted,
        origin="feedback",
        is_trusted=kind is Kind.LIKED,
        people=each.people,
        feedback=each.answer_id,
    )


def _rated(row: Any, conversations: Conversations, open_documents: Collection[str]) -> RatedAnswer:
    citations = [each for each in row["details"].get("citations", ()) if "chunk_id" in each]
    people = [person(row["rater"]), person(_asker(row["thread"]))]
    history, quoted = _before(row, conversations, open_documents)
    return RatedAnswer(
        answer_id=row["answer_id"],
        namespace=row["namespace"],
        question=row["question"],
        answer=row["answer"],
        outcome=Outcome(row["outcome"]),
        thumb=Thumb(row["thumb"]),
        comment=row["comment"],
        cited={int(each["number"]): str(each["chunk_id"]) for each in citations},
        documents=frozenset(str(each["document_id"]) for each in citations),
        people=tuple(sorted(set(filter(None, people)))),
        history=history,
        quoted=quoted,
        rated_at=row["rated_at"],
    )


def _asker(thread: str) -> str:
    """Who asked, as `core.store.conversations.thread_key` wrote it."""
    try:
        parts = json.loads(thread)
        return str(parts[2] or "")
    except (ValueError, IndexError, TypeError, KeyError):
        return ""


def _before(
    row: Any, conversations: Conversations, open_documents: Collection[str]
) -> tuple[tuple[Turn, ...] | None, frozenset[str]]:
    """What was said before the answer, and the ids of the documents that were cited then."""
    if conversations.find(row["answer_id"]) is None:
        return (None if refers_back(row["question"]) else ()), frozenset()
    before = conversations.exchanges(row["thread"], LONGEST_HISTORY, before=row["answer_id"])
    quoted = frozenset(citation.document_id for each in before for citation in each.answer.citations)
    if not quoted <= set(open_documents):
        return None, frozenset()
    turns = [turn for each in before for turn in (Turn("user", each.question), Turn("assistant", each.answer.text))]
    return tuple(turns), quoted
