"""What a model may write when its server guides it: the no-answer, or sentences that each name their passages. Pure.

A small model often forgets the marks, and a sentence without one is worth less: the guide leaves it no choice. Lists are
allowed, with a line that leads to them; tables and code are not, because the place of a mark in them is not plain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from core.prompts import NO_ANSWER

# Spelled out instead of \s, which not every engine takes inside a class.
_FIRST = r"[^ \t\r\n\[\].!?]"
# A full stop goes on in the sentence only before what does not begin one (3.5, e.g. this, v2), and after a title or the like.
_TITLE = r"(?:Dr|Mrs?|Ms|Prof|St|e[.]g|i[.]e|U[.]S|U[.]K|vs)[.] "
_REST = rf"(?:[^\r\n\[\].!?]|[.!?]+[^ \t\r\n\[\].!?]|[.] [a-z0-9]|[ (]{_TITLE}{_FIRST})*"
_ITEM = r"(?:- |\* |[0-9]{1,2}[.)] )?"
_PASSAGE = re.compile(r'^<passage number="\d+" source="[^"<>]*">$', re.MULTILINE)


def guide(prompt: Sequence[tuple[str, str]]) -> str:
    """A regular expression for the whole answer to this prompt; empty for one without passages."""
    passages = len(_PASSAGE.findall(prompt[0][1]))
    return answer_pattern(passages) if passages else ""


@lru_cache(maxsize=64)
def answer_pattern(passages: int) -> str:
    """For marks from [1] to [`passages`]. The same text for the same number, so that a server compiles it once."""
    mark = rf"\[(?:{'|'.join(map(str, range(1, passages + 1)))})\]"
    sentence = rf"(?:{_TITLE})?{_FIRST}{_REST}[.!?]* ?(?:{mark})+[.!?]?"
    line = rf"{_ITEM}{sentence}(?: {sentence})*"
    lead_in = rf"(?:{_FIRST}{_REST}:\n\n?)?"
    return rf"(?:{NO_ANSWER.replace('.', '[.]')}|{lead_in}{line}(?:\n\n?{lead_in}{line})*)"
