"""Word documents (.docx, .docm and templates) through lxml: everything that stands on their pages, in its order.

Pages are not numbered: a Word file does not hold where its pages end, each program finds that out when it shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import ocr
from ingest.parse.blocks import MAX_INDENT, BlockWriter
from ingest.parse.charts import chart_losses, diagram_lines, read_chart
from ingest.parse.docx_inline import Found, Inline
from ingest.parse.docx_styles import (
    Marker,
    Numbering,
    Style,
    Styles,
    W,
    heading_level,
    is_on,
    number,
    read_styles,
    value,
)
from ingest.parse.docx_tables import Table, filled_rows, is_layout, paragraphs_of, read_table, title_row
from ingest.parse.ooxml import Embedded, Package, find, id_of, shown, title_of
from ingest.parse.pictures_inside import Pictures
from ingest.parse.safe_xml import local
from ingest.parse.text import counted, one_line, tidy

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAX_DEPTH = 25
_MAX_HEADING = 300
_MAX_BOLD_HEADING, _MAX_BOLD = 120, 0.4
"""Characters of a bold line that is taken for a heading, and the share of blocks from which bold means nothing."""
_THROUGH = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "body", "document"})
_PAGE_WORDS = re.compile(r"(?i)^(?:page|seite|página|pagina|of|von|de|di|sur|[-–—|/().,\s\d])*$")
_DIGITS, _DOTS = "0123456789", " .…·_"
"""What ends a line of a table of contents: the page, and the dots before it."""
_NOTES = {"footnote": "footnotes", "endnote": "endnotes"}


class DocxParser:
    """Paragraphs, headings, lists with their numbers, tables, text boxes, notes, headers and footers."""

    media_types: Iterable[str] = ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)

    def __init__(self, languages: str = ocr.LANGUAGES, seconds: float = ocr.SECONDS) -> None:
        """For text recognition in pictures that stand instead of text."""
        self._languages = languages
        self._seconds = seconds

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for damaged files, `Protected`, and `TooLarge` over the limits."""
        package = Package(data, "a Word document")
        root = package.xml(package.main)
        if find(root, "body") is None:
            raise UnreadableDocument("The file is damaged or not a Word document.")
        reading = _Reading(package, Pictures(package.read, self._languages, self._seconds))
        reading.run(root)
        blocks = reading.blocks()
        return ParsedDocument(
            title_of(package, blocks, name), blocks, losses=tuple(reading.losses()), attachments=reading.embedded.files
        )


