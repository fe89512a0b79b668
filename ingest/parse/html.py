"""HTML through selectolax (lexbor, which repairs broken markup as browsers do)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.errors import UnreadableDocument
from core.types import BlockKind, ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.html_nodes import (
    BLOCKS,
    NEVER_SHOWN,
    bare_text,
    contains,
    events,
    flowed,
    inner_text,
    is_hidden,
    nesting,
    number,
)
from ingest.parse.html_tables import caption, data_rows
from ingest.parse.text import keywords, one_line, readable_name

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MAX_HEADING = 300
"""Characters; an unclosed heading swallows the text that follows it, and such a one is read as text."""
_LISTS = frozenset({"ul", "ol", "menu"})
_ALWAYS_BOILERPLATE = frozenset({"nav", "footer"})
_OUTER_BOILERPLATE = frozenset({"header", "aside"})
_ALWAYS_BOILERPLATE_ROLES = frozenset({"navigation", "search", "dialog", "menu", "menubar"})
_OUTER_BOILERPLATE_ROLES = frozenset({"banner", "contentinfo", "complementary"})
_MAIN = ("main", "[role=main]", "article")
_MAX_NESTING = 5000
"""The HTML standard's tree construction looks at all open elements for each new one; browsers stop at 512."""
_MAIN_SHARE = 0.5
"""The part of a page's text that its main element must hold to be taken for all of it."""


class HtmlParser:
    """The readable part of a page: without menus, scripts and hidden elements."""

    media_types: Iterable[str] = ("text/html",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for absurdly deep nesting; broken markup is repaired."""
        from selectolax.lexbor import LexborHTMLParser

        decoded = decode(data, declared=True)
        if nesting(decoded.text) > _MAX_NESTING:
            raise UnreadableDocument(f"The page nests its elements more than {_MAX_NESTING:,} deep.")
        tree = LexborHTMLParser(decoded.text)
        body = tree.body or tree.root
        writer = BlockWriter()
        if body is not None:
            _Walk(writer, skip_boilerplate=True).run(_main_part(body))
            if not writer.blocks:
                _Walk(writer, skip_boilerplate=False).run(body)
        first = next((b.text for b in writer.blocks if b.kind is BlockKind.HEADING and b.level == 1), "")
        node = tree.css_first("head > title")
        title = one_line(inner_text(node)) if node is not None else ""
        if first and title.startswith(first):  # "Leave policy | Intranet of Contoso"
            title = first
        return ParsedDocument(
            title or first or readable_name(name),
            tuple(writer.blocks),
            losses=decoded.losses,
            keywords=keywords(_stated_keywords(tree)),
        )


def write_fragment(source: str, writer: BlockWriter) -> bool:
    """The blocks of a piece of HTML inside another format; False if it nests too deeply, and only its text is taken."""
    from selectolax.lexbor import LexborHTMLParser

    if nesting(source) > _MAX_NESTING:
        writer.paragraph(bare_text(source))
        return False
    body = LexborHTMLParser(source).body
    if body is not None:
        _Walk(writer, skip_boilerplate=False).run(body)
    return True


def _main_part(body: LexborNode) -> LexborNode:
    whole = None
    for selector in _MAIN:
        found = body.css(selector)
        if len(found) == 1:
            whole = whole if whole is not None else _length(body)
            if _length(found[0]) >= _MAIN_SHARE * whole:
                return found[0]
    return body


def _length(node: LexborNode) -> int:
    writer = BlockWriter()
    _Walk(writer, skip_boilerplate=True).run(node)
    return sum(len(block.text) for block in writer.blocks)


def _stated_keywords(tree: LexborHTMLParser) -> str:
    stated = [node.attributes for node in tree.css("head > meta[name]")]
    return " ".join(each.get("content") or "" for each in stated if (each["name"] or "").lower() == "keywords")


class _Walk:
    """Visits elements in document order without recursion, so that nesting of any depth is fine."""

    def __init__(self, writer: BlockWriter, *, skip_boilerplate: bool) -> None:
        self._writer = writer
        self._skip_boilerplate = skip_boilerplate
        self._inline: list[str] = []
        self._articles = 0
        self._headers = 0
        self._lists = 0

    def run(self, root: LexborNode) -> None:
        self._articles = 0 if root.tag == "body" else 1
        for event, node in events(root, self._enter):
            if event == "text":
                self._inline.append(flowed(node.text_content or ""))
            else:
                self._leave(node)
        self._flush()
        for _ in range(self._lists):
            self._writer.close_list()

    def _enter(self, node: LexborNode) -> bool:
        """Handle the start of an element; False leaves out what is inside it."""
        tag = node.tag or ""
        if tag in NEVER_SHOWN or is_hidden(node) or self._is_boilerplate(node, tag):
            return False
        if self._took_whole(node, tag):
            return False
        if tag in BLOCKS:
            self._flush()
        if tag in {"article", "main"}:
            self._articles += 1
        elif tag == "header":
            self._headers += 1
        elif tag in _LISTS:
            self._lists += 1
            self._writer.open_list(ordered=tag == "ol", start=number(node, "start") or 1)
        elif tag == "li" and self._lists:
            self._writer.open_item(number(node, "value"))
        elif tag == "br":
            self._inline.append("\n")
        elif tag == "img":
            self._inline.append(f" {one_line(node.attributes.get('alt') or '')} ")
        return True

    def _took_whole(self, node: LexborNode, tag: str) -> bool:
        """Headings, code and data tables are read in one go."""
        if tag in _HEADINGS:
            if contains(node, BLOCKS):
                return False
            text = one_line(inner_text(node))
            if len(text) > _MAX_HEADING:
                return False
            self._flush()
            self._writer.heading(text, _HEADINGS[tag])
            return True
        if tag == "pre":
            self._flush()
            self._writer.code(inner_text(node, keep_space=True))
            return True
        if tag == "table" and (rows := data_rows(node)):
            self._flush()
            self._writer.paragraph(caption(node))
            self._writer.table(rows)
            return True
        return False

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag in BLOCKS:
            self._flush()
        if tag in {"article", "main"}:
            self._articles -= 1
        elif tag == "header":
            self._headers -= 1
        elif tag in _LISTS:
            self._lists -= 1
            self._writer.close_list()

    def _is_boilerplate(self, node: LexborNode, tag: str) -> bool:
        if not self._skip_boilerplate:
            return False
        role = (node.attributes.get("role") or "").lower()
        if tag in _ALWAYS_BOILERPLATE or role in _ALWAYS_BOILERPLATE_ROLES:
            return True
        if self._articles:
            return self._headers > 0 and tag in _LISTS
        return tag in _OUTER_BOILERPLATE or role in _OUTER_BOILERPLATE_ROLES

    def _flush(self) -> None:
        if self._inline:
            self._writer.paragraph("".join(self._inline))
            self._inline = []
