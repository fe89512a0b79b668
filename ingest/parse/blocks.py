"""Collects what a parser meets into blocks: lists become one block with their markers, everything else its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Block, BlockKind
from ingest.parse.text import clean, markdown_table, one_line, tidy

MAX_INDENT = 8
"""List levels shown by indentation; deeper ones are kept at this one."""

LONGEST_HEADING = 300
"""Characters; more is text, and would stand in every citation below it."""


@dataclass(slots=True)
class _List:
    ordered: bool
    number: int
    bullet: str
    marker: str = ""
    """The present item's marker until its first line is written, then blanks of the same width."""
    is_fresh: bool = False


class BlockWriter:
    """Call its methods in reading order, then take `blocks`."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._lists: list[_List] = []
        self._lines: list[str] = []

    def paragraph(self, text: str) -> None:
        text = tidy(text)
        if not text:
            return
        if self._lists:
            self._item_lines(text)
        else:
            self.blocks.append(Block(text))

    def heading(self, text: str, level: int) -> None:
        text = one_line(text)
        if self._lists or len(text) > LONGEST_HEADING:
            self.paragraph(text)
        elif text:
            self.blocks.append(Block(text, BlockKind.HEADING, level=min(max(level, 1), 6)))

    def code(self, text: str) -> None:
        text = "\n".join(line.rstrip() for line in clean(text).expandtabs(4).split("\n")).strip("\n")
        if text.strip():
            self._end_list_block()
            self.blocks.append(Block(text, BlockKind.CODE))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        if rows:
            self._end_list_block()
            self.blocks.append(Block(markdown_table(rows), BlockKind.TABLE))

    def open_list(self, *, ordered: bool, start: int = 1, bullet: str = "-") -> None:
        self._lists.append(_List(ordered, start, bullet))

    def open_item(self, number: int | None = None) -> None:
        if not self._lists:
            self.open_list(ordered=False)
        here = self._lists[-1]
        if number is not None:
            here.number = number
        here.marker = f"{here.number}. " if here.ordered else f"{here.bullet} "
        here.is_fresh = True
        here.number += 1

    def close_list(self) -> None:
        if self._lists:
            self._lists.pop()
        if not self._lists:
            self._end_list_block()

    def close(self) -> None:
        """End whatever is still open: broken input leaves lists unclosed."""
        while self._lists:
            self.close_list()

    def _item_lines(self, text: str) -> None:
        here = self._lists[-1]
        indent = "  " * min(len(self._lists) - 1, MAX_INDENT)
        for line in text.split("\n"):
            prefix = here.marker if here.is_fresh else " " * len(here.marker)
            here.is_fresh = False
            self._lines.append(indent + prefix + line)

    def _end_list_block(self) -> None:
        if self._lines:
            self.blocks.append(Block("\n".join(self._lines), BlockKind.LIST))
            self._lines = []
