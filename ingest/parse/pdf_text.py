"""Lines to blocks: running headers out, headings found, lines joined to paragraphs. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise

from core.types import Block, BlockKind
from ingest.parse.pdf_follow import table_block, with_heads
from ingest.parse.pdf_headings import SAME_HEADING, heading_levels
from ingest.parse.pdf_lines import Line, Page
from ingest.parse.pdf_outline import Mark
from ingest.parse.pdf_running import without_running_lines
from ingest.parse.pdf_words import Words, joined, words_of

_BULLET = re.compile(r"^(?:[•◦‣▪►➢➤✓✔–—*-]\s+|[•◦])\S")
_LONE_BULLET = re.compile(r"^[•◦‣▪►➢➤✓✔]$")
_NUMBERED = re.compile(r"^(?:\(?\d{1,3}[.)]|\([a-z]{1,3}\)|[a-z][.)])\s+\S")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’)\]]*$")
_DEFAULT_LEADING = 1.2
_GAP = 1.3
"""A distance between lines this much over the usual one begins a paragraph."""
_LIST_GAP = 2.5
"""Items of a list may stand farther apart than lines, up to this."""
_LETTER_WIDTH = 0.6
"""Of the font size, on the generous side: to say that a word would have fitted into the line before."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual in this document: the distance of lines in font sizes, and its words."""

    leading: float
    words: Words


class _Join(Enum):
    NEW_BLOCK = auto()
    NEW_LINE = auto()
    SAME_LINE = auto()


@dataclass(slots=True)
class _Open:
    """The block being filled."""

    kind: BlockKind
    level: int
    lines: list[str]


def arrange(pages: Sequence[Page], marks: Sequence[Mark] = ()) -> tuple[Block, ...]:
    """Blocks with page numbers. No block reaches over a page's end, so that a citation's page is exact."""
    pages = [replace(page, lines=_with_bullets(page.lines)) for page in without_running_lines(pages)]
    pages = with_heads(pages)
    usual = _Usual(_leading(pages), words_of(pages))
    levels = heading_levels(pages, marks)
    return tuple(block for page in pages for block in _page_blocks(page, levels.get(page.number, {}), usual))


def _page_blocks(page: Page, levels: Mapping[int, int], usual: _Usual) -> Iterator[Block]:
    """`levels` gives the level of each line that is (part of) a heading."""
    rights = _right_edges(page.lines)
    current: _Open | None = None
    for index, line in enumerate(page.lines):
        level = levels.get(index, 0)
        join = _Join.NEW_BLOCK
        before = page.lines[index - 1]
        if line.table:
            if current:
                yield _block(current, page.number)
            current = None
            yield table_block(line.table, page.number, usual.words)
            continue
        if current:
            join = _decide(current, before, line, level, right=rights[index - 1], usual=usual)
        if current and join is _Join.SAME_LINE:
            current.lines[-1] = joined(current.lines[-1], line.text, usual.words, is_hyphenated=before.is_hyphenated)
        elif current and join is _Join.NEW_LINE:
            current.lines.append(line.text)
        else:
            if current:
                yield _block(current, page.number)
            kind = BlockKind.HEADING if level else BlockKind.LIST if _is_item(line) else BlockKind.TEXT
            current = _Open(kind, level, [line.text])
    if current:
        yield _block(current, page.number)


def _decide(current: _Open, before: Line, line: Line, level: int, *, right: float, usual: _Usual) -> _Join:
    """How `line` goes on after `before`, whose column ends at `right`."""
    down = before.y - line.y
    gap = down / (max(line.size, 1.0) * usual.leading)
    if level or current.level:
        goes_on = level == current.level and 0 < down < SAME_HEADING * max(line.size, before.size)
        return _Join.SAME_LINE if goes_on else _Join.NEW_BLOCK
    if _is_item(line) and not before.is_hyphenated:
        near = abs(gap) < _LIST_GAP and current.kind is BlockKind.LIST
        return _Join.NEW_LINE if near else _Join.NEW_BLOCK
    if before.is_hyphenated or (_is_mid_sentence(before, line) and gap < 2 * _GAP):
        return _Join.SAME_LINE
    if abs(gap) > _GAP or _differs(before, line):
        return _Join.NEW_BLOCK
    return _within_paragraphs(current.kind, before, line, right)


def _within_paragraphs(kind: BlockKind, before: Line, line: Line, right: float) -> _Join:
    """Lines at the usual distance: a paragraph's, or those of a table, an address or an indented paragraph."""
    may_begin = kind is BlockKind.TEXT and _SENTENCE_END.search(before.text)
    if _had_room(before, line, right):
        return _Join.NEW_BLOCK if may_begin else _Join.NEW_LINE
    is_indented = line.x0 - before.x0 > line.size
    return _Join.NEW_BLOCK if may_begin and is_indented else _Join.SAME_LINE


def _is_mid_sentence(before: Line, line: Line) -> bool:
    return line.text[0].islower() and not _SENTENCE_END.search(before.text)


def _differs(before: Line, line: Line) -> bool:
    return before.is_bold != line.is_bold or abs(before.size - line.size) > 0.1 * max(before.size, line.size)


def _had_room(before: Line, line: Line, right: float) -> bool:
    """Whether the next line's first word would have fitted, so that the line was ended on purpose."""
    word = line.text.split(" ", 1)[0]
    return right - before.x1 > (len(word) + 2) * _LETTER_WIDTH * line.size


def _right_edges(lines: Sequence[Line]) -> list[float]:
    """For each line, where the column it stands in ends: the longest of the lines that begin near it."""
    edges: dict[int, float] = {}
    for line in lines:
        if line.table:
            continue
        column = int(line.x0 // 40)
        edges[column] = max(edges.get(column, 0.0), line.x1)
    return [max(edges.get(int(line.x0 // 40) + step, 0.0) for step in (-1, 0, 1)) for line in lines]


def _is_item(line: Line) -> bool:
    return bool(_BULLET.match(line.text) or _NUMBERED.match(line.text))


def _with_bullets(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines in which a bullet that was drawn by itself stands before its text."""
    result: list[Line] = []
    for line in lines:
        before = result[-1] if result else None
        if before and not line.table and _LONE_BULLET.match(before.text) and abs(before.y - line.y) < line.size:
            result[-1] = replace(line, text=f"{before.text} {line.text}", x0=before.x0)
        else:
            result.append(line)
    return tuple(result)


def _block(current: _Open, page: int) -> Block:
    separator = " " if current.kind is BlockKind.HEADING else "\n"
    return Block(separator.join(current.lines), current.kind, current.level, page)


def _leading(pages: Sequence[Page]) -> float:
    """The most frequent distance between neighbouring lines of one size, in font sizes."""
    counts: Counter[float] = Counter()
    for page in pages:
        for before, line in pairwise(page.lines):
            down = before.y - line.y
            if (
                not (before.table or line.table)
                and before.size == line.size > 0
                and 0.9 * line.size < down < 3 * line.size
            ):
                counts[round(down / line.size * 20) / 20] += 1
    return counts.most_common(1)[0][0] if counts else _DEFAULT_LEADING
