"""Holds an answer against its passages: every claim cites, and what its source does not say is not said. Pure.

A model may invent a source number, a figure or a whole sentence. Marks that name no passage are dropped; a sentence
without a mark gets the one of the passage that says it; a sentence that no passage supports is removed. Numbers are then
given anew, from 1, in the order in which they appear.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from core.prompts import NO_ANSWER
from core.sentences import sentences, spans
from core.text import analyze
from core.types import Citation, Passage

LONGEST_QUOTE = 300
# Share of a sentence's content words that its passages must hold. Paraphrase loses words, invention loses most.
SUPPORT = 0.5
# A sentence that named no source needs a closer match before one is named for it.
SUPPORT_UNCITED = 0.7
MARK = re.compile(r"\s*[\[【]\s*(\d{1,3}(?:\s*[-–,;、]\s*\d{1,3})*)\s*[\]】](?!\()")
"""`[1]`, `[1, 3]` or `[2-4]`, with the space before it."""
_RANGE = re.compile(r"(\d+)\s*[-–]\s*(\d+)")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_LIST_NUMBER = re.compile(r"(?m)^\s*\(?\d{1,3}[.)]\s")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_FENCE = re.compile(r"^\s*(```|~~~)")
_NO_ANSWER = re.compile(
    r"\b(?:i|we)\s+(?:could not|couldn't|cannot|can't|can not|do not|don't|did not|didn't)\s+(?:find|answer|know)\b"
    r"|\b(?:the\s+)?(?:provided\s+|given\s+)?(?:passages|documents|context|sources)\s+(?:do|does)\s*(?:not|n't)\s+"
    r"(?:contain|mention|say|answer|provide|specify|include)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Grounded:
    """What is left of an answer. An empty text means that nothing in it was supported."""

    text: str
    citations: tuple[Citation, ...] = ()
    unsupported: int = 0
    """Sentences that were removed."""


@dataclass
class _Work:
    passages: Sequence[Passage]
    numbers: dict[int, int] = field(default_factory=dict)
    """Passage number as the model used it → number as the reader sees it."""
    supported: dict[int, str] = field(default_factory=dict)
    """Passage number → the first sentence that it supports, for the quote."""
    removed: int = 0

    def holds(self, text: str) -> bool:
        """Whether some passage says this; for what carries no mark: lead-ins, headings, lines of code."""
        terms = set(analyze(text))
        return not terms or any(_is_supported(text, terms, [passage], SUPPORT) for passage in self.passages)


def ground(text: str, passages: Sequence[Passage]) -> Grounded:
    """The supported part of `text` with its citations."""
    if is_no_answer(text):
        return Grounded("")
    work = _Work(passages)
    lines = list(_grounded_lines(text, work))
    kept = _without_dangling_lead_ins(lines)
    if not work.numbers:
        return Grounded("", unsupported=work.removed)
    citations = tuple(
        cite(number, passages[given - 1], work.supported[given]) for given, number in work.numbers.items()
    )
    return Grounded(re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip(), citations, work.removed)


def is_no_answer(text: str) -> bool:
    """Whether the model said that it does not know, instead of answering."""
    found = sentences(text)
    if not found:
        return True
    bare = MARK.sub("", found[0]).strip(" .\n").lower()
    return bare == NO_ANSWER.strip(".").lower() or bool(_NO_ANSWER.search(found[0]) and not MARK.search(found[0]))


def parse_citations(text: str) -> list[int]:
    """The numbers that the marks in `text` name, ranges and lists spelled out, in order, without repeats."""
    found: dict[int, None] = {}
    for mark in MARK.finditer(text):
        for part in re.split(r"[,;、]", mark.group(1)):
            span = _RANGE.fullmatch(part.strip())
            low, high = (int(span.group(1)), int(span.group(2))) if span else (int(part), int(part))
            found.update(dict.fromkeys(range(low, min(high, low + 20) + 1)))
    return list(found)


def quote_for(sentence: str, passage: Passage) -> str:
    """The part of the passage, verbatim and at most 300 characters, that says what the sentence says."""
    wanted = set(analyze(sentence))
    pieces = [passage.text[begin:end] for begin, end in spans(passage.text)]
    # The rule below a table's header says nothing.
    pieces = [piece for piece in pieces if any(map(str.isalnum, piece))] or [passage.text]
    best = max(pieces, key=lambda piece: _overlap(wanted, piece))
    return _shortened(best, wanted)


def _grounded_lines(text: str, work: _Work) -> Iterator[str]:
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
            yield line
        elif not line.strip():
            yield line
        elif fenced:
            if work.holds(line):
                yield line
        else:
            grounded = _grounded_line(line, work)
            if grounded is not None:
                yield grounded


def _grounded_line(line: str, work: _Work) -> str | None:
    indent = line[: len(line) - len(line.lstrip())]
    kept = [result for sentence in sentences(line) if (result := _grounded_sentence(sentence, work)) is not None]
    return indent + " ".join(kept) if kept else None


def _grounded_sentence(sentence: str, work: _Work) -> str | None:
    plain = MARK.sub("", sentence)
    given = [number for number in parse_citations(sentence) if 1 <= number <= len(work.passages)]
    terms = set(analyze(plain))
    if not terms or set(plain.strip()) <= set("|-: ") or (_is_lead_in(plain) and not given and work.holds(plain)):
        return plain
    if given and _is_supported(plain, terms, [work.passages[number - 1] for number in given], SUPPORT):
        alone = [n for n in given if _is_supported(plain, terms, [work.passages[n - 1]], SUPPORT)]
        return _cited(plain, alone or given, work)
    other = _supporting(plain, terms, work.passages)
    if other is not None:
        return _cited(plain, [other], work)
    work.removed += 1
    return None


def _cited(plain: str, given: Sequence[int], work: _Work) -> str:
    for number in given:
        work.numbers.setdefault(number, len(work.numbers) + 1)
        work.supported.setdefault(number, plain)
    marks = "".join(f"[{work.numbers[number]}]" for number in given)
    body = plain.rstrip()
    if body.endswith("|"):
        return f"{body[:-1].rstrip()} {marks} |"
    return f"{body} {marks}"


def _is_lead_in(plain: str) -> bool:
    return plain.rstrip().endswith(":") or plain.lstrip().startswith("#")


def _without_dangling_lead_ins(lines: Sequence[str]) -> list[str]:
    """Lead-ins and headings stay only where something follows that they lead to."""
    kept: list[str] = []
    follows = False
    for line in reversed(lines):
        if line.strip() and _is_lead_in(MARK.sub("", line)) and not follows:
            continue
        if line.strip():
            follows = not (_is_lead_in(line) and line.lstrip().startswith("#"))
        kept.append(line)
    return kept[::-1]


def _supporting(plain: str, terms: Collection[str], passages: Sequence[Passage]) -> int | None:
    for number, passage in enumerate(passages, start=1):
        if _is_supported(plain, terms, [passage], SUPPORT_UNCITED):
            return number
    return None


def _is_supported(plain: str, terms: Collection[str], passages: Sequence[Passage], share: float) -> bool:
    texts = [
        f"{passage.title}\n{' '.join(passage.headings)}\n{passage.context}\n{passage.text}" for passage in passages
    ]
    figures = _numbers(plain)
    if figures and not figures <= frozenset().union(*map(_numbers, texts)):
        return False
    known = frozenset().union(*map(_terms, texts))
    return sum(term in known for term in terms) >= share * len(terms)


# Every sentence of an answer is held against the same few texts.
@lru_cache(maxsize=256)
def _terms(text: str) -> frozenset[str]:
    return frozenset(analyze(text))


@lru_cache(maxsize=256)
def _numbers(text: str) -> frozenset[str]:
    """Figures, written one way: 1,000 and 1000 are the same; numbers of list items are none."""
    body = _LIST_NUMBER.sub("", text)
    return frozenset(_THOUSANDS.sub("", figure) for figure in _NUMBER.findall(body))


def _overlap(wanted: Collection[str], piece: str) -> float:
    terms = analyze(piece)
    common = len(set(terms) & set(wanted))
    # A long sentence holds more words by chance.
    return common - 0.01 * len(terms)


def cite(number: int, passage: Passage, sentence: str) -> Citation:
    """The passage as a numbered source, with the part of it that says what the sentence says."""
    return Citation(
        number=number,
        title=passage.title,
        locator=passage.locator,
        quote=quote_for(sentence, passage),
        document_id=passage.document_id,
        url=passage.url,
        chunk_id=passage.chunk_id,
        page=passage.page,
        version=passage.version,
    )


def _shortened(piece: str, wanted: Collection[str]) -> str:
    text = piece.strip()
    if len(text) <= LONGEST_QUOTE:
        return text
    first = next((match.start() for match in re.finditer(r"\w+", text) if set(analyze(match.group())) & set(wanted)), 0)
    begin = 0 if first < LONGEST_QUOTE // 2 else text.rfind(" ", 0, first - LONGEST_QUOTE // 4) + 1
    cut = text[begin : begin + LONGEST_QUOTE - 1]
    if begin + len(cut) < len(text):
        cut = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return cut.strip()
