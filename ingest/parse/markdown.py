"""Markdown (CommonMark with tables) through markdown-it-py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.types import BlockKind, ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.templating import strip_tags
from ingest.parse.text import keywords, one_line, readable_name

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"(?s)\A(?:---[ \t]*\n(.*?\n)??(?:---|\.\.\.)|\+\+\+[ \t]*\n(.*?\n)??\+\+\+)[ \t]*(?:\n|\Z)")
_TITLE_LINE = re.compile(r"^title[ \t]*[:=][ \t]*(.+?)[ \t]*$", re.MULTILINE)
_KEYWORDS = re.compile(
    r"^(?:keywords|tags)[ \t]*[:=]((?:[^\n]*)(?:\n[ \t]*-[ \t][^\n]*|\n[ \t]+[^\n]*)*)", re.MULTILINE
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ANCHOR = re.compile(r"(?<!\s)\s*\{[#:.][^{}]{0,200}\}\s*$")
_INLINE_TAG = re.compile(
    r"(?i)</?(?:a|abbr|b|br|cite|code|em|i|kbd|mark|small|span|strong|sub|sup|u)(?:\s[^<>]{0,200})?/?>"
)
_BREAK = re.compile(r"<br\b[^>]*>", re.IGNORECASE)


class MarkdownParser:
    """Headings, paragraphs, lists with their markers, tables and code; emphasis and link targets are left out."""

    media_types: Iterable[str] = ("text/markdown",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Never fails on the Markdown itself: every text is Markdown."""
        decoded = decode(data)
        text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
        front, body = _front_matter(text)
        writer = BlockWriter()
        _write(_tokens(body if front is None else strip_tags(body)), writer)
        first = next((b.text for b in writer.blocks if b.kind is BlockKind.HEADING and b.level == 1), "")
        return ParsedDocument(
            _title(front or "") or first or readable_name(name),
            tuple(writer.blocks),
            losses=decoded.losses,
            keywords=_keywords(front or ""),
        )


def _front_matter(text: str) -> tuple[str | None, str]:
    """The front matter (None if there is none), and the text below it."""
    match = _FRONT_MATTER.match(text)
    return (match[1] or match[2] or "", text[match.end() :]) if match else (None, text)


def _title(front: str) -> str:
    line = _TITLE_LINE.search(front)
    return _unquoted(line[1]) if line else ""


def _keywords(front: str) -> str:
    """`keywords: one, two`, `tags: [one, two]`, or a list below the name."""
    return keywords(" ".join(match[1] for match in _KEYWORDS.finditer(front)))


def _unquoted(value: str) -> str:
    if value[1:] and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1].replace("''", "'") if value[0] == "'" else value[1:-1].replace('\\"', '"')
    return "" if value in {"|", ">", "|-", ">-", "null", "~"} else one_line(_INLINE_TAG.sub("", value))


def _tokens(text: str) -> Sequence[Token]:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def _write(tokens: Sequence[Token], writer: BlockWriter) -> None:
    """One pass over the flat token list; what is inside a table is collected row by row."""
    rows: list[list[str]] = []
    heading = 0
    for token in tokens:
        match token.type:
            case "tr_open":
                rows.append([])
            case "table_close":
                writer.table(rows)
                rows = []
            case "heading_open":
                heading = int(token.tag[1:])
            case "heading_close":
                heading = 0
            case "inline" if rows:
                rows[-1].append(_text(token))
            case "inline" if heading:
                writer.heading(_ANCHOR.sub("", _text(token)), heading)
            case _:
                _write_token(token, writer)
    writer.close()


def _write_token(token: Token, writer: BlockWriter) -> None:
    match token.type:
        case "inline":
            writer.paragraph(_text(token))
        case "fence" | "code_block":
            writer.code(token.content)
        case "html_block":
            _write_html(token.content, writer)
        case "bullet_list_open":
            writer.open_list(ordered=False, bullet=token.markup)
        case "ordered_list_open":
            writer.open_list(ordered=True, start=int(token.attrGet("start") or 1))
        case "list_item_open":
            writer.open_item()
        case "bullet_list_close" | "ordered_list_close":
            writer.close_list()


def _text(inline: Token) -> str:
    """The visible text of an inline token: link texts, the alternative texts of images, code without its marks."""
    parts: list[str] = []
    for token in inline.children or ():
        match token.type:
            case "text" | "code_inline":
                parts.append(token.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(_text(token))
            case "html_inline" if _BREAK.match(token.content):
                parts.append("\n")
    return "".join(parts)


def _write_html(source: str, writer: BlockWriter) -> None:
    source = _COMMENT.sub("", source)
    if not source.strip():
        return
    from ingest.parse.html import write_fragment

    write_fragment(source, writer)
