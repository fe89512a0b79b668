"""The tree that docutils makes of a document, to blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from core.types import Block
from ingest.parse.blocks import BlockWriter
from ingest.parse.text import counted, one_line

if TYPE_CHECKING:
    from docutils import nodes

_MAX_REPARSED = 6
"""Levels of directives that docutils does not know, one within the other."""
_ROLE = re.compile(r":[A-Za-z][\w:.+-]{0,60}:`([^`]+)`|`([^`]+)`:[A-Za-z][\w:.+-]{0,60}:")
_TARGET = re.compile(r"\s{0,20}<[^<>]*>\s{0,20}$")
_DIRECTIVE = re.compile(r"\.\. (?:\|[^|\n]*\| )?([\w:.+-]+)::[ \t]*(.*)\n?")
_OPTION = re.compile(r"[ \t]*:[\w-]+:.*\n?")
_CODE = frozenset(
    "graphviz digraph graph mermaid uml plantuml prompt ipython doctest testcode testoutput testsetup console "
    "productionlist code code-block sourcecode parsed-literal".split()
)
_DROPPED = frozenset(
    "toctree index literalinclude currentmodule module py:module py:currentmodule highlight tabularcolumns default-domain "
    "automodule include raw".split()
)
_LEFT_OUT = frozenset("comment target substitution_definition pending raw decoration generated problematic".split())
_LABELS = {
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "note": "Note",
    "tip": "Tip",
    "warning": "Warning",
    "seealso": "See also",
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
}


class RstWriter:
    """Call `write` once, then take what was `finished`."""

    def __init__(self, writer: BlockWriter, parse: Callable[[str], nodes.document]) -> None:
        self._writer = writer
        self._parse = parse
        self._label = ""
        """Put before the next paragraph: what a box is called, a term, the number of a footnote."""
        self._level = 0
        self._reparsed = 0
        self._pictures = 0
        self.keywords: list[str] = []

    def finished(self) -> tuple[Block, ...]:
        self._flush()
        self._writer.close()
        return tuple(self._writer.blocks)

    def losses(self) -> Iterator[str]:
        yield from counted(self._pictures, "picture", "has no text that could be read")

    def write(self, node: Any) -> None:
        method = getattr(self, f"_{node.tagname}", None) if node.tagname not in _LEFT_OUT else self._nothing
        if method is None:
            method = self._box if node.tagname in _LABELS else self._children
        method(node)

    def _nothing(self, node: Any) -> None:
        """Not shown, or shown where it is referred to."""

    def _children(self, node: Any) -> None:
        for child in getattr(node, "children", ()):
            self.write(child)

    def _section(self, node: Any) -> None:
        if "system-messages" in node["classes"]:
            return
        self._level += 1
        self._children(node)
        self._level -= 1

    def _title(self, node: Any) -> None:
        if node.parent.tagname == "section":
            self._flush()
            self._writer.heading(_text(node), self._level)
        else:
            self._say(_text(node))

    def _paragraph(self, node: Any) -> None:
        self._say(_text(node))

    _attribution = _caption = _rubric = _subtitle = _paragraph

    def _say(self, text: str) -> None:
        label, self._label = self._label, ""
        self._writer.paragraph(f"{label} {text}".strip() if text else label)

    def _flush(self) -> None:
        if self._label:
            self._say("")

    # ── lists ─────────────────────────────────────────────────────────────────────────────────────

    def _bullet_list(self, node: Any) -> None:
        self._list(node, ordered=False)

    def _enumerated_list(self, node: Any) -> None:
        self._list(node, ordered=True)

    def _list(self, node: Any, *, ordered: bool) -> None:
        self._flush()
        self._writer.open_list(ordered=ordered, start=int(node.get("start", 1)))
        for item in node.children:
            self._writer.open_item()
            self._children(item)
            self._flush()
        self._writer.close_list()

    def _definition_list_item(self, node: Any) -> None:
        terms = [_text(child) for child in node.children if child.tagname in {"term", "classifier"}]
        self._flush()
        self._label = f"{' : '.join(terms)}\n"
        for child in node.children:
            if child.tagname == "definition":
                self._children(child)
        self._flush()

    def _field(self, node: Any) -> None:
        name, body = node.children
        self._label = f"{_text(name)}:"
        self._children(body)
        self._flush()

    def _docinfo(self, node: Any) -> None:
        for child in node.children:
            if child.tagname in {"field", "authors"}:
                self.write(child)
            else:
                self._say(f"{child.tagname.replace('_', ' ').title()}: {_text(child)}")

    def _authors(self, node: Any) -> None:
        self._say("Authors: " + ", ".join(_text(child) for child in node.children))

    def _option_list_item(self, node: Any) -> None:
        group, description = node.children
        self._label = ", ".join(option.astext() for option in group.children)
        self._children(description)
        self._flush()

    # ── blocks ────────────────────────────────────────────────────────────────────────────────────

    def _literal_block(self, node: Any) -> None:
        self._flush()
        self._writer.code(node.astext())

    _doctest_block = _math_block = _literal_block

    def _line_block(self, node: Any) -> None:
        self._say("\n".join(_verses(node)))

    def _box(self, node: Any) -> None:
        self._flush()
        self._label = f"{_LABELS[node.tagname]}:"
        self._children(node)
        self._flush()

    def _admonition(self, node: Any) -> None:
        self._flush()
        self._label = f"{_text(node.children[0])}:" if node.children else ""
        for child in node.children[1:]:
            self.write(child)
        self._flush()

    def _topic(self, node: Any) -> None:
        if "contents" not in node["classes"]:
            self._children(node)

    def _footnote(self, node: Any) -> None:
        label = next((_text(child) for child in node.children if child.tagname == "label"), "")
        self._label = f"[{label}]" if label else ""
        for child in node.children:
            if child.tagname != "label":
                self.write(child)
        self._flush()

    _citation = _footnote

    def _image(self, node: Any) -> None:
        if node.get("alt"):
            self._say(one_line(node["alt"]))
        else:
            self._pictures += 1

    def _meta(self, node: Any) -> None:
        if node.get("name", "").lower() == "keywords":
            self.keywords.append(node.get("content", ""))

    def _table(self, node: Any) -> None:
        self._flush()
        for child in node.children:
            if child.tagname == "title":
                self._say(_text(child))
            elif child.tagname == "tgroup":
                self._writer.table(_rows(child))

    # ── what docutils does not know ───────────────────────────────────────────────────────────────

    def _system_message(self, node: Any) -> None:
        """Of an unknown directive, the text is written; messages themselves are about the markup."""
        source = next((child for child in node.children if child.tagname == "literal_block"), None)
        match = _DIRECTIVE.match(source.astext()) if source is not None else None
        if source is None or match is None or match[1] in _DROPPED:
            return
        options = source.astext()[match.end() :]
        while (option := _OPTION.match(options)) and option[0]:
            options = options[option.end() :]
        self._directive(match[1].rsplit(":", 1)[-1].lower(), one_line(_plain(match[2])), dedent(options).strip("\n"))

    def _directive(self, name: str, argument: str, content: str) -> None:
        if name in _LABELS:
            self._flush()
            self._label = f"{_LABELS[name]} {argument}:".replace(" :", ":")
        elif argument and name not in _CODE:
            self._say(argument)
        if name in _CODE:
            self._writer.code(content)
        elif content and self._reparsed < _MAX_REPARSED:
            self._reparsed += 1
            self._children(self._parse(content))
            self._reparsed -= 1
        elif content:
            self._say(content)
        self._flush()


def _text(node: Any) -> str:
    """Text with what stands for pictures in it, without the marks of roles that docutils does not know."""
    return _plain("".join(_pieces(node)).replace("\n", " ").strip())


def _pieces(node: Any) -> Iterator[str]:
    if node.tagname == "#text":
        yield node.astext()
    elif node.tagname == "image":
        yield node.get("alt", "")
    elif node.tagname in {"footnote_reference", "citation_reference"}:
        yield f"[{node.astext()}]"
    elif node.tagname not in _LEFT_OUT or node.tagname in {"problematic", "target", "generated"}:
        for child in node.children:
            yield from _pieces(child)


def _plain(text: str) -> str:
    return _ROLE.sub(lambda match: _TARGET.sub("", match[1] or match[2]).lstrip("~!") or match[1] or "", text)


def _verses(node: Any, depth: int = 0) -> Iterator[str]:
    for child in node.children:
        if child.tagname == "line_block":
            yield from _verses(child, depth + 1)
        else:
            yield _text(child)


def _rows(group: Any) -> Sequence[Sequence[str]]:
    """A cell over several rows stands in each of them, one over several columns in the first."""
    rows: list[list[str]] = []
    below: dict[int, tuple[int, str]] = {}
    for row in _children_named(group, "row"):
        cells: list[str] = []
        for entry in row.children:
            _take_over(cells, below)
            text = one_line(" ".join(_cell(child) for child in entry.children))
            width, height = entry.get("morecols", 0), entry.get("morerows", 0)
            for index in range(width + 1):
                if height:
                    below[len(cells)] = (height, "" if index else text)
                cells.append("" if index else text)
        _take_over(cells, below)
        rows.append(cells)
    return rows


def _take_over(cells: list[str], below: dict[int, tuple[int, str]]) -> None:
    while (column := len(cells)) in below:
        left, text = below.pop(column)
        if left > 1:
            below[column] = (left - 1, text)
        cells.append(text)


def _children_named(node: Any, name: str) -> Iterable[Any]:
    return [row for part in node.children for row in part.children if row.tagname == name]


def _cell(node: Any) -> str:
    if node.tagname in {"#text", "paragraph", "literal_block"} or not node.children:
        return _text(node)
    return " ".join(_cell(child) for child in node.children)
