"""The body of OpenDocument texts and slides into blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.parse.blocks import BlockWriter
from ingest.parse.odf_styles import Styles, attribute, whole_number
from ingest.parse.pictures_inside import FEW_CHARACTERS, Pictures
from ingest.parse.safe_xml import local, text_of
from ingest.parse.text import counted, one_line, tidy

if TYPE_CHECKING:
    from lxml import etree

_WHITE = re.compile(r"[ \t\r\n]+")
_UNSEEN = frozenset(
    """
    alphabetical-index-mark annotation-end event-listeners enhanced-geometry forms glue-point hidden-text
    image-map page-number page-count page-thumbnail ruby-text script sequence-decls table-of-content
    table-column table-columns tracked-changes user-field-decls variable-decls note-citation hidden-paragraph
    """.split()
)
_MAX_COLUMNS, _MAX_TABLES = 1000, 50_000_000
"""Of one table; and characters of all tables, cells that repeat counted each time."""
_MOST_REPEATS = 1_000_000
"""That are believed of a file, for counting what is left out."""
_MAX_REPEATED = 100
_LONGEST_HEADING = 300
_PAGE_NAME = re.compile(r"(?i)(?:page|slide|folie|seite|diapo|diapositive|pagina|página|dia)\s*\d+")


@dataclass(slots=True)
class Losses:
    """What the document shows and the blocks do not."""

    macros: bool = False
    pictures: int = 0
    objects: int = 0
    comments: int = 0
    hidden_slides: int = 0
    hidden_sheets: int = 0
    hidden_rows: int = 0
    hidden_columns: int = 0
    repeated_rows: int = 0
    repeated_cells: int = 0
    table_cells: int = 0
    """Of tables in a text that are larger than what is read of them."""
    same_cells: int = 0
    """Of tables in a text, and rows: they repeat what stands beside or above them."""
    cut: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield from counted(self.pictures, "picture", "has no text that could be read")
        yield from counted(self.objects, "embedded object", "was left out (a chart, a formula or another document)")
        yield from counted(self.comments, "comment", "was left out")
        yield from counted(self.hidden_slides, "hidden slide", "is left out")
        yield from counted(self.hidden_sheets, "hidden sheet", "is left out")
        yield from counted(self.hidden_rows, "hidden row", "is left out")
        yield from counted(self.hidden_columns, "hidden column", "is left out")
        yield from counted(self.repeated_rows, "row", "was left out of those that repeat without end")
        yield from counted(self.repeated_cells, "cell", "was left out of those that repeat without end")
        yield from counted(
            self.table_cells,
            "cell of a table",
            f"was left out: the first {_MAX_COLUMNS:,} columns are read, and {_MAX_TABLES:,} characters of all tables",
            "cells of tables",
        )
        yield from counted(
            self.same_cells,
            "cell or row of a table",
            "was left out for saying the same as the one before",
            "cells or rows of tables",
        )
        if self.macros:
            yield "Its macros are not read."
        yield from self.cut


class Walk:
    """Writes elements in order. Recursive: the XML reader bounds the depth."""

    def __init__(self, writer: BlockWriter, styles: Styles, losses: Losses, pictures: Pictures | None = None) -> None:
        """`pictures` reads those that stand instead of text."""
        self._writer = writer
        self._reader = pictures
        self._pictures: list[str] = []
        """Those without a description, of the present paragraph or table."""
        self._is_picture = True
        """Whether a picture beside the text may stand instead of it; not on slides with text."""
        self._styles = styles
        self._losses = losses
        self._later: list[etree._Element] = []
        """Notes and text boxes of the present paragraph, which stand beside it."""
        self._lists: list[str] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self._room = _MAX_TABLES

    def finish(self) -> None:
        self.write_later()
        self._writer.close()

    def children(self, parent: etree._Element) -> None:
        for child in parent:
            self.element(child)

    def element(self, element: etree._Element) -> None:
        kind = local(element)
        if kind in _UNSEEN or attribute(element, "style-name") in self._styles.hidden:
            return
        if kind == "h":
            self._heading(element)
        elif kind == "p":
            self._paragraph(element)
        elif kind == "list":
            self._list(element)
        elif kind == "table":
            self._table(element)
        elif kind == "frame":
            self._frame(element)
        elif kind == "annotation":
            self._losses.comments += 1
        elif kind == "notes":
            self._notes(element)
        else:
            self.children(element)

    # ── slides ──────────────────────────────────────────────────────────────────────────────────

    def slide(self, page: etree._Element) -> None:
        """The slide's title as a heading, then everything on it in the order of drawing, then its notes."""
        titles = [child for child in page if attribute(child, "class") == "title" and local(child) == "frame"]
        title = one_line(" ".join(self.plain(frame) for frame in titles))
        name = attribute(page, "name")
        written = sum(len(text_of(child).strip()) for child in page if local(child) != "notes")
        self._is_picture = written < FEW_CHARACTERS
        if title and len(title) <= _LONGEST_HEADING:
            self._writer.heading(title, 1)
        else:
            titles = []
            if not _PAGE_NAME.fullmatch(name.strip()):
                self._writer.heading(name, 1)
        for child in page:
            if child not in titles and local(child) != "notes":
                self.element(child)
        for child in page:
            if local(child) == "notes":
                self.element(child)

    def _notes(self, element: etree._Element) -> None:
        text = tidy("\n".join(self.plain(frame) for frame in element if attribute(frame, "class") == "notes"))
        self._writer.paragraph(f"Notes: {text}" if text else "")

    # ── paragraphs ──────────────────────────────────────────────────────────────────────────────

    def _heading(self, element: etree._Element) -> None:
        text = self.inline(element)
        if len(text) > _LONGEST_HEADING or self._lists:
            self._writer.paragraph(text)
        else:
            self._writer.heading(text, whole_number(element, "outline-level", 6))
        self.write_later()

    def _paragraph(self, element: etree._Element) -> None:
        text = self.inline(element)
        style = attribute(element, "style-name")
        if self._styles.is_title(style) and not self._lists and len(text) <= _LONGEST_HEADING:
            self._writer.heading(text, 1)
        else:
            self._writer.paragraph(text)
        self.write_later(is_picture=self._is_picture and not tidy(text))

    def write_later(self, *, is_picture: bool = False) -> None:
        """What stood beside the text so far, and what its pictures say if `is_picture`."""
        self._write_pictures(are_read=is_picture)
        later, self._later = self._later, []
        for element in later:
            if local(element) == "note":
                text = one_line(self.plain(element))
                self._writer.paragraph(f"Footnote: {text}" if text else "")
            else:
                self.children(element)

    def inline(self, element: etree._Element) -> str:
        """The text of a paragraph; what stands beside it is kept for later."""
        parts: list[str] = []
        self._collect(element, parts)
        return "".join(parts)

    def plain(self, element: etree._Element) -> str:
        """All text inside, paragraph by paragraph."""
        texts = (self.inline(each) for each in self._paragraphs(element))
        return "\n".join(text for text in texts if text.strip())

    def _paragraphs(self, element: etree._Element) -> Iterator[etree._Element]:
        for child in element:
            kind = local(child)
            if kind in {"p", "h"}:
                yield child
            elif kind == "annotation":
                self._losses.comments += 1
            elif kind == "frame" and not any(local(inner) in {"text-box", "table"} for inner in child):
                self._picture(child)
            elif kind not in _UNSEEN:
                yield from self._paragraphs(child)

    def _collect(self, element: etree._Element, parts: list[str]) -> None:
        parts.append(_WHITE.sub(" ", element.text or ""))
        for child in element:
            kind = local(child)
            if kind in {"s", "tab"}:
                parts.append(" ")
            elif kind == "line-break":
                parts.append("\n")
            elif kind == "soft-page-break" or kind in _UNSEEN or attribute(child, "style-name") in self._styles.hidden:
                pass
            elif kind == "note":
                self._later.append(child)
            elif kind == "annotation":
                self._losses.comments += 1
            elif kind == "frame":
                self._inline_frame(child, parts)
            elif kind in {"custom-shape", "rect", "ellipse", "g", "line", "path", "polygon", "connector", "measure"}:
                self._later.append(child)
            else:
                self._collect(child, parts)
            parts.append(_WHITE.sub(" ", child.tail or ""))

    # ── frames ──────────────────────────────────────────────────────────────────────────────────

    def _inline_frame(self, frame: etree._Element, parts: list[str]) -> None:
        if any(local(child) in {"text-box", "table"} for child in frame):
            self._later.append(frame)
        elif text := self._picture(frame):
            parts.append(f" {text} ")

    def _frame(self, frame: etree._Element) -> None:
        if attribute(frame, "placeholder") == "true":
            return
        inner = [child for child in frame if local(child) in {"text-box", "table"}]
        for child in inner:
            self.element(child)
        if not inner:
            self._writer.paragraph(self._picture(frame))
            self._write_pictures(are_read=self._is_picture)

    def _picture(self, frame: etree._Element) -> str:
        """The text that stands for a picture, if its author wrote one."""
        kinds = {local(child) for child in frame}
        said = {local(child): one_line(text_of(child)) for child in frame if local(child) in {"title", "desc"}}
        text = said.get("desc") or said.get("title") or ""
        if kinds & {"object", "object-ole", "plugin", "applet", "floating-frame"}:
            self._losses.objects += 1
        elif "image" in kinds and not text:
            names = (attribute(child, "href").removeprefix("./") for child in frame if local(child) == "image")
            self._pictures.append(next((name for name in names if not name.lower().endswith(".svg")), ""))
        return text

    def _write_pictures(self, *, are_read: bool) -> None:
        names, self._pictures = self._pictures, []
        for name in names:
            texts = self._reader.paragraphs(name) if self._reader and are_read else ()
            for text in texts:
                self._writer.paragraph(text)
            self._losses.pictures += not texts

    # ── lists and tables ────────────────────────────────────────────────────────────────────────

    def _list(self, element: etree._Element) -> None:
        items = [child for child in element if local(child) in {"list-item", "list-header"}]
        if any(local(inner) == "h" for item in items for inner in item.iter()):  # numbered headings
            for item in items:
                self.children(item)
            return
        style = attribute(element, "style-name") or (self._lists[-1] if self._lists else "")
        level = len(self._lists) + 1
        goes_on = attribute(element, "continue-numbering") == "true" or attribute(element, "continue-list")
        start = self._numbers.get((style, level), 0) + 1 if goes_on else 1
        self._lists.append(style)
        self._writer.open_list(ordered=self._styles.is_ordered(style, level), start=start)
        number = start - 1
        for item in items:
            value = attribute(item, "start-value")
            number = int(value) if value.isdecimal() and len(value) < 7 else number + 1  # noqa: PLR2004
            # An item that only holds a deeper list shows no marker of its own.
            if local(item) == "list-item" and any(local(child) != "list" for child in item):
                self._writer.open_item(number)
            else:
                number -= 1
            self.children(item)
        self._numbers[style, level] = number
        self._lists.pop()
        self._writer.close_list()

    def _table(self, element: etree._Element) -> None:
        rows = list(_rows(element))
        width = max((sum(1 for _ in _cells(row)) for row in rows), default=0)
        self._losses.same_cells += sum(_repeats(row, "number-rows-repeated") for row in rows)
        if width <= 1 or self._lists:
            for row in rows:
                for cell in _cells(row):
                    self._losses.same_cells += _repeats(cell, "number-columns-repeated")
                    self.children(cell)
            return
        self._writer.table(list(self._values(rows)))
        self.write_later()

    def _values(self, rows: list[etree._Element]) -> Iterator[list[str]]:
        above: list[str] = []
        reaching: dict[int, int] = {}
        """By column, in how many further rows its cell goes on."""
        for row in rows:
            values: list[str] = []
            for cell in _cells(row):
                times = whole_number(cell, "number-columns-repeated", _MOST_REPEATS)
                text = one_line(self.plain(cell))
                read = max(min(times, _MAX_COLUMNS - len(values), self._room // (len(text) + 1)), 0)
                self._losses.table_cells += times - read if text else 0
                for _ in range(read):
                    column = len(values)
                    if local(cell) == "covered-table-cell" and reaching.get(column, 0) > 0:
                        reaching[column] -= 1
                        repeated = above[column] if column < len(above) else ""
                        text = repeated if len(repeated) <= _MAX_REPEATED else ""
                    elif (down := whole_number(cell, "number-rows-spanned", 10_000)) > 1:
                        reaching[column] = down - 1
                    values.append(text)
                    self._room -= len(text) + 1
            while values and not values[-1]:
                values.pop()
            yield values
            above = values


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    """The table's own rows, whatever groups them; repeated ones of a text are empty or alike, and stand once."""
    for child in table:
        if local(child) == "table-row":
            yield child
        elif local(child) in {"table-header-rows", "table-rows", "table-row-group"}:
            yield from _rows(child)


def _repeats(element: etree._Element, name: str) -> int:
    """How often more than once a row or a cell stands there, if there is text in it."""
    times = whole_number(element, name, _MOST_REPEATS)
    return times - 1 if times > 1 and text_of(element).strip() else 0


def _cells(row: etree._Element) -> Iterator[etree._Element]:
    return (cell for cell in row if local(cell) in {"table-cell", "covered-table-cell"})
