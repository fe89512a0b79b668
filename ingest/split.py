"""Blocks to sections (what a model reads) and chunks (what is embedded, searched and cited). Pure.

Blocks are taken apart into atoms (sentences, lines, table rows with their header), and atoms are packed into chunks of at
most `max_tokens` that begin with the last sentences of the one before. A chunk never crosses a heading or a page, so its
citation is exact, and its text stands in the document as it is.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.ports import CountTokens
from core.types import Block, BlockKind, Chunk, ParsedDocument, Section

# To be raised whenever the same text is cut in another way: it is part of the index's identity.
SPLIT_VERSION = "4"
# A section longer than this is cut into consecutive ones: a model reads one around each passage.
SECTION_TOKENS = 1000
SMALLEST_BUDGET = 32
LONGEST_PREFIX = 300
# Where text may be cut, best first: at lines, sentences, clauses, words. What was cut keeps its separator.
BOUNDARIES = (
    re.compile(r"(?<=\n)(?=\S|\s)"),
    re.compile(r"(?<=[.!?])(?=\s)|(?<=[。！？])"),
    re.compile(r"(?<=[;:,])(?=\s)|(?<=[、，；])"),
    re.compile(r"(?=\s)"),
)
# No tokenizer makes fewer tokens than one for this many characters of text.
CHARACTERS_PER_TOKEN = 16
_TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]+\|?\s*$")


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive blocks under one heading path and on one page."""

    headings: tuple[str, ...]
    page: int | None
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Atom:
    """What is never cut: a sentence or line with the white space before it, or some table rows with their header."""

    text: str
    tokens: int
    repeatable: bool
    """Whether it may stand at the end of one chunk and again at the beginning of the next."""


def split(
    parsed: ParsedDocument, document_id: str, count_tokens: CountTokens, max_tokens: int, overlap_tokens: int
) -> tuple[tuple[Section, ...], tuple[Chunk, ...]]:
    """Sections and chunks in reading order. Ids come from content and place, so unchanged parts keep theirs."""
    sections: list[Section] = []
    chunks: list[Chunk] = []
    seen: Counter[str] = Counter()
    opened: set[tuple[str, ...]] = set()
    for group in _groups(parsed):
        budget = max(SMALLEST_BUDGET, max_tokens - count_tokens(prefix(parsed.title, group.headings)))
        atoms = [atom for block in group.blocks for atom in _atoms(block, count_tokens, budget)]
        place = (document_id, parsed.title, *group.headings, str(group.page))
        for spans in _sections(_pack(atoms, budget, overlap_tokens), atoms):
            text = _text(atoms[spans[0][0] : spans[-1][1]])
            section = Section(_id(seen, "section", *place, text), text, group.headings, group.page)
            sections.append(section)
            for begin, end in spans:
                piece = _text(atoms[begin:end])
                opens = group.headings not in opened
                opened.add(group.headings)
                # An id says all that is indexed under it, so a chunk that becomes the first one gets another.
                chunk_id = _id(seen, "opening" if opens else "chunk", *place, piece)
                chunks.append(
                    Chunk(chunk_id, document_id, section.id, len(chunks), piece, group.headings, group.page, opens)
                )
    return tuple(sections), tuple(chunks)


def prefix(title: str, headings: Sequence[str]) -> str:
    """Where a chunk stands, as a line before its text: `Employee handbook > Benefits > Vacation`. Empty without any."""
    path = [part for part in dict.fromkeys((title, *headings)) if part]
    return " > ".join(path)[:LONGEST_PREFIX] + "\n" if path else ""


