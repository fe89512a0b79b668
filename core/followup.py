"""A follow-up question and its history to one query that stands alone, by rule. Pure.

Retrieval sees one text, so "How is it treated?" finds nothing of its own. The rule was chosen on the follow-ups of
MTRAG: appending the words of the question before to questions that refer to something or say almost nothing found more
than the last question alone, than the whole history, and than people's own rewrites (docs/decisions.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.text import STOP_WORDS
from core.types import Turn

# Words that stand for something said before. "There" is none: it opens more questions than it refers.
REFERRING = frozenset("it its they them their theirs he him his she her hers this that these those one ones".split())
_OPENING = re.compile(
    r"(and|or|but|so|what about|how about|what else|anything else|any other|tell me more|more|why|also|then|which one|ok(ay)?)\b",
    re.IGNORECASE,
)
# A fragment ("Sick leave?") with at most so many content words is about the question before, and so is a whole sentence
# with at most BARE of them. A question before with fewer than THIN is itself a follow-up: the one before that is needed.
SHORT, BARE, THIN = 2, 1, 3
_WHOLE = re.compile(
    r"(how|what|which|who|whom|whose|when|where|why|is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b",
    re.IGNORECASE,
)
MOST_WORDS = 40
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question, followed by the content words of the one before it where it cannot be understood alone."""
    asked = [turn.text for turn in history if turn.role == "user"]
    if not asked or not refers_back(question):
        return question
    before = _content(asked[-1])
    if len(before) < THIN and len(asked) > 1:
        before = [*_content(asked[-2]), *before]
    own = {word.lower() for word in _WORD.findall(question)}
    added = dict.fromkeys(word for word in before if word.lower() not in own)
    return " ".join([question, *list(added)[:MOST_WORDS]])


def refers_back(question: str) -> bool:
    """Whether the question leaves unsaid what it is about."""
    words = {word.lower() for word in _WORD.findall(question)}
    enough = BARE if _WHOLE.match(question.strip()) else SHORT
    return bool(words & REFERRING) or bool(_OPENING.match(question.strip())) or len(_content(question)) <= enough


def _content(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if word.lower() not in STOP_WORDS]


@dataclass(frozen=True, slots=True)
class RuleRewriter:
    """Implements `core.ports.Rewriter`."""

    async def standalone(self, question: str, history: Sequence[Turn]) -> str:
        return standalone(question, history)
