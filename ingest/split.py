"""Blocks to sections (what a model reads) and chunks (what is embedded, searched and cited). Pure.

Blocks are packed into chunks of at most `max_tokens` at the best boundary there is: between blocks, else between lines,
sentences, words, and only then inside a word. A chunk never crosses a heading or a page, so its citation is exact.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.ports import CountTokens
from core.types import Block, BlockKind, Chunk, ParsedDocument, Section

SPLIT_VERSION = "1"
# A section longer than this is cut into consecutive ones: a model reads one around each passage.
SECTION_TOKENS = 1000
BOUNDARIES = (
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?。！？])\s+"),
    re.compile(r"(?<=[;:,、，])\s+"),
    re.compile(r"\s+"),
)
# No token is shorter than a part of a character or, in practice, longer than this many.
CHARACTERS_PER_TOKEN = 4
_TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]+\|?\s*$")


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive blocks under one heading path and on one page."""

    headings: tuple[str, ...]
    page: int | None
    blocks: tuple[Block, ...]


def split(
    parsed: ParsedDocument, document_id: str, count_tokens: CountTokens, max_tokens: int, overlap_tokens: int
) -> tuple[tuple[Section, ...], tuple[Chunk, ...]]:
    """Sections and chunks in reading order. Ids come from content and place, so unchanged parts keep theirs."""
    sections: list[Section] = []
    chunks: list[Chunk] = []
    seen: Counter[str] = Counter()
    for group in _groups(parsed):
        budget = max(32, max_tokens - count_tokens(_prefix(parsed.title, group.headings)))
        pieces = _pack(group.blocks, count_tokens, budget, overlap_tokens)
        for part in _sections(pieces, count_tokens):
            text = "\n\n".join(part)
            place = (document_id, parsed.title, *group.headings, str(group.page))
            section = Section(_id(seen, "section", *place, text), text, group.headings, group.page)
            sections.append(section)
            for piece in part:
                chunk_id = _id(seen, "chunk", *place, piece)
                chunks.append(Chunk(chunk_id, document_id, section.id, len(chunks), piece, group.headings, group.page))
    return tuple(sections), tuple(chunks)


def embedding_text(title: str, chunk: Chunk) -> str:
    """What is embedded for a chunk: where it stands, then its text."""
    return _prefix(title, chunk.headings) + chunk.text


def _prefix(title: str, headings: Sequence[str]) -> str:
    path = [part for part in dict.fromkeys((title, *headings)) if part]
    return " > ".join(path)[:300] + "\n" if path else ""


def _id(seen: Counter[str], *parts: str) -> str:
    digest = hashlib.blake2b("\x00".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
    seen[digest] += 1
    if seen[digest] == 1:
        return digest
    return hashlib.blake2b(f"{digest}/{seen[digest]}".encode(), digest_size=16).hexdigest()


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


def _sections(pieces: Sequence[str], count_tokens: CountTokens) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for piece in pieces:
        tokens = count_tokens(piece)
        if part and size + tokens > SECTION_TOKENS:
            yield part
            part, size = [], 0
        part.append(piece)
        size += tokens
    if part:
        yield part


def _pack(blocks: Sequence[Block], count_tokens: CountTokens, budget: int, overlap: int) -> list[str]:
    units = [unit for block in blocks for unit in _units(block, count_tokens, budget)]
    sizes = [count_tokens(unit) for unit in units]
    pieces: list[str] = []
    start = 0
    while start < len(units):
        end, total = start, 0
        while end < len(units) and (end == start or total + sizes[end] <= budget):
            total += sizes[end]
            end += 1
        pieces.append("\n".join(units[start:end]))
        start = end
    return pieces


def _units(block: Block, count_tokens: CountTokens, budget: int) -> list[str]:
    text = block.text.strip("\n")
    if _fits(text, count_tokens, budget):
        return [text]
    if block.kind is BlockKind.TABLE:
        return _table_units(text, count_tokens, budget)
    return _cut(text, count_tokens, budget, 0)


def _table_units(text: str, count_tokens: CountTokens, budget: int) -> list[str]:
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
        for row in [line] if _fits(line, count_tokens, room) else _cut(line, count_tokens, room, 1):
            tokens = count_tokens(row) + 1
            if pieces[-1] and size + tokens > room:
                pieces.append([])
                size = 0
            pieces[-1].append(row)
            size += tokens
    return [f"{header}\n" + "\n".join(rows) for rows in pieces if rows] or [header]


def _cut(text: str, count_tokens: CountTokens, budget: int, level: int) -> list[str]:
    """Pieces within the budget, cut at the best boundary that leaves pieces small enough."""
    if _fits(text, count_tokens, budget):
        return [text] if text.strip() else []
    if level == len(BOUNDARIES):
        step = max(1, budget)
        return [text[start : start + step] for start in range(0, len(text), step)]
    parts = [part for part in BOUNDARIES[level].split(text) if part and part.strip()]
    pieces: list[str] = []
    current: list[str] = []
    size = 0
    for part in parts:
        tokens = budget + 1 if len(part) > budget * 16 else count_tokens(part)
        if current and size + tokens > budget:
            pieces.append(_joined(current, level))
            current, size = [], 0
        if tokens > budget:
            pieces += _cut(part, count_tokens, budget, level + 1)
            continue
        current.append(part)
        size += tokens
    if current:
        pieces.append(_joined(current, level))
    return pieces


def _joined(parts: Sequence[str], level: int) -> str:
    return ("" if level == 0 else " ").join(parts).strip("\n")


def _fits(text: str, count_tokens: CountTokens, budget: int) -> bool:
    # Tokenising megabytes only to learn that they do not fit would be quadratic over the levels.
    return len(text) <= budget * 16 and count_tokens(text) <= budget
