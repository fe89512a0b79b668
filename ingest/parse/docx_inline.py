"""The text inside a Word paragraph, and what hangs on it: text boxes, charts, footnotes, embedded files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.parse.docx_styles import Styles, W, is_on, number
from ingest.parse.drawing import described, description, is_decorative, picture_id
from ingest.parse.omml import linear
from ingest.parse.ooxml import attribute, find, shown
from ingest.parse.safe_xml import local

if TYPE_CHECKING:
    from lxml.etree import _Element

_THROUGH = frozenset(
    "hyperlink ins moveTo smartTag sdt sdtContent fldSimple dir bdo customXml ruby rubyBase subDoc".split()
)
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_SYMBOLS = {
    0xB7: "•",
    0xA7: "▪",
    0xD8: "➢",
    0xFC: "✓",
    0xFB: "✗",
    0xFE: "☑",
    0xA8: "☐",
    0x6F: "☐",
    0x78: "☒",
    0xE0: "→",
    0xDF: "←",
    0xE8: "➔",
    0x6E: "■",
    0x4A: "☺",
}
"""Characters of the fonts Wingdings and Symbol that carry meaning."""
_MAX_DEPTH = 60
_LONGEST_FIELD = 200
"""Characters of how a field is computed; the first word says what it is."""
_PAGE_FIELDS = frozenset({"PAGE", "NUMPAGES", "SECTIONPAGES"})


@dataclass(slots=True)
class Found:
    """What paragraphs hold beside text; boxes are read after the paragraph that they hang on."""

    boxes: list[_Element] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)
    diagrams: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    """`footnote` or `endnote`, and its id; each once, however often it is referred to."""
    objects: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    """Those without a description, by the relation to them."""
    counts: Counter[str] = field(default_factory=Counter)
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def number_of(self, note: tuple[str, str]) -> int:
        """From 1, in the order of the first references."""
        if note not in self._numbers:
            self.notes.append(note)
            self._numbers[note] = len(self.notes)
        return self._numbers[note]


class Inline:
    """Reads paragraphs of one part of a document."""

    def __init__(self, styles: Styles, found: Found, *, page_numbers: bool = True) -> None:
        self._styles = styles
        self._found = found
        self._fields: list[str] = []
        self._skips_pages = not page_numbers

    def text(self, paragraph: _Element) -> str:
        return "".join(self._pieces(paragraph, 0))

    def _pieces(self, parent: _Element, depth: int) -> Iterator[str]:
        for child in self._inside(parent, depth):
            match local(child):
                case "r" if self._is_hidden(child):
                    self._found.counts["hidden"] += find(child, "t") is not None
                case "r":
                    yield from self._run(child, depth + 1)
                case "fldSimple" if self._skips_pages and _is_page_field(attribute(child, "instr")):
                    pass
                case tag if tag in _THROUGH:
                    yield from self._pieces(child, depth + 1)
                case "oMath" | "oMathPara":
                    yield linear(child)
                case "AlternateContent":
                    yield from self._pieces(shown(child), depth + 1)
                case "del" | "moveFrom":
                    self._found.counts["deleted"] += 1

    def _run(self, run: _Element, depth: int) -> Iterator[str]:
        for child in self._inside(run, depth):
            match local(child):
                case "t":
                    yield "" if self._skips_pages and self._in_page_field() else child.text or ""
                case tag if tag in _CHARACTERS:
                    yield _CHARACTERS[tag]
                case "sym":
                    yield _symbol(attribute(child, "char"))
                case "fldChar":
                    yield self._field(child)
                case "instrText":
                    self._fields[-1:] = (
                        [(self._fields[-1] + (child.text or ""))[:_LONGEST_FIELD]] if self._fields else []
                    )
                case "footnoteReference" | "endnoteReference" as tag:
                    note = tag.removesuffix("Reference"), child.get(W + "id") or ""
                    yield f"[{self._found.number_of(note)}]"
                case "AlternateContent":
                    yield from self._run(shown(child), depth + 1)
                case "drawing" | "pict" | "object":
                    yield from self._graphic(child, 0, is_object=local(child) == "object")

    def _graphic(self, element: _Element, depth: int, *, is_object: bool) -> Iterator[str]:
        """DrawingML of today and VML of old."""
        for child in self._inside(element, depth):
            match local(child):
                case "txbxContent":
                    self._found.boxes.append(child)
                case "AlternateContent":
                    yield from self._graphic(shown(child), depth + 1, is_object=is_object)
                case "pic":
                    yield self._picture(element, child)
                case "chart" | "relIds" | "OLEObject":
                    self._keep(child)
                case "imagedata" if not is_object:
                    yield self._old_picture(element, child)
                case "textpath":
                    yield f" {attribute(child, 'string')} "
                case _:
                    yield from self._graphic(child, depth + 1, is_object=is_object)

    def _inside(self, element: _Element, depth: int) -> Iterable[_Element]:
        """What stands in an element; nothing where it is nested too deeply, which is counted."""
        if depth < _MAX_DEPTH:
            return element
        self._found.counts["deep"] += len(element) > 0
        return ()

    def _keep(self, element: _Element) -> None:
        """What is in a part of its own, by the id of the relation to it."""
        match local(element):
            case "chart":
                self._found.charts.append(attribute(element, "id"))
            case "relIds":
                self._found.diagrams.append(attribute(element, "dm"))
            case "OLEObject":
                self._found.objects.append(attribute(element, "id"))

    def _picture(self, parent: _Element, picture: _Element) -> str:
        """The description stands on the frame around the picture, or on the picture where several share one."""
        frame = parent
        while frame is not None and local(frame) not in {"inline", "anchor"}:
            frame = frame.getparent()  # type: ignore[assignment]
        properties = [find(picture, "nvPicPr", "cNvPr"), find(frame, "docPr")]
        text = next((each for each in map(description, properties) if each), "")
        if not text and not any(map(is_decorative, properties)):
            self._found.pictures.append(picture_id(picture))
        return f" {text} " if text else ""

    def _old_picture(self, shape: _Element, data: _Element) -> str:
        text = described(shape.get("alt") or "")
        if not text:
            self._found.pictures.append(attribute(data, "id"))
        return f" {text} " if text else ""

    def _field(self, mark: _Element) -> str:
        """Fields are computed texts; between `begin` and `separate` stands how, afterwards the result."""
        match attribute(mark, "fldCharType"):
            case "begin":
                self._fields.append("")
                return _form_field(mark)
            case "end" if self._fields:
                self._fields.pop()
        return ""

    def _in_page_field(self) -> bool:
        return bool(self._fields) and _is_page_field(self._fields[-1])

    def _is_hidden(self, run: _Element) -> bool:
        properties = find(run, "rPr")
        if properties is None:
            return False
        own = find(properties, "vanish")
        if own is not None:
            return is_on(own)
        style = find(properties, "rStyle")
        return style is not None and attribute(style, "val") in self._styles.hidden_characters


def _is_page_field(instruction: str) -> bool:
    words = instruction.split()
    return bool(words) and words[0].upper() in _PAGE_FIELDS


def _symbol(code: str) -> str:
    try:
        point = int(code, 16)
    except ValueError:
        return ""
    # Symbol fonts keep their characters in a private area, at 0xF000 and the old code (ECMA-376, part 1, 17.3.3.30).
    if 0xF000 <= point <= 0xF0FF:  # noqa: PLR2004
        return _SYMBOLS.get(point - 0xF000, "")
    return chr(point) if 0 < point < 0xD800 else ""  # noqa: PLR2004


def _form_field(mark: _Element) -> str:
    """What a box or a list in an old form shows."""
    if (box := find(mark, "ffData", "checkBox")) is not None:
        state = find(box, "checked")
        return "☒" if is_on(state if state is not None else find(box, "default")) else "☐"
    if (choices := find(mark, "ffData", "ddList")) is not None:
        entries = [attribute(each, "val") for each in choices.iterfind(W + "listEntry")]
        chosen = number(find(choices, "result"), 0)
        return entries[chosen] if chosen < len(entries) else ""
    return ""