class _Reading:
    """Walks one document. What hangs on a paragraph (boxes, charts, notes) is written after it."""

    def __init__(self, package: Package, pictures: Pictures) -> None:
        self._package = package
        self._pictures = pictures
        self._styles: Styles = read_styles(package)
        self._numbering = Numbering(package)
        self._relations = package.relations(package.main)
        self._found = Found()
        self._inline = Inline(self._styles, self._found)
        self._writer = BlockWriter()
        self._items: list[str] = []
        self._contents: list[int] = []
        self._bold: list[int] = []
        self._notes: dict[str, dict[str, _Element]] = {}
        self._notes_written = 0
        self._lost_charts = self._cut_charts = 0
        self.embedded = Embedded(package)

    def run(self, root: _Element) -> None:
        self._write_margins()
        self._walk(root, 0)
        self._end_list()
        self._write_notes(len(self._found.notes))
        self._write_pictures(are_alone=False)
        self._writer.close()

    def blocks(self) -> tuple[Block, ...]:
        """Without the lines of a table of contents that only repeat a heading."""
        found = with_headings(self._writer.blocks, self._bold)
        headings = {block.text.casefold() for block in found if block.kind is BlockKind.HEADING}
        # A line there also has dots and the page.
        lines = {place: one_line(found[place].text).casefold() for place in self._contents}
        repeated = {place for place, line in lines.items() if headings & {line, line.rstrip(_DIGITS).rstrip(_DOTS)}}
        return tuple(block for place, block in enumerate(found) if place not in repeated)

    def losses(self) -> Iterable[str]:
        counts = self._found.counts
        yield from counted(counts["picture"], "picture", "has no text that could be read")
        yield from self._pictures.losses()
        yield from chart_losses(self._lost_charts, self._cut_charts)
        yield from counted(self._comments(), "comment", "is left out")
        yield from counted(counts["deleted"], "deletion", "is left out, as the tracked changes have it")
        yield from counted(counts["hidden"], "hidden passage", "is left out")
        yield from counted(counts["imported"], "imported part", "could not be read")
        yield from counted(counts["deep"], "passage", "is nested too deeply to be read")
        yield from self.embedded.losses()
        if self._package.has_macros():
            yield "Macros are left out."

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────

    def _walk(self, parent: _Element, depth: int) -> None:
        if depth > _MAX_DEPTH:
            self._found.counts["deep"] += 1
            return
        for child in parent:
            match local(child):
                case "p":
                    self._paragraph(child, depth)
                case "tbl":
                    self._table(child, depth + 1)
                case "AlternateContent":
                    self._walk(shown(child), depth + 1)
                case "altChunk":
                    self._found.counts["imported"] += 1
                case tag if tag in _THROUGH:
                    self._walk(child, depth + 1)

    def _paragraph(self, paragraph: _Element, depth: int) -> None:
        style = self._styles.of(paragraph)
        noted = len(self._found.notes)
        text = self._inline.text(paragraph)
        if tidy(text) and not style.is_hidden:
            marker = self._marker(paragraph, style)
            level = self._level(paragraph, style)
            if marker and not level:
                self._item(marker, text)
            else:
                self._end_list()
                self._write_notes(noted)
                if level and len(one_line(text)) <= _MAX_HEADING:
                    self._writer.heading(f"{marker.text} {text}" if marker and marker.text != "-" else text, level)
                else:
                    self._mark(paragraph, style)
                    self._writer.paragraph(text)
                    self._write_notes(len(self._found.notes))
        self._write_pictures(are_alone=not tidy(text) and not style.is_hidden)
        self._write_hanging(depth)

    def _mark(self, paragraph: _Element, style: Style) -> None:
        """Remember which block is a line of a table of contents or looks like a heading."""
        place = len(self._writer.blocks)
        if style.is_contents:
            self._contents.append(place)
        elif is_bold(paragraph, style):
            self._bold.append(place)

    def _level(self, paragraph: _Element, style: Style) -> int | None:
        own = heading_level("", find(paragraph, "pPr", "outlineLvl"))
        return style.level if own is None else own

    def _marker(self, paragraph: _Element, style: Style) -> Marker | None:
        own = find(paragraph, "pPr", "numPr")
        list_id = value(find(own, "numId")) or style.list_id
        level = number(find(own, "ilvl"), style.list_level)
        return self._numbering.marker(list_id, level) if list_id not in {"", "0"} else None

    def _item(self, marker: Marker, text: str) -> None:
        indent = "  " * min(marker.level, MAX_INDENT)
        prefix = f"{marker.text} " if marker.text else ""
        for place, line in enumerate(tidy(text).split("\n")):
            self._items.append(indent + (prefix if place == 0 else " " * len(prefix)) + line)

    def _end_list(self) -> None:
        if self._items:
            self._writer.blocks.append(Block("\n".join(self._items), BlockKind.LIST))
            self._items = []

    # ── tables ───────────────────────────────────────────────────────────────────────────────────

    def _table(self, element: _Element, depth: int) -> None:
        self._end_list()
        table = read_table(element)
        if is_layout(table, lambda paragraph: bool(self._level(paragraph, self._styles.of(paragraph)))):
            for row in table.rows:
                for cell in row:
                    if not cell.goes_on:
                        self._walk(cell.element, depth)
                        self._end_list()
            return
        if (title := title_row(table)) is not None:
            self._writer.paragraph(self._cell_text(title.element))
            table = Table(table.rows[1:], max(0, table.headers - 1))
        self._writer.table(filled_rows(table, self._cell_text))
        self._write_notes(len(self._found.notes))
        self._write_pictures(are_alone=False)
        self._write_hanging(depth)

    def _cell_text(self, cell: _Element, depth: int = 0) -> str:
        lines = []
        for each in paragraphs_of(cell):
            if local(each) == "p":
                style = self._styles.of(each)
                text = self._inline.text(each)
                marker = self._marker(each, style) if text.strip() else None
                lines.append(f"{marker.text} {text}" if marker else text)
            elif depth < _MAX_DEPTH:
                rows = filled_rows(read_table(each), lambda inner: self._cell_text(inner, depth + 1))
                lines.append("; ".join(", ".join(filter(None, row)) for row in rows if any(row)))
            else:
                self._found.counts["deep"] += 1
        return "\n".join(lines)

    # ── what hangs on paragraphs ─────────────────────────────────────────────────────────────────

    def _write_hanging(self, depth: int) -> None:
        found = self._found
        boxes, charts, diagrams, objects = found.boxes, found.charts, found.diagrams, found.objects
        if not (boxes or charts or diagrams or objects):
            return
        found.boxes, found.charts, found.diagrams, found.objects = [], [], [], []
        self._end_list()
        for box in boxes:
            self._walk(box, depth + 1)
            self._end_list()
        for each in charts:
            self._chart(each)
        for each in diagrams:
            relation = self._relations.get(each)
            if relation is not None and (lines := diagram_lines(self._package, relation.target)):
                self._writer.blocks.append(Block("\n".join(lines), BlockKind.LIST))
        for each in objects:
            self.embedded.take(self._relations.get(each))

    def _write_pictures(self, *, are_alone: bool) -> None:
        """What those say that stand alone in a paragraph, as scans do; the others are counted."""
        found, self._found.pictures = self._found.pictures, []
        for each in found:
            relation = self._relations.get(each)
            is_inside = are_alone and relation is not None and not relation.is_external
            texts = self._pictures.paragraphs(relation.target) if relation is not None and is_inside else ()
            if texts:
                self._end_list()
            for text in texts:
                self._writer.paragraph(text)
            self._found.counts["picture"] += not texts

    def _chart(self, relation_id: str) -> None:
        relation = self._relations.get(relation_id)
        chart = read_chart(self._package, relation.target) if relation is not None else None
        if chart is not None:
            self._writer.paragraph(chart.title)
            self._writer.table(chart.rows)
        self._lost_charts += chart is None or not chart.rows
        self._cut_charts += chart is not None and chart.is_cut

    def _write_notes(self, end: int) -> None:
        """Footnotes and endnotes stand after the paragraph, list or table that refers to them."""
        while self._notes_written < end:
            kind, key = self._found.notes[self._notes_written]
            self._notes_written += 1
            place = self._notes_written
            text = " ".join(one_line(self._inline.text(each)) for each in self._note(kind, key))
            if text.strip():
                self._writer.paragraph(f"[{place}] {text}")

    def _note(self, kind: str, key: str) -> Iterator[_Element]:
        if kind not in self._notes:
            self._notes[kind] = {id_of(note): note for note in self._all_notes(kind)}
        note = self._notes[kind].get(key)
        if note is not None:
            yield from (each for each in paragraphs_of(note) if local(each) == "p")

    def _all_notes(self, kind: str) -> Iterator[_Element]:
        for part in self._package.related(self._package.main, _NOTES[kind]):
            root = self._package.optional(part)
            yield from (each for each in (root if root is not None else ()) if local(each) == kind)

    def _write_margins(self) -> None:
        """What stands above and below the text of every page, once, at the top; page numbers tell nothing."""
        seen = set()
        for kind in ("header", "footer"):
            for part in self._package.related(self._package.main, kind):
                margin = self._package.optional(part)
                lines = self._margin_lines(margin, 0) if margin is not None else ()
                text = "\n".join(line for line in lines if not _PAGE_WORDS.match(line))
                if text and text not in seen:
                    seen.add(text)
                    self._writer.paragraph(text)

    def _margin_lines(self, element: _Element, depth: int) -> Iterator[str]:
        found = Found()
        inline = Inline(self._styles, found, page_numbers=False)
        for each in paragraphs_of(element):
            if local(each) == "p":
                yield from tidy(inline.text(each)).split("\n")
            elif depth < _MAX_DEPTH:
                for row in read_table(each).rows:
                    yield "  ".join(one_line(" ".join(self._margin_lines(cell.element, depth + 1))) for cell in row)
            else:
                found.counts["deep"] += 1
        for box in found.boxes:
            if depth < _MAX_DEPTH:
                yield from self._margin_lines(box, depth + 1)
            else:
                found.counts["deep"] += 1
        self._found.counts.update(found.counts)
        self._found.counts["picture"] += len(found.pictures)

    def _comments(self) -> int:
        count = 0
        for part in self._package.related(self._package.main, "comments"):
            root = self._package.optional(part)
            count += sum(local(each) == "comment" for each in root) if root is not None else 0
        return count


def is_bold(paragraph: _Element, style: Style) -> bool:
    """Whether every letter is bold."""
    runs = [run for run in paragraph.iter(W + "r") if any((text.text or "").strip() for text in run.iterfind(W + "t"))]
    return bool(runs) and all(
        is_on(bold) if (bold := find(run, "rPr", "b")) is not None else style.is_bold for run in runs
    )


def with_headings(blocks: Sequence[Block], bold: Sequence[int]) -> list[Block]:
    """Where nobody used the styles for headings, short bold lines above a text are what was meant as such."""
    found = list(blocks)
    marked = set(bold)
    if any(block.kind is BlockKind.HEADING for block in found) or len(marked) > _MAX_BOLD * len(found):
        return found
    for place in marked:
        text = found[place].text
        is_above = place + 1 < len(found) and place + 1 not in marked
        if is_above and len(text) <= _MAX_BOLD_HEADING and "\n" not in text and not text.endswith((".", ",", ";")):
            found[place] = Block(text.removesuffix(":"), BlockKind.HEADING, 2)
    return found
