"""Whether the hyphen at the end of a line belongs to the word, decided by the document itself. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.parse.pdf_lines import Line, Page

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NO_SPACES = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Han, Kana and full-width forms are written without blanks between words."""
_SUSPENDED = re.compile(r"(?i)(?:and|or|to|und|oder|bis)\b")
"""What follows the hyphen of `pre- and post-war`, `5- to 10-day`."""
_SYLLABLE = 2
"""Letters; so short a half of a hyphenated word says nothing by being a word as well."""
_RARELY = 0.02
"""Of the lines; a program that breaks words does so in far more of them, and compounds end fewer."""
_MIN_LINES = 50
_NEAR = 60


@dataclass(frozen=True, slots=True)
class Words:
    """How often each word occurs in a document, and whether it was set by a program that breaks words."""

    counts: Mapping[str, int]
    are_broken: bool = True


def words_of(pages: Sequence[Page]) -> Words:
    counts = _counts(pages)
    breaks = [(before, line) for page in pages for before, line in _breaks(page.lines)]
    known = [keeps for before, line in breaks if (keeps := _evidence(before.text, line.text, counts)) is not None]
    if known:
        return Words(counts, are_broken=known.count(False) >= known.count(True))
    lines = sum(len(page.lines) for page in pages)
    return Words(counts, are_broken=lines < _MIN_LINES or len(breaks) > _RARELY * lines)


def joined(left: str, right: str, words: Words, *, is_hyphenated: bool = False) -> str:
    """Two lines of a paragraph as one; `is_hyphenated` where the left one's hyphen was already taken off.

    The hyphen stays where the word occurs with it elsewhere, or where both halves are words of their own and the whole
    is not. Where nothing is known of the word, it stays in a document that does not break words.
    """
    if not is_hyphenated and not _ends_in_hyphen(left, right):
        separator = "" if _NO_SPACES.match(left[-1:]) and _NO_SPACES.match(right[:1]) else " "
        return left + separator + right
    left = left.removesuffix("-")
    keeps = _evidence(left, right, words.counts)
    if keeps is not False and _SUSPENDED.match(right):
        return f"{left}- {right}"
    if left[-1:].isdigit():
        return f"{left}-{right}"
    if keeps is None:
        keeps = _are_words(left, right, words.counts) or not words.are_broken
    return f"{left}-{right}" if keeps else left + right


def _ends_in_hyphen(left: str, right: str) -> bool:
    if not left.endswith("-"):
        return False
    return (left[-2:-1].isalpha() and right[:1].islower()) or (left[-2:-1].isdigit() and right[:1].isalnum())


def _breaks(lines: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Neighbouring lines with a word across them."""
    for before, line in pairwise(lines):
        if before.is_hyphenated and before.text[-1:].isalpha() and line.text[:1].islower():
            yield before, line


def _evidence(left: str, right: str, counts: Mapping[str, int]) -> bool | None:
    """Whether the hyphen belongs to the word by how it is written elsewhere; None if it is not."""
    first, second = _halves(left, right)
    whole, hyphenated = counts.get(first + second, 0), counts.get(f"{first}-{second}", 0)
    return hyphenated > whole if hyphenated or whole else None


def _are_words(left: str, right: str, counts: Mapping[str, int]) -> bool:
    return all(len(half) > _SYLLABLE and half in counts for half in _halves(left, right))


def _halves(left: str, right: str) -> tuple[str, str]:
    before, after = _WORD.findall(left[-_NEAR:].lower()), _WORD.match(right[:_NEAR].lower())
    return before[-1] if before else "", after[0] if after else ""


def _counts(pages: Sequence[Page]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for page in pages:
        after_hyphen = False
        for line in page.lines:
            words = _WORD.findall(line.text.lower())
            broken = line.is_hyphenated or line.text.endswith("-")
            counts.update(words[1 if after_hyphen else 0 : -1 if broken else None])
            after_hyphen = broken
    return counts
