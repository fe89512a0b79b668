"""PowerPoint presentations (.pptx, .pptm, shows and templates) through lxml: slide by slide, each being a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import TooLarge, UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import ocr
from ingest.parse.blocks import BlockWriter
from ingest.parse.charts import chart_losses, diagram_lines, read_chart
from ingest.parse.drawing import body_text, depth_losses, picture_id, picture_text
from ingest.parse.ooxml import Embedded, Package, Relation, attribute, find, id_of, title_of
from ingest.parse.pictures_inside import FEW_CHARACTERS, Pictures
from ingest.parse.pptx_shapes import MAX_DEPTH, Layout, Shape, in_reading_order, read_layout, shapes_of, table_rows
from ingest.parse.pptx_text import write_text
from ingest.parse.safe_xml import local
from ingest.parse.text import counted, one_line, tidy

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_SLIDES = 5000
_TITLES = frozenset({"title", "ctrTitle"})
_MARGINS = frozenset({"dt", "sldNum", "hdr"})
_MAX_TITLE = 300


class PptxParser:
    """Titles as headings, text in reading order, tables, the numbers of charts, diagrams and the speaker's notes."""

    media_types: Iterable[str] = ("application/vnd.openxmlformats-officedocument.presentationml.presentation",)

    def __init__(self, languages: str = ocr.LANGUAGES, seconds: float = ocr.SECONDS) -> None:
        """For text recognition on slides that are pictures."""
        self._languages = languages
        self._seconds = seconds

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for damaged files, `Protected`, and `TooLarge` over the limits."""
        package = Package(data, "a PowerPoint presentation")
        root = package.xml(package.main)
        if local(root) != "presentation":
            raise UnreadableDocument("The file is damaged or not a PowerPoint presentation.")
        relations = package.relations(package.main)
        slides = [relations.get(id_of(each)) for each in root.iterfind("{*}sldIdLst/{*}sldId")]
        if len(slides) > MAX_SLIDES:
            raise TooLarge(
                f"The presentation has {len(slides):,} slides; the limit is {MAX_SLIDES:,}. Split it and add the parts."
            )
        reading = _Reading(package, Pictures(package.read, self._languages, self._seconds))
        for number, slide in enumerate(slides, 1):
            reading.slide(slide, number)
        blocks = tuple(reading.blocks)
        return ParsedDocument(
            _title(package, blocks, name),
            blocks,
            len(slides),
            tuple(reading.losses()),
            attachments=reading.embedded.files,
        )


class _Reading:
    """Collects the blocks of all slides."""

    def __init__(self, package: Package, pictures: Pictures) -> None:
        self._package = package
        self._pictures = pictures
        self._layouts: dict[str, Layout] = {}
        self._said: set[str] = set()
        self._hidden = self._damaged = self._lost_pictures = self._films = self._comments = self._lost_charts = (
            self._cut_charts
        ) = 0
        self._deep: list[_Element] = []
        """What is nested too deeply to be read."""
        self._relations: dict[str, Relation] = {}
        self._is_picture = False
        """Whether next to no text stands on the present slide."""
        self._writer = BlockWriter()
        self.embedded = Embedded(package)
        self.blocks: list[Block] = []

    def slide(self, relation: Relation | None, number: int) -> None:
        root = self._package.optional(relation.target) if relation is not None and not relation.is_external else None
        if root is None or relation is None:
            self._damaged += 1
            return
        if root.get("show") in {"0", "false"}:
            self._hidden += 1
            return
        self._writer = BlockWriter()
        self._relations = self._package.relations(relation.target)
        layout = self._layout(relation.target)
        shapes = list(shapes_of(find(root, "cSld", "spTree"), layout, self._deep))
        self._is_picture = _is_picture(shapes)
        title = next((shape for shape in shapes if shape.placeholder in _TITLES and _text(shape)), None)
        if title is not None:
            self._title(_text(title))
        self._shapes([shape for shape in shapes if shape is not title])
        self._once(layout.texts)
        self._notes()
        self._writer.close()
        self._count_comments()
        self.blocks += [replace(block, page=number) for block in self._writer.blocks]

    def losses(self) -> Iterable[str]:
        yield from counted(self._damaged, "slide", "is damaged and could not be read")
        yield from counted(self._hidden, "hidden slide", "is left out")
        yield from counted(self._lost_pictures, "picture", "has no text that could be read")
        yield from self._pictures.losses()
        yield from chart_losses(self._lost_charts, self._cut_charts)
        yield from counted(self._films, "film or sound", "is left out", "films and sounds")
        yield from counted(self._comments, "comment", "is left out")
        yield from depth_losses(len(self._deep), MAX_DEPTH)
        yield from self.embedded.losses()
        if self._package.has_macros():
            yield "Macros are left out."

    def _title(self, text: str) -> None:
        line = one_line(text)
        if len(line) <= _MAX_TITLE:
            self._writer.heading(line, 2)
        else:
            self._writer.paragraph(text)

    def _shapes(self, shapes: Sequence[Shape]) -> None:
        for shape in in_reading_order(shapes):
            if shape.inner:
                self._shapes(shape.inner)
            else:
                self._shape(shape)

    def _shape(self, shape: Shape) -> None:
        element = shape.element
        match local(element):
            case "sp" | "cxnSp" if shape.placeholder not in _MARGINS:
                body = find(element, "txBody")
                if shape.placeholder == "ftr":
                    self._once([_text(shape)])
                elif body is not None:
                    write_text(
                        body, self._writer, is_list=shape.placeholder in {"body", "obj", ""} and shape.is_placeholder
                    )
            case "pic":
                self._picture(element)
            case "graphicFrame":
                self._frame(element)

    def _picture(self, element: _Element) -> None:
        if any(local(each) in {"videoFile", "audioFile", "quickTimeFile", "wavAudioFile"} for each in element.iter()):
            self._films += 1
            return
        said = picture_text(element)
        if said is None:
            return
        relation = self._relations.get(picture_id(element)) if self._is_picture and not said else None
        texts = [said] if said else self._pictures.paragraphs(relation.target if relation else "")
        for text in texts:
            self._writer.paragraph(text)
        self._lost_pictures += not texts

    def _frame(self, element: _Element) -> None:
        """Tables, charts, diagrams and embedded files."""
        data = find(element, "graphic", "graphicData")
        for each in data.iter() if data is not None else ():
            match local(each):
                case "tbl":
                    self._writer.table(table_rows(each))
                    return
                case "chart" if attribute(each, "id"):
                    self._chart(self._relations.get(attribute(each, "id")))
                    return
                case "relIds":
                    self._diagram(self._relations.get(attribute(each, "dm")))
                    return
                case "oleObj":
                    # An older program's copy of the same object follows.
                    self.embedded.take(self._relations.get(id_of(each)))
                    return

    def _chart(self, relation: Relation | None) -> None:
        chart = read_chart(self._package, relation.target) if relation is not None else None
        if chart is not None:
            self._writer.paragraph(chart.title)
            self._writer.table(chart.rows)
        self._lost_charts += chart is None or not chart.rows
        self._cut_charts += chart is not None and chart.is_cut

    def _diagram(self, relation: Relation | None) -> None:
        lines = diagram_lines(self._package, relation.target) if relation is not None else []
        if lines:
            self._writer.blocks.append(Block("\n".join(lines), BlockKind.LIST))

    def _once(self, texts: Iterable[str]) -> None:
        """What stands on many slides, such as a footer, is written on the first of them."""
        for text in texts:
            if tidy(text) and one_line(text) not in self._said:
                self._said.add(one_line(text))
                self._writer.paragraph(text)

    def _notes(self) -> None:
        for part in self._of_kind("notesSlide"):
            root = self._package.optional(part)
            for shape in shapes_of(find(root, "cSld", "spTree"), Layout(), self._deep):
                if shape.placeholder == "body" and (text := tidy(_text(shape))):
                    self._writer.paragraph(f"Notes: {text}")

    def _count_comments(self) -> None:
        for part in self._of_kind("comments"):
            root = self._package.optional(part)
            self._comments += sum(local(each) == "cm" for each in root) if root is not None else 0

    def _layout(self, slide: str) -> Layout:
        part = next(self._of_kind("slideLayout"), "")
        if part not in self._layouts:
            self._layouts[part] = read_layout(self._package, part, self._deep) if part else Layout()
        return self._layouts[part]

    def _of_kind(self, kind: str) -> Iterator[str]:
        return (each.target for each in self._relations.values() if each.kind == kind and not each.is_external)


def _title(package: Package, blocks: Sequence[Block], name: str) -> str:
    """What the properties state, else the first slide's title."""
    first = next((block for block in blocks if block.kind is BlockKind.HEADING), None)
    if first is not None and first.page == blocks[0].page:
        return title_of(package, [replace(first, level=1), *blocks], name)
    return title_of(package, blocks, name)


def _is_picture(shapes: Iterable[Shape]) -> bool:
    """Whether there are no tables and charts, and no more text than a title."""
    whole = list(_leaves(shapes))
    has_frames = any(local(shape.element) == "graphicFrame" for shape in whole)
    return not has_frames and sum(len(_text(shape)) for shape in whole) < FEW_CHARACTERS


def _leaves(shapes: Iterable[Shape]) -> Iterator[Shape]:
    for shape in shapes:
        if shape.inner:
            yield from _leaves(shape.inner)
        else:
            yield shape


def _text(shape: Shape) -> str:
    body = find(shape.element, "txBody")
    return body_text(body) if body is not None else ""
