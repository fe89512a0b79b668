"""From a draft to an example: search, prompt, marks, and the check that the answer stands in the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.citations import parse_citations
from core.prompts import NO_ANSWER
from core.types import Passage, Turn
from tuning.dataset.grounding import cited, is_said, problem, shown_passages
from tuning.dataset.personal import Policy, as_kept, find
from tuning.dataset.questions import GAP_RULE
from tuning.dataset.serving import Seen, Serving
from tuning.dataset.splitting import Division
from tuning.dataset.types import Arrangement, DocumentUse, Draft, Example, Kind, Lineage, Split, digest

# Share of the training examples in which the passage that answers is moved, because retrieval nearly always has it first.
MOVED = 0.25
# Share of the best passage's cosine below which another one is taken not to answer.
FARTHER = 0.9
NOT_FOUND = "its passage was not found by the search"
NOT_SAID = "the passages shown do not say its answer"
IN_BOTH = "its documents are partly for training, partly held out"
PERSONAL = "personal data in question, history or answer"
ALSO_ELSEWHERE = "it stands in a training document as well"
ANSWERED_ELSEWHERE = "made unanswerable, but another passage answers"
AS_NEAR = "made unanswerable, but another passage is as near to the question"
NEWER = "a no-answer of which a passage is newer"
NOTHING_LEFT = "made unanswerable, but nothing else is found"


class NotMade(Exception):
    """Why there is no example, in a few words, for counting."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Built:
    """An example, and what it was made from."""

    example: Example
    draft: Draft
    is_asked: bool = True
    """Whether serving asks a model at all, instead of refusing at once; known only of no-answers."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes examples. Both ways raise `NotMade`."""

    serving: Serving
    division: Division
    seed: int

    async def answered(self, draft: Draft) -> Built:
        """With the passages that answer among those shown."""
        draft = self._without_personal(draft)
        if _is_personal(draft, self.serving.policy):
            raise NotMade(PERSONAL)
        if not draft.documents:
            draft = await self._located(draft)
            if not draft.documents:
                raise NotMade(NOT_SAID)
        split = self._split(draft)
        if split is Split.TEST and draft.chunks & self.division.in_both:
            raise NotMade(ALSO_ELSEWHERE)
        found = await self.serving.search(draft.question, draft.history, draft.namespace, self._held_out(split))
        seen = self._see(draft, found.passages)
        arrangement = Arrangement.AS_SERVED
        if split is Split.TRAIN and (moved := self._moved(draft, seen.passages)):
            arrangement, seen = Arrangement.MOVED, replace(self._see(draft, moved), masked=seen.masked)
        gold = _gold(draft, seen.passages)
        if not gold:
            raise NotMade(NOT_FOUND)
        answer = cited(draft.answer, shown_passages(seen.prompt), gold, is_trusted=draft.is_trusted)
        if answer is None or problem(seen.prompt, answer):
            raise NotMade(NOT_SAID)
        return self._built(draft, split, seen, answer, arrangement)

    async def unanswered(self, draft: Draft, *, hide: bool) -> Built:
        """With the honest no-answer; with `hide`, the documents that answer are kept out of the search."""
        draft = self._without_personal(draft)
        if _is_personal(draft, self.serving.policy):
            raise NotMade(PERSONAL)
        split = self._split(draft)
        without = self._held_out(split) | (self._hidden(draft, split) if hide else frozenset())
        found = await self.serving.search(draft.question, draft.history, draft.namespace, without)
        if not found.passages:
            raise NotMade(NOTHING_LEFT)
        seen = self._see(draft, found.passages)
        if draft.unseen & {passage.document_id for passage in seen.passages}:
            raise NotMade(NEWER)
        if not hide and self.division.group(draft.documents) & {passage.document_id for passage in seen.passages}:
            raise NotMade(ANSWERED_ELSEWHERE)
        if draft.answer and is_said(draft.answer, draft.spoken, shown_passages(seen.prompt)):
            raise NotMade(ANSWERED_ELSEWHERE)
        if hide and not await self._is_farther(draft, found.passages):
            raise NotMade(AS_NEAR)
        is_asked = await self.serving.is_asked(found)
        arrangement = Arrangement.GOLD_LEFT_OUT if hide else Arrangement.AS_SERVED
        made = self._built(replace(draft, kind=Kind.UNANSWERABLE), split, seen, NO_ANSWER, arrangement)
        lineage = replace(made.example.lineage, answer=(), hidden=tuple(sorted(draft.documents)))
        return replace(made, example=replace(made.example, lineage=lineage), is_asked=is_asked)

    async def _is_farther(self, draft: Draft, left: Sequence[Passage]) -> bool:
        """Whether what is left is clearly less about the question than what answers: else it may answer in other words."""
        found = await self.serving.search(draft.question, draft.history, draft.namespace)
        return _nearness(left) < FARTHER * _nearness(found.passages)

    async def _located(self, draft: Draft) -> Draft:
        """With the documents that say the answer, where nobody has named them."""
        found = await self.serving.search(draft.question, draft.history, draft.namespace)
        seen = self._see(draft, found.passages)
        answer = cited(draft.answer, shown_passages(seen.prompt), _every(seen.passages), is_trusted=draft.is_trusted)
        if answer is None:
            return draft
        used = [seen.passages[number - 1] for number in parse_citations(answer)]
        documents, chunks = (frozenset(each) for each in zip(*((p.document_id, p.chunk_id) for p in used), strict=True))
        return replace(draft, documents=documents, chunks=chunks)

    def _split(self, draft: Draft) -> Split:
        """Raises `NotMade` for what would be in both; the history quotes documents, too."""
        split = self.division.split_of(draft.documents, draft.question)
        if split is None or draft.quoted & self._held_out(split):
            raise NotMade(IN_BOTH)
        return split

    def _see(self, draft: Draft, passages: Sequence[Passage]) -> Seen:
        return self.serving.see(draft.question, draft.history, draft.namespace, passages)

    def _hidden(self, draft: Draft, split: Split) -> frozenset[str]:
        """What answers: whole documents, and those that say the same.

        Where nothing else would be left to find, only the passages that answer, if it can be told that no other one does:
        the answer is a phrase or a missing word, which stands in a passage or does not. Raises `NotMade`.
        """
        group = self.division.group(draft.documents)
        if self.division.others(draft.namespace, group | self._held_out(split)):
            return group
        if draft.spoken or draft.origin == GAP_RULE:
            return draft.chunks
        raise NotMade(NOTHING_LEFT)

    def _held_out(self, split: Split) -> frozenset[str]:
        """A held-out document is in no training prompt, not even as one that does not answer."""
        return self.division.held_out if split is Split.TRAIN else frozenset()

    def _moved(self, draft: Draft, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages with the first that answers elsewhere; none where they stay."""
        drawn = int(digest([self.seed, "moved", draft.question])[:16], 16)
        gold = _gold(draft, passages)
        if not gold or len(passages) < 2 or drawn % 1000 >= MOVED * 1000:  # noqa: PLR2004 - nothing to move among
            return []
        rest = list(passages)
        passage = rest.pop(min(gold) - 1)
        rest.insert((drawn // 1000) % (len(rest) + 1), passage)
        return rest if rest != list(passages) else []

    def _without_personal(self, draft: Draft) -> Draft:
        policy = self.serving.policy
        history = tuple(Turn(turn.role, as_kept(turn.text, policy)) for turn in draft.history)
        question, answer = as_kept(draft.question, policy), as_kept(draft.answer, policy)
        return replace(draft, question=question, answer=answer, history=history)

    def _built(self, draft: Draft, split: Split, seen: Seen, answer: str, arrangement: Arrangement) -> Built:
        rests_on = [seen.passages[number - 1] for number in parse_citations(answer)]
        numbered = tuple(passage.chunk_id for passage in seen.passages)
        lineage = Lineage(
            answer=uses(rests_on),
            shown=uses(seen.passages),
            numbered=numbered,
            quoted=tuple(sorted(draft.quoted)),
            people=draft.people,
            feedback=draft.feedback,
            golden=draft.golden,
        )
        is_answered = answer != NO_ANSWER
        example = Example(
            draft.kind,
            draft.namespace,
            split,
            seen.prompt,
            answer,
            is_answered,
            arrangement,
            draft.origin,
            lineage,
            seen.masked,
        )
        return Built(example, draft)


def uses(passages: Iterable[Passage]) -> tuple[DocumentUse, ...]:
    """The passages by their documents, in an order that does not change."""
    found: dict[tuple[str, int], set[str]] = {}
    for passage in passages:
        found.setdefault((passage.document_id, passage.version), set()).add(passage.chunk_id)
    return tuple(
        DocumentUse(document, version, tuple(sorted(chunks))) for (document, version), chunks in sorted(found.items())
    )


def _nearness(passages: Sequence[Passage]) -> float:
    return max((passage.dense for passage in passages if passage.dense is not None), default=0.0)


def _gold(draft: Draft, passages: Sequence[Passage]) -> list[int]:
    """Numbers of the passages that may be cited: those known to answer, or those of the documents that do."""
    return [
        number
        for number, passage in enumerate(passages, start=1)
        if (passage.chunk_id in draft.chunks if draft.chunks else passage.document_id in draft.documents)
    ]


def _every(passages: Sequence[Passage]) -> list[int]:
    return list(range(1, len(passages) + 1))


def _is_personal(draft: Draft, policy: Policy) -> bool:
    texts = (draft.question, draft.answer, *(turn.text for turn in draft.history))
    return policy is Policy.DROP and any(map(find, texts))
