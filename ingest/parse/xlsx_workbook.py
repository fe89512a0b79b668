"""What is said once for a whole Excel workbook: its sheets, shared texts, number formats and the start of its calendar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import TooLarge, UnreadableDocument
from ingest.parse.ooxml import Package, attribute, find, id_of, whole
from ingest.parse.safe_xml import TOO_MUCH, local
from ingest.parse.xlsx_numbers import BUILT_IN, Format, number_format

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_TEXTS, MAX_TEXT_CHARACTERS = 3_000_000, 100_000_000
MAX_XML = 400_000_000
"""Bytes of a part that is read bit by bit."""
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
DAMAGED = "The file is damaged or not an Excel workbook."


@dataclass(frozen=True, slots=True)
class SheetPart:
    """`kind` is worksheet, chartsheet, dialogsheet …"""

    name: str
    part: str
    kind: str
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Style:
    format: Format
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class Workbook:
    sheets: Sequence[SheetPart]
    texts: Sequence[str]
    styles: Sequence[Style]
    plain: Style


def open_workbook(package: Package) -> Workbook:
    """Raises `UnreadableDocument` if there is no workbook, `TooLarge` for too many shared texts."""
    root = package.xml(package.main)
    if local(root) != "workbook":
        raise UnreadableDocument(DAMAGED)
    properties = find(root, "workbookPr")
    from_1904 = properties is not None and properties.get("date1904") in {"1", "true"}
    plain = Style(number_format("General"))
    return Workbook(tuple(_sheets(package, root)), tuple(_texts(package)), _styles(package, from_1904=from_1904), plain)


def elements(package: Package, part: str, *tags: str) -> Iterator[_Element]:
    """Elements of these local names as they end, in order; whoever takes one has to clear it."""
    from lxml import etree

    with package.open(part, MAX_XML) as stream:
        try:
            events = etree.iterparse(
                stream,
                events=("end",),
                tag=[f"{{*}}{tag}" for tag in tags],
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            )
            for _, element in events:
                yield element
        except etree.XMLSyntaxError as error:
            is_bomb = "amplification" in str(error) or "XML_PARSE_HUGE" in str(error)
            raise UnreadableDocument(TOO_MUCH if is_bomb else DAMAGED) from error


def forget(element: _Element) -> None:
    """Give back the memory of an element that was read, and of those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def rich_text(element: _Element) -> str:
    """The text of a shared or inline string, whose parts have their own formats; without the Japanese reading aids."""
    parts = []
    for child in element:
        tag = local(child)
        if tag == "t":
            parts.append(child.text or "")
        elif tag == "r":
            parts += [each.text or "" for each in child.iterfind("{*}t")]
    return unescaped("".join(parts))


def unescaped(text: str) -> str:
    """`_x000D_` and the like, which stand for characters that XML does not allow (ECMA-376, part 1, 22.9.2.19)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _sheets(package: Package, root: _Element) -> Iterator[SheetPart]:
    relations = package.relations(package.main)
    for sheet in root.iterfind("{*}sheets/{*}sheet"):
        relation = relations.get(id_of(sheet))
        kind, part = (relation.kind, relation.target) if relation is not None else ("worksheet", "")
        yield SheetPart(sheet.get("name") or "", part, kind, sheet.get("state") in {"hidden", "veryHidden"})


def _texts(package: Package) -> Iterator[str]:
    characters = count = 0
    for part in package.related(package.main, "sharedStrings"):
        for element in elements(package, part, "si"):
            text = rich_text(element)
            forget(element)
            count += 1
            characters += len(text)
            if count > MAX_TEXTS or characters > MAX_TEXT_CHARACTERS:
                raise TooLarge("The workbook holds more text than can be read at once. Split it and add the parts.")
            yield text


def _styles(package: Package, *, from_1904: bool) -> Sequence[Style]:
    """By the number that cells use. A damaged style sheet costs the formats, not the workbook."""
    part = next(package.related(package.main, "styles"), "")
    root = package.optional(part) if part else None
    if root is None:
        return ()
    codes = dict(BUILT_IN)
    for each in root.iterfind("{*}numFmts/{*}numFmt"):
        codes[whole(each.get("numFmtId"))] = attribute(each, "formatCode")
    bold = [_is_bold(font) for font in root.iterfind("{*}fonts/{*}font")]
    known: dict[str, Format] = {}
    styles = []
    for each in root.iterfind("{*}cellXfs/{*}xf"):
        code = codes.get(whole(each.get("numFmtId")), "General")
        if code not in known:
            known[code] = number_format(code, from_1904=from_1904)
        font = whole(each.get("fontId"))
        styles.append(Style(known[code], font < len(bold) and bold[font]))
    return styles


def _is_bold(font: _Element) -> bool:
    mark = find(font, "b")
    return mark is not None and mark.get("val") not in {"0", "false"}
