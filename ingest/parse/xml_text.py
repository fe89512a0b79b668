"""XML of any kind: records with their field names, documents by their titles and paragraphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from core.types import BlockKind, ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.records import Record, write_records
from ingest.parse.safe_xml import local, read_xml, text_of
from ingest.parse.text import one_line, readable_name

if TYPE_CHECKING:
    from lxml import etree

# Elements of DocBook, DITA, JATS, TEI and feeds, by their names without namespace.
_TITLES = frozenset({"title", "head", "heading"})
_PARAGRAPHS = frozenset(
    """
    para p simpara formalpara note abstract shortdesc description summary content cmd stepresult info context
    quote blockquote lq term dt dd glossterm caption ab
    """.split()
)
_LISTS = frozenset(
    {"itemizedlist", "orderedlist", "ul", "ol", "sl", "list", "steps", "substeps", "procedure", "simplelist"}
)
_ORDERED = frozenset({"orderedlist", "ol", "steps", "procedure"})
_ITEMS = frozenset({"listitem", "li", "sli", "item", "step", "substep", "member"})
_CODE = frozenset({"programlisting", "screen", "codeblock", "literallayout", "pre", "msgblock", "synopsis"})
_TABLES = frozenset({"table", "informaltable", "simpletable"})
_ROWS, _CELLS = frozenset({"row", "tr", "strow", "sthead"}), frozenset({"entry", "td", "th", "stentry"})
_WRAPPERS = frozenset(
    "back body bodydiv channel conbody content contents data document front group items refbody root section taskbody text".split()
)
"""Elements whose names say nothing about what is in them."""
_MIN_RECORDS = 2
_MAX_FIELDS = 60
_LONGEST_TITLE = 300
_TELLING_ATTRIBUTES = ("title", "name", "label", "caption", "id", "key")


class XmlParser:
    """Text in the order of the file, with the names of its elements where they say what a value is."""

    media_types: Iterable[str] = ("application/xml",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for XML bombs and what has no element; other broken XML is repaired."""
        xml = read_xml(data, repair=True)
        writer = BlockWriter()
        _Walk(writer).run(xml.root)
        writer.close()
        title = next((b.text for b in writer.blocks if b.kind is BlockKind.HEADING and b.level == 1), "")
        return ParsedDocument(
            _stated_title(xml.root) or title or readable_name(name), tuple(writer.blocks), losses=xml.losses
        )


