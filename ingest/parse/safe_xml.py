"""XML of strangers through lxml: no DTD, no network, no expansion of entities, bounded depth and number of elements."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import TooLarge, UnreadableDocument

if TYPE_CHECKING:
    from lxml import etree

MAX_TAGS = 6_000_000
"""Start and end tags; libxml2 keeps some 350 bytes for an element."""
_LONGEST_ENTITY = 200
_MARKUP = frozenset("<&%")
_LONE_AMPERSAND = re.compile(rb"&(?!#?[A-Za-z0-9_.:-]{1,64};)")
_LIMIT_WORDS = ("try XML_PARSE_HUGE", "use XML_PARSE_HUGE", "amplification", "entity reference loop", "entity nesting")
TOO_MUCH = "The XML in this file nests or repeats itself without measure, as an XML bomb does. It is not read."


@dataclass(frozen=True, slots=True)
class Xml:
    """A document that was read, and what was lost on the way."""

    root: etree._Element
    losses: tuple[str, ...] = ()


def parse_xml(data: bytes) -> etree._Element:
    """The root element of a well-formed document, without comments and processing instructions.

    Raises `UnreadableDocument` for what is not well-formed or works as a bomb, `TooLarge` for more than `MAX_TAGS`.
    """
    return read_xml(data).root


def read_xml(data: bytes, *, repair: bool = False) -> Xml:
    """As `parse_xml`, with what was lost; with `repair`, as much as can be read of a document that is not well-formed."""
    from lxml import etree

    if data.count(b"<") > MAX_TAGS:
        raise TooLarge(f"The file holds more than {MAX_TAGS // 2:,} XML elements. Split it and add the parts.")
    losses: list[str] = []
    try:
        root = etree.fromstring(data, _parser(etree, recover=False))
    except (etree.XMLSyntaxError, ValueError) as error:
        if any(words in str(error) for words in _LIMIT_WORDS):
            raise UnreadableDocument(TOO_MUCH) from error
        if not repair:
            raise UnreadableDocument("The file is damaged: its XML cannot be read.") from error
        root = _repaired(data, etree, error)
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        losses.append(f"The XML is not well-formed{where}; what could be read of it was.")
    if left_out := _settle_entities(root, etree):
        some = "One entity" if left_out == 1 else f"{left_out:,} entities"
        losses.append(f"{some} of the document type definition {'was' if left_out == 1 else 'were'} left out.")
    return Xml(root, tuple(losses))


def local(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_of(element: etree._Element) -> str:
    """All text inside an element."""
    return "".join(_texts(element))


def _texts(element: etree._Element) -> Iterator[str]:
    yield from (str(text) for text in element.itertext())


def _parser(etree: Any, *, recover: bool) -> Any:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )


def _repaired(data: bytes, etree: Any, cause: Exception) -> Any:
    parser = _parser(etree, recover=True)
    try:
        root = etree.fromstring(_LONE_AMPERSAND.sub(b"&amp;", data), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if any(words in entry.message for entry in parser.error_log for words in _LIMIT_WORDS):
        raise UnreadableDocument(TOO_MUCH) from cause
    if root is None:
        raise UnreadableDocument("The file is damaged: its XML cannot be read.") from cause
    return root


def _settle_entities(root: Any, etree: Any) -> int:
    """Put short entities of plain text in their places and take out all others; returns how many those were.

    Only text is put in, never another entity, so the text grows by a bounded factor and nothing else is read.
    """
    dtd = root.getroottree().docinfo.internalDTD
    known = {entity.name: entity.content or "" for entity in (dtd.iterentities() if dtd is not None else ())}
    left_out = 0
    for first in list(root.iter(etree.Entity)):
        if first.getparent() is None:  # taken out with the one before it
            continue
        anchor, parent = first.getprevious(), first.getparent()
        parts = [(parent.text if anchor is None else anchor.tail) or ""]
        reference = first
        while reference is not None and reference.tag is etree.Entity:
            text = _entity_text(reference.name, known)
            left_out += not text
            parts += [text, reference.tail or ""]
            following = reference.getnext()
            reference.tail = None
            parent.remove(reference)
            reference = following
        if anchor is None:
            parent.text = "".join(parts)
        else:
            anchor.tail = "".join(parts)
    return left_out


def _entity_text(name: str, known: Mapping[str, str]) -> str:
    text = known.get(name)
    if text is None:
        text = html.unescape(f"&{name};")
    return "" if len(text) > _LONGEST_ENTITY or _MARKUP & set(text) else text
