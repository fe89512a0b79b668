"""Text bodies of slides: paragraphs and lists, which PowerPoint tells apart only by bullets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.types import Block, BlockKind
from ingest.parse.blocks import MAX_INDENT, BlockWriter
from ingest.parse.drawing import paragraph_text
from ingest.parse.ooxml import find, whole
from ingest.parse.text import tidy

if TYPE_CHECKING:
    from lxml.etree import _Element

_MIN_ITEMS = 2


def write_text(body: _Element, writer: BlockWriter, *, is_list: bool) -> None:
    """`is_list` is what the layout says of paragraphs that say nothing themselves; a lone one is a paragraph."""
    paragraphs = [(each, tidy(paragraph_text(each))) for each in body.iterfind("{*}p")]
    paragraphs = [(each, text) for each, text in paragraphs if text]
    is_list = is_list and len(paragraphs) >= _MIN_ITEMS
    items: list[str] = []
    counts: dict[int, int] = {}
    for each, text in paragraphs:
        level = _level(each)
        marker = _marker(each, counts, level, is_list=is_list)
        if marker:
            lines = text.split("\n")
            indent = "  " * min(level, MAX_INDENT)
            items += [f"{indent}{marker} {lines[0]}", *(indent + " " * (len(marker) + 1) + line for line in lines[1:])]
        else:
            _flush(items, writer)
            writer.paragraph(text)
    _flush(items, writer)


def _flush(items: list[str], writer: BlockWriter) -> None:
    if items:
        writer.blocks.append(Block("\n".join(items), BlockKind.LIST))
        items.clear()


def _level(paragraph: _Element) -> int:
    properties = find(paragraph, "pPr")
    level = properties.get("lvl", "0") if properties is not None else "0"
    return int(level) if level in set("012345678") else 0


def _marker(paragraph: _Element, counts: dict[int, int], level: int, *, is_list: bool) -> str:
    properties = find(paragraph, "pPr")
    numbered = find(properties, "buAutoNum")
    for deeper in [each for each in counts if each > level or (each == level and numbered is None)]:
        del counts[deeper]
    if numbered is not None:
        counts[level] = counts[level] + 1 if level in counts else whole(numbered.get("startAt"), 1)
        return f"{counts[level]}."
    if find(properties, "buNone") is not None:
        return ""
    has_bullet = find(properties, "buChar") is not None or find(properties, "buBlip") is not None
    return "-" if has_bullet or is_list else ""
