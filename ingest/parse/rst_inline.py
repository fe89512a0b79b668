"""Marks inside paragraphs of reStructuredText, in a time that grows with their number.

docutils copies what is left of a paragraph for each mark, searches all of it for the mark's end, and calls itself for
each address in it: twenty thousand marks in one paragraph take minutes, a thousand addresses more than its stack.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from docutils.utils import escape2null

_EFFORT = 2_000_000
"""Marks times characters of a paragraph, up to which docutils reads it; that takes some tenths of a second."""
_SIGNS, _MOST_SIGNS = "*`|_", 50_000
"""Of marks, and how many of them docutils reads in a document: each takes it up to a tenth of a millisecond."""
_LONG_WORD = 200
"""Characters; words with hyphens and colons in them are looked at from each of these on."""
_MARKS = re.compile(
    r"(?<!\w)(?:(\*\*?|``|\|)(?=\S)(.{1,200}?)(?<=\S)\1|(?::[A-Za-z][\w:.+-]{0,60}:)?`(?=\S)([^`<]{1,200})(?:<[^`<>]{0,200}>)?`)_{0,2}(?!\w)",
    re.DOTALL,
)


class BoundedInliner(Inliner):
    """docutils' own, for paragraphs of a sane size; in others, marks are taken off and the text is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._left = _MOST_SIGNS

    def parse(
        self, text: str, lineno: int, memo: SimpleNamespace, parent: nodes.Element
    ) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Without the messages about wrong marks, which nobody would read."""
        signs = sum(text.count(sign) for sign in _SIGNS)
        self._left -= signs
        if self._left >= 0 and signs * len(text) + _effort_of_words(text) <= _EFFORT:
            return super().parse(text, lineno, memo, parent)[0], []
        plain = _MARKS.sub(lambda match: match[2] or match[3].rstrip(), text)
        return [nodes.Text(escape2null(plain))], []

    def implicit_inline(self, text: str, lineno: int) -> list[nodes.Text]:
        """Addresses stay as they are written."""
        return [nodes.Text(text)] if text else []

    def problematic(self, text: str, rawsource: str, message: nodes.system_message) -> nodes.problematic:
        """Wrong marks as they are written, without links to messages and back."""
        return nodes.inline(rawsource, text)  # type: ignore[return-value]  # is only put into the tree


# docutils fills its patterns from what stands in the class itself, and not in those above.
for _name, _value in vars(Inliner).items():
    if isinstance(_value, str) and not _name.startswith("__"):
        setattr(BoundedInliner, _name, _value)


def _effort_of_words(text: str) -> int:
    return sum(len(word) ** 2 for word in text.split() if len(word) > _LONG_WORD)
