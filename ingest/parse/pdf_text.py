"""Lines to blocks: running headers out, headings found, lines joined to paragraphs. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.types import Block, BlockKind
from ingest.parse.pdf_headings import Mark, heading_levels
from ingest.parse.pdf_lines import Line, Page
from ingest.parse.pdf_running import without_running_lines

__all__ = ["Mark", "arrange"]

_BULLET = re.compile(r"^[•◦‣▪►➢➤✓✔–—*-]\s+\S|^[•◦]\S")
_LONE_BULLET = re.compile(r"^[•◦‣▪►➢➤✓✔]$")
_NUMBERED = re.compile(r"^(?:\(?\d{1,3}[.)]|\([a-z]{1,3}\)|[a-z][.)])\s+\S")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’)\]]*$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_GAP = 1.3
"""A distance between lines this much over the usual one begins a paragraph."""
_SHORT = 0.75
"""A line that ends before this share of its column's width was not broken for lack of room."""


@dataclass(frozen=True, slots=True)
class _Style:
    """What is usual in this document."""

    leading: float
    """Distance between the lines of a paragraph, in font sizes."""
    words: Mapping[str, int]
    """How often each lower-case word occurs, to decide about hyphens at line ends."""


def arrange(pages: Sequence[Page], marks: Sequence[Mark] = ()) -> tuple[Block, ...]:
    """Blocks with page numbers. No block reaches over a page's end, so that a citation's page is exact."""
    pages = [replace(page, lines=tuple(_with_bullets_joined(page.lines))) for page in without_running_lines(pages)]
    style = _Style(_usual_leading(pages), _word_counts(pages))
    levels = heading_levels(pages, marks)
    return tuple(block for page in pages for block in _page_blocks(page, levels.get(page.number, {}), style))


def _page_blocks(page: Page, levels: Mapping[int, int], style: _Style) -> Iterator[Block]:
    """`levels`: index of a heading's line to its level; lines of one heading follow each other on one level."""
    rights = _right_edges(page.lines)
    block: list[str] = []
    kind = BlockKind.TEXT
    for index, line in enumerate(page.lines):
        before = page.lines[index - 1] if index else None
        level = levels.get(index, 0)
        is_item = not level and _is_item(line, before)
        if block and _begins_block(before, line, level, levels.get(index - 1, 0), is_item, kind, style, rights):
            yield _block(block, kind, levels.get(index - 1, 0), page.number)
            block = []
        if not block:
            kind = BlockKind.HEADING if level else BlockKind.LIST if is_item else BlockKind.TEXT
            block = [line.text]
        elif is_item or (before and not level and _was_ended(before, rights)):
            block.append(line.text)
        else:
            block[-1] = _joined(block[-1], line.text, before, style)
    if block:
        yield _block(block, kind, levels.get(len(page.lines) - 1, 0), page.number)
