"""What the HTML parser asks about elements, and the walk over them."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from html import unescape
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

# fmt: off
NEVER_SHOWN = frozenset({
    "audio", "button", "canvas", "datalist", "embed", "head", "iframe", "input", "link", "map", "meta", "noscript",
    "object", "script", "select", "style", "svg", "template", "textarea", "title", "video",
})
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup",
    "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "ul",
})
# fmt: on
_CLOSED_TAGS = re.compile(
    r"(?i)<(/?)(?:a|article|b|blockquote|center|details|div|em|fieldset|font|form|h[1-6]|i|main|nav|ol|section|small|span|"
    r"strong|sub|sup|table|u|ul)\b"
)
_WHITE = re.compile(r"[ \t\n\r\f]+")
_UNSHOWN = re.compile(r"(?is)<!--.*?(?:-->|\Z)|<(head|script|style|title)\b.*?(?:</\1\b[^<>]*>?|\Z)")
_TAG = re.compile(r"<[^<>]*>")
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_MAX_STYLE = 1000
_PERMALINKS = frozenset({"#", "¶", "§", "🔗"})

Event = Literal["text", "leave"]


def nesting(source: str) -> int:
    """About how deep the elements that have to be closed are nested, by counting tags."""
    deepest = depth = 0
    for tag in _CLOSED_TAGS.finditer(source):
        depth = max(depth - 1, 0) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def bare_text(source: str) -> str:
    """What is left of HTML without its tags, each of which ends a line."""
    lines = unescape(_TAG.sub("\n", _UNSHOWN.sub("", source))).split("\n")
    return "\n".join(line for line in lines if line.strip())


def events(root: LexborNode, enter: Callable[[LexborNode], bool]) -> Iterator[tuple[Event, LexborNode]]:
    """Texts and ends of the elements inside `root`; `enter` is called at their starts and may refuse one."""
    open_elements: list[LexborNode] = []
    node = root.child
    while node is not None:
        if node.is_text_node:
            yield "text", node
        elif node.is_element_node and enter(node):
            if node.child is not None:
                open_elements.append(node)
                node = node.child
                continue
            yield "leave", node
        while node.next is None and open_elements:
            node = open_elements.pop()
            yield "leave", node
        node = node.next


def flowed(text: str) -> str:
    """White space of markup, which a browser shows as one blank."""
    return _WHITE.sub(" ", text)


def is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    style = attributes.get("style")
    return bool(style and _HIDDEN_STYLE.search(style[:_MAX_STYLE]))


def number(node: LexborNode, attribute: str) -> int | None:
    """A list's `start` or an item's `value`; None unless it is a number of a sane size."""
    value = node.attributes.get(attribute) or ""
    return int(value) if re.fullmatch(r"\d{1,6}", value, re.ASCII) else None


def contains(node: LexborNode, tags: Container[str | None]) -> bool:
    """Whether an element with one of these tags is inside."""
    found = False

    def enter(inner: LexborNode) -> bool:
        nonlocal found
        found = found or inner.tag in tags
        return not found

    for _ in events(node, enter):
        if found:
            break
    return found


def inner_text(node: LexborNode, *, keep_space: bool = False) -> str:
    """The text a reader sees inside an element, without the marks that link a heading to itself."""
    parts: list[str] = []

    def enter(inner: LexborNode) -> bool:
        tag = inner.tag or ""
        if tag in NEVER_SHOWN or is_hidden(inner) or (tag == "a" and _is_permalink(inner)):
            return False
        if tag == "br" or tag in BLOCKS:
            parts.append("\n")
        elif tag == "img":
            parts.append(f" {inner.attributes.get('alt') or ''} ")
        return True

    for event, inner in events(node, enter):
        if event == "text":
            text = inner.text_content or ""
            parts.append(text if keep_space else flowed(text))
        elif inner.tag in BLOCKS:
            parts.append("\n")
    return "".join(parts)


def _is_permalink(link: LexborNode) -> bool:
    only = link.child
    if only is None or only.next is not None or not only.is_text_node:
        return False
    return (only.text_content or "").strip() in _PERMALINKS
