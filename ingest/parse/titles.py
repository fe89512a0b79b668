"""Whether the title that a file states in its properties is the title of its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.types import Block
from ingest.parse.text import one_line, readable_name

LONGEST_TITLE = 300
"""In characters. It stands before each passage, and in each citation."""
_SHARE, _SHORT_WORD = 0.6, 2
_BLOCKS, _BEGINNING = 30, 1000
"""How many of the first blocks are looked at, and how many characters of each."""
_OF_PROGRAMS = re.compile(
    r"(?i)^(?:microsoft (?:word|excel|powerpoint)\b.*|untitled.*|unbenannt.*|sans titre.*|power ?point[ -].*"
    r"|pr[eé]sentation powerpoint|(?:document|dokument|book|mappe|classeur|presentation|slide|folie|title|titel) ?\d*"
    r"|.*\.(?:doc|dot|xls|ppt|pot|pdf|rtf|odt)[xm]?)$"
)


def believed_title(stated: str, beginning: Iterable[str], name: str) -> str:
    """The stated title if it is about this text, else nothing: many files carry a template's, or another document's.

    It is believed if most of its words, short ones apart, are in the file's name or in the `beginning` of its text.
    """
    title = one_line(stated)
    words = {word for word in title.lower().split() if len(word) > _SHORT_WORD}
    if not words or len(title) > LONGEST_TITLE or _OF_PROGRAMS.match(title):
        return ""
    known = " ".join([readable_name(name), *(text[:_BEGINNING] for text in beginning)]).lower()
    return title if sum(word in known for word in words) >= _SHARE * len(words) else ""


def texts_of(blocks: Sequence[Block]) -> list[str]:
    """The beginning of a text, to compare a stated title with."""
    return [block.text for block in blocks[:_BLOCKS]]