class _Walk:
    """Recursive: the XML reader bounds the depth."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer

    def run(self, root: etree._Element) -> None:
        self._element(root, 0)

    def _element(self, element: etree._Element, level: int) -> None:
        name = local(element)
        if name in _CODE:
            self._writer.code(text_of(element))
        elif name in _LISTS and any(local(child) in _ITEMS for child in element):
            self._list(element, level, ordered=name in _ORDERED)
        elif name in _TABLES and (rows := list(_rows(element))):
            self._table(element, rows)
        elif name in _TITLES and not _has_inner_blocks(element):
            text = one_line(text_of(element))
            if len(text) <= _LONGEST_TITLE:
                self._writer.heading(text, max(level, 1))
            else:
                self._writer.paragraph(text)
        elif _is_flowing(element):
            self._flowing(element, level)
        elif len(element):
            self._container(element, level)
        else:
            self._leaf(element)

    def _container(self, element: etree._Element, level: int) -> None:
        has_title = any(local(child) in _TITLES for child in element)
        inner = level + 1 if has_title or level == 0 else level
        attributes = _attributes(element)
        if not has_title and level and (label := _label(element)):
            self._writer.heading(label, inner)
            inner += 1
        self._writer.paragraph("\n".join(f"{key}: {value}" for key, value in attributes))
        fields: Record = []
        for group in _groups(element):
            if len(group) >= _MIN_RECORDS and (records := _records(group)):
                self._fields(fields)
                write_records(records, self._writer, inner)
                continue
            for child in group:
                if _is_field(child):
                    fields += _field(child, "")
                    continue
                self._fields(fields)
                self._element(child, inner)
        self._fields(fields)

    def _fields(self, fields: Record) -> None:
        self._writer.paragraph("\n".join(f"{name}: {value}" for name, value in fields))
        fields.clear()

    def _flowing(self, element: etree._Element, level: int) -> None:
        """Text with elements in it: those that are blocks of their own end the paragraph."""
        parts = [element.text or ""]
        for child in element:
            if local(child) in _CODE | _LISTS | _TABLES | _PARAGRAPHS | _TITLES or _is_group(child):
                self._writer.paragraph(one_line("".join(parts)))
                parts = []
                self._element(child, level)
            else:
                parts.append(text_of(child))
            parts.append(child.tail or "")
        self._writer.paragraph(one_line("".join(parts)))

    def _leaf(self, element: etree._Element) -> None:
        for name, value in _field(element, ""):
            is_plain = local(element) in _PARAGRAPHS and name == local(element)
            self._writer.paragraph(value if is_plain else f"{name}: {value}")

    def _list(self, element: etree._Element, level: int, *, ordered: bool) -> None:
        for child in element:
            if local(child) in _TITLES:
                self._writer.paragraph(one_line(text_of(child)))
        self._writer.open_list(ordered=ordered)
        for child in element:
            if local(child) in _ITEMS:
                self._writer.open_item()
                if len(child):
                    self._flowing(child, level)
                else:
                    self._writer.paragraph(one_line(text_of(child)))
            elif local(child) not in _TITLES:
                self._element(child, level)
        self._writer.close_list()

    def _table(self, element: etree._Element, rows: list[list[str]]) -> None:
        for child in element:
            if local(child) in _TITLES | {"caption"}:
                self._writer.paragraph(one_line(text_of(child)))
        self._writer.table(rows)


def _groups(element: etree._Element) -> Iterator[list[etree._Element]]:
    """Consecutive children, those of one name together."""
    group: list[etree._Element] = []
    for child in element:
        if group and child.tag != group[0].tag:
            yield group
            group = []
        group.append(child)
    if group:
        yield group


def _records(group: list[etree._Element]) -> list[Record]:
    """The records that these elements are; none if one of them holds more than fields."""
    if local(group[0]) in _PARAGRAPHS | _CODE | _LISTS | _TABLES | _TITLES:
        return []
    records = []
    for element in group:
        record = _record(element)
        if record is None:
            return []
        records.append(record)
    return records if any(len(record) > 1 for record in records) else []


def _record(element: etree._Element) -> Record | None:
    if _is_flowing(element) or any(
        local(child) in _PARAGRAPHS - {"description", "summary", "content"} for child in element
    ):
        return None
    fields = _attributes(element)
    if not len(element):
        text = (element.text or "").strip()
        return [*fields, (local(element), text)] if text else fields
    for child in element:
        if _is_field(child) or (not len(child) and local(child) in _TITLES):
            fields += _field(child, "")
        elif all(_is_field(inner) for inner in child) and not _is_flowing(child):
            fields += _attributes(child, f"{local(child)}.")
            fields += [field for inner in child for field in _field(inner, f"{local(child)}.")]
        else:
            return None
        if len(fields) > _MAX_FIELDS:
            return None
    return _joined(fields)


def _joined(fields: Record) -> Record:
    """Fields of one name become one, with its values in a row."""
    counts = Counter(name for name, _ in fields)
    joined: dict[str, str] = {}
    for name, value in fields:
        joined[name] = f"{joined[name]}, {value}" if counts[name] > 1 and name in joined else value
    return list(joined.items())


def _is_field(element: etree._Element) -> bool:
    return (
        not len(element) and local(element) not in _TITLES | _PARAGRAPHS - {"description", "summary", "content"} | _CODE
    )


def _field(element: etree._Element, prefix: str) -> Record:
    name = prefix + local(element)
    text = one_line(element.text or "")
    attributes = _attributes(element, f"{name}.")
    if not text and len(attributes) == 1:
        return [(name, attributes[0][1])]
    return [*([(name, text)] if text else []), *attributes]


def _attributes(element: etree._Element, prefix: str = "") -> Record:
    """Attributes that are values; those of namespaces say how, not what."""
    return [
        (prefix + str(key), one_line(str(value)))
        for key, value in element.attrib.items()
        if not str(key).startswith("{") and str(value).strip()
    ]


def _label(element: etree._Element) -> str:
    """A heading for an element that only holds others: what it is called, or what it is."""
    stated = next((value for key in _TELLING_ATTRIBUTES if (value := element.get(key, "").strip())), "")
    is_plain = local(element).lower() in _WRAPPERS or all(local(c) in _PARAGRAPHS | _LISTS | _CODE for c in element)
    if not stated and is_plain:
        return ""
    return one_line(f"{local(element)} {stated}")[:_LONGEST_TITLE]


def _is_flowing(element: etree._Element) -> bool:
    """Whether text stands beside its elements, or it is a paragraph by name."""
    if not len(element):
        return local(element) in _PARAGRAPHS - {"description", "summary", "content"} and not element.attrib
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        return True
    return local(element) in {"para", "p", "simpara"}


def _is_group(element: etree._Element) -> bool:
    """Whether it holds several elements and no text: in one line, their texts would run into each other."""
    return len(element) > 1 and not _is_flowing(element)


def _has_inner_blocks(element: etree._Element) -> bool:
    return any(local(child) in _PARAGRAPHS | _LISTS | _TABLES | _TITLES for child in element)


def _rows(table: etree._Element) -> Iterator[list[str]]:
    """Without those of tables in its cells."""
    for child in table:
        if local(child) in _ROWS:
            cells = [one_line(text_of(cell)) for cell in child if local(cell) in _CELLS]
            if any(cells):
                yield cells
        else:
            yield from _rows(child)


def _stated_title(root: etree._Element) -> str:
    """The title of the whole: of the root itself, of what describes it, or of a feed's channel."""
    for holder in (
        root,
        *(child for child in root if local(child) in {"info", "bookinfo", "articleinfo", "channel", "front"}),
    ):
        for child in holder:
            if local(child) == "title":
                return one_line(text_of(child))[:_LONGEST_TITLE]
    return ""