def _id(seen: Counter[str], *parts: str) -> str:
    digest = hashlib.blake2b("\x00".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
    seen[digest] += 1
    if seen[digest] == 1:
        return digest
    return hashlib.blake2b(f"{digest}/{seen[digest]}".encode(), digest_size=16).hexdigest()


def _text(atoms: Sequence[Atom]) -> str:
    return "".join(atom.text for atom in atoms).strip()


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


def _groups(parsed: ParsedDocument) -> Iterator[Group]:
    path: list[tuple[int, str]] = []
    blocks: list[Block] = []
    page: int | None = None
    for block in parsed.blocks:
        is_heading = block.kind is BlockKind.HEADING
        if blocks and (is_heading or block.page != page):
            yield Group(_headings(path, parsed.title), page, tuple(blocks))
            blocks = []
        page = block.page
        if is_heading:
            path = [(level, text) for level, text in path if level < block.level]
            path.append((block.level, " ".join(block.text.split())))
        elif block.text.strip():
            blocks.append(block)
    if blocks:
        yield Group(_headings(path, parsed.title), page, tuple(blocks))


def _headings(path: Sequence[tuple[int, str]], title: str) -> tuple[str, ...]:
    texts = [text for _, text in path if text]
    return tuple(texts[1:] if texts and texts[0] == title else texts)


# ── atoms ────────────────────────────────────────────────────────────────────────────────────────


def _atoms(block: Block, count_tokens: CountTokens, budget: int) -> Iterator[Atom]:
    text = "\n\n" + block.text.strip("\n")
    if block.kind is BlockKind.TABLE:
        for piece in [text] if _fits(text, count_tokens, budget) else _table_pieces(text.strip(), count_tokens, budget):
            yield Atom(piece, count_tokens(piece), repeatable=False)
        return
    # Sentences are the units even of a paragraph that would fit, so that a chunk can end and overlap at each of them.
    for line in BOUNDARIES[0].split(text):
        for sentence in BOUNDARIES[1].split(line):
            for piece in _cut(sentence, count_tokens, budget, 2):
                yield Atom(piece, count_tokens(piece), repeatable=True)


def _table_pieces(text: str, count_tokens: CountTokens, budget: int) -> list[str]:
    """Rows packed into pieces that each begin with the table's header."""
    lines = text.split("\n")
    head = lines[:2] if len(lines) > 1 and _TABLE_RULE.match(lines[1]) else lines[:1]
    header = "\n".join(head)
    room = budget - count_tokens(header)
    if room < budget // 3:
        return _cut(text, count_tokens, budget, 0)
    pieces: list[list[str]] = [[]]
    size = 0
    for line in lines[len(head) :]:
        for row in _cut(line, count_tokens, room, 1):
            tokens = count_tokens(row) + 1
            if pieces[-1] and size + tokens > room:
                pieces.append([])
                size = 0
            pieces[-1].append(row)
            size += tokens
    return [f"\n\n{header}\n" + "\n".join(rows) for rows in pieces if rows] or [header]


def _cut(text: str, count_tokens: CountTokens, budget: int, level: int) -> list[str]:
    """Pieces within the budget, cut at the best boundary that leaves them small enough; together they are the text."""
    if _fits(text, count_tokens, budget):
        return [text] if text else []
    if level == len(BOUNDARIES):
        return [text[start : start + budget] for start in range(0, len(text), budget)]
    pieces: list[str] = []
    current, size = "", 0
    for part in BOUNDARIES[level].split(text):
        tokens = count_tokens(part) if len(part) <= budget * CHARACTERS_PER_TOKEN else budget + 1
        if current and size + tokens > budget:
            pieces.append(current)
            current, size = "", 0
        if tokens > budget:
            pieces += _cut(part, count_tokens, budget, level + 1)
        else:
            current, size = current + part, size + tokens
    return [*pieces, current] if current else pieces


def _fits(text: str, count_tokens: CountTokens, budget: int) -> bool:
    # Tokenising megabytes only to learn that they do not fit would be quadratic over the levels.
    return len(text) <= budget * CHARACTERS_PER_TOKEN and count_tokens(text) <= budget


# ── packing ──────────────────────────────────────────────────────────────────────────────────────


def _pack(atoms: Sequence[Atom], budget: int, overlap: int) -> list[tuple[int, int]]:
    """Spans of atoms, about equally long, so that no chunk is a mere remnant."""
    total = sum(atom.tokens for atom in atoms)
    step = max(1, budget - overlap)
    count = 1 if total <= budget else math.ceil((total - overlap) / step)
    goal = min(budget, math.ceil((total + (count - 1) * overlap) / count))
    spans: list[tuple[int, int]] = []
    begin = 0
    while begin < len(atoms):
        end = _filled(atoms, begin, goal, budget)
        spans.append((begin, end))
        if end == len(atoms):
            break
        begin = _overlapping(atoms, begin, end, overlap)
    return spans


def _filled(atoms: Sequence[Atom], begin: int, goal: int, budget: int) -> int:
    size, end = atoms[begin].tokens, begin + 1
    while end < len(atoms) and size < goal and size + atoms[end].tokens <= budget:
        size += atoms[end].tokens
        end += 1
    return end


def _overlapping(atoms: Sequence[Atom], begin: int, end: int, overlap: int) -> int:
    """Where the next chunk begins: as many whole atoms before `end` as fit the overlap."""
    start, size = end, 0
    while start - 1 > begin and atoms[start - 1].repeatable and size + atoms[start - 1].tokens <= overlap:
        start -= 1
        size += atoms[start].tokens
    return start


def _sections(spans: Sequence[tuple[int, int]], atoms: Sequence[Atom]) -> Iterator[list[tuple[int, int]]]:
    """Consecutive chunks that together are short enough for a model to read."""
    part: list[tuple[int, int]] = []
    for span in spans:
        first = part[0][0] if part else span[0]
        if part and sum(atom.tokens for atom in atoms[first : span[1]]) > SECTION_TOKENS:
            yield part
            part = []
        part.append(span)
    if part:
        yield part
