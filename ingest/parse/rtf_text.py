"""The text of an RTF document as it comes: paragraphs, lists and table rows into blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Block
from ingest.parse.blocks import MAX_INDENT, BlockWriter
from ingest.parse.rtf_words import NOT_HEADINGS
from ingest.parse.text import one_line, tidy

_LONGEST_HEADING = 300
_MAX_REPEATED = 100
_NUMBERING = re.compile(r"[\w.()]{1,12}")
_PAGE_NUMBERS = re.compile(r"(?i)\b(?:page|seite|página|pagina|of|von|de|di|sur)\b|[\d\W_]+")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What is known of a paragraph at its end. `outline` counts from 0; negative and 9 are no headings."""

    outline: int
    indent: int
    in_table: bool


def whole_characters(text: str) -> str:
    """Characters beyond the first plane come as two code units."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if not text.isascii() else text


class Page:
    """Call its methods in reading order, then `finished`."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer
        self._parts: list[str] = []
        self._marker = ""
        self._list_depth = 0
        self._notes: list[str] = []
        self._heads: dict[str, None] = {}
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._is_continued: list[bool] = []
        self._is_next_continued = False

    def write(self, text: str) -> None:
        self._parts.append(text)

    def marker(self, text: str) -> None:
        """The number or bullet of the list item that begins here."""
        self._marker = one_line(text)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def box(self, text: str) -> None:
        """A text box, which stands beside the paragraph that it belongs to."""
        if text.strip():
            self._notes.append(f"\0{text}")

    def running(self, text: str) -> None:
        """A header or footer; numbers of pages tell nothing."""
        text = tidy(text)
        if _PAGE_NUMBERS.sub("", text):
            self._heads.setdefault(text)

    def end_paragraph(self, paragraph: Paragraph) -> None:
        if paragraph.in_table or self._cells:
            self._parts.append("\n")
            return
        text = self._taken()
        self._end_table()
        if self._marker and text.strip():
            self._item(text, paragraph.indent)
        else:
            self._end_list()
            if 0 <= paragraph.outline < NOT_HEADINGS and len(text) <= _LONGEST_HEADING:
                self._writer.heading(text, paragraph.outline + 1)
            else:
                self._writer.paragraph(text)
        self._marker = ""
        self._write_notes()

    def table(self, word: str) -> None:
        """One of the words that make tables."""
        match word:
            case "trowd":
                self._is_continued, self._is_next_continued = [], False
            case "clvmrg":
                self._is_next_continued = True
            case "cellx":
                self._is_continued.append(self._is_next_continued)
                self._is_next_continued = False
            case "cell":
                self._cells.append(self._taken().strip())
                self._marker = ""
            case "nestcell":
                self._parts.append(" ")
            case "nestrow":
                self._parts.append("\n")
            case "row":
                self._end_row()

    def finished(self) -> Sequence[Block]:
        """All blocks: headers and footers first, once each."""
        if self._cells:
            self._end_row()
        self.end_paragraph(Paragraph(-1, 0, in_table=False))
        self._end_list()
        self._writer.close()
        return [*(Block(text) for text in self._heads), *self._writer.blocks]

    def _taken(self) -> str:
        text = whole_characters("".join(self._parts))
        self._parts.clear()
        return text

    def _item(self, text: str, indent: int) -> None:
        depth = min(max(indent, 0), MAX_INDENT) + 1
        while self._list_depth > depth:
            self._writer.close_list()
            self._list_depth -= 1
        while self._list_depth < depth:
            self._writer.open_list(ordered=False)
            self._list_depth += 1
        self._writer.open_item()
        is_number = _NUMBERING.fullmatch(self._marker) and any(c.isalnum() for c in self._marker)
        # A font of symbols shows its bullets as letters.
        is_number = is_number and (len(self._marker) > 1 or self._marker.isdigit())
        self._writer.paragraph(f"{self._marker} {text}" if is_number else text)

    def _end_list(self) -> None:
        while self._list_depth:
            self._writer.close_list()
            self._list_depth -= 1

    def _end_row(self) -> None:
        above = self._rows[-1] if self._rows else []
        row = [*self._cells]
        if rest := self._taken().strip():
            row.append(rest)
        for column, is_continued in enumerate(self._is_continued[: len(row)]):
            if is_continued and not row[column] and column < len(above) and len(above[column]) <= _MAX_REPEATED:
                row[column] = above[column]
        self._cells = []
        self._rows.append(row)

    def _end_table(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        self._end_list()
        if max(map(len, rows)) == 1:
            for row in rows:
                self._writer.paragraph(row[0] if row else "")
        else:
            self._writer.table(rows)
        self._write_notes()

    def _write_notes(self) -> None:
        notes, self._notes = self._notes, []
        for note in notes:
            text = note.removeprefix("\0")
            if text.strip():
                self._end_list()
                self._writer.paragraph(
                    text if note is not text and note.startswith("\0") else f"Footnote: {text.strip()}"
                )
