"""RTF, read here in one pass: text, tables, lists, headings and footnotes; what is drawn is counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.errors import UnreadableDocument
from core.types import BlockKind, ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.rtf_text import Page, Paragraph, whole_characters
from ingest.parse.rtf_words import (
    CHARACTERS,
    PARAGRAPH_ENDS,
    RUNNING,
    SEEN_THOUGH_STARRED,
    SYMBOLS,
    UNSEEN,
    heading_of_style,
    page_of_charset,
    page_of_number,
)
from ingest.parse.text import counted, keywords, readable_name
from ingest.parse.titles import believed_title, texts_of

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_MAX_DEPTH = 5000
_CODE_UNITS = 0x10000


class RtfParser:
    """Paragraphs, lists and tables as they stand, headings by their styles."""

    media_types: Iterable[str] = ("application/rtf",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for absurdly deep nesting; broken markup is read as far as it goes."""
        reader = _Reader(data)
        reader.run()
        blocks = tuple(reader.page.finished())
        losses = tuple(reader.losses())
        if losses and not blocks:
            raise UnreadableDocument("The file holds only pictures or objects, and no text.")
        first = next((b.text for b in blocks if b.kind is BlockKind.HEADING and b.level == 1), "")
        stated = believed_title(reader.info.get("title", ""), texts_of(blocks), name)
        return ParsedDocument(
            stated or first or readable_name(name),
            blocks,
            losses=losses,
            keywords=keywords(reader.info.get("keywords", "")),
        )


def plain_text(data: bytes) -> str:
    """The text alone, for formats that carry RTF inside."""
    reader = _Reader(data)
    reader.run()
    return "\n\n".join(block.text for block in reader.page.finished())


@dataclass(slots=True)
class _Group:
    """What a group inherits from the one around it."""

    place: str = "text"
    """`text`, `unseen`, or the name of a destination that is read otherwise."""
    font: int = -1
    fallbacks: int = 1
    """Characters after each `\\u`, for readers that know no Unicode."""
    is_hidden: bool = False
    style: int = -1
    outline: int = -1
    indent: int = 0
    in_table: bool = False
    parts: list[str] = field(default_factory=list)
    """Where its text goes unless to the page."""

    def inner(self) -> _Group:
        return _Group(
            self.place,
            self.font,
            self.fallbacks,
            self.is_hidden,
            self.style,
            self.outline,
            self.indent,
            self.in_table,
            self.parts,
        )


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.page = Page(BlockWriter())
        self.info: dict[str, str] = {}
        self._data = data
        self._group = _Group()
        self._outer: list[_Group] = []
        self._is_fresh = False
        """Whether the group has just begun, so that a destination may follow."""
        self._is_starred = False
        self._skip = 0
        self._bytes = bytearray()
        self._document_page = "cp1252"
        self._default_font = -1
        self._fonts: dict[int, str] = {}
        self._font = -1
        self._styles: dict[int, int] = {}
        self._style = -1
        self._style_outline = -1
        self._counts = {"pict": 0, "object": 0, "annotation": 0, "mmath": 0}

    def run(self) -> None:
        data, position = self._data, max(self._data.find(b"{\\rtf"), 0)
        while token := _TOKEN.match(data, position):
            position = token.end()
            word, number, code, symbol, brace, text = token.groups()
            if text is not None:
                self._text(text)
            elif word is not None:
                if word == b"bin":
                    position = min(position + max(int(number or 0), 0), len(data))
                else:
                    self._word(word.decode("ascii"), None if number is None else int(number))
            elif code is not None:
                self._text(bytes((int(code, 16),)))
            elif brace is not None:
                self._brace(brace)
            elif symbol is not None:
                self._symbol(symbol)
        self._flush()

    def losses(self) -> Iterable[str]:
        """What the file shows and the blocks do not."""
        yield from counted(self._counts["pict"], "picture", "has no text that could be read")
        yield from counted(self._counts["object"], "embedded object", "was left out")
        yield from counted(self._counts["annotation"], "comment", "was left out")
        yield from counted(self._counts["mmath"], "formula", "was left out")

    # ── tokens ──────────────────────────────────────────────────────────────────────────────────

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self._skip = 0
        self._is_starred = False
        if brace == b"{":
            if len(self._outer) >= _MAX_DEPTH:
                raise UnreadableDocument(f"The file nests its groups more than {_MAX_DEPTH:,} deep.")
            self._outer.append(self._group)
            self._group = self._group.inner()
            self._is_fresh = True
        elif self._outer:
            ended, self._group = self._group, self._outer.pop()
            if ended.place != self._group.place:
                self._leave(ended)
            self._is_fresh = False

    def _text(self, text: bytes) -> None:
        self._is_fresh = False
        if self._skip:
            dropped = min(self._skip, len(text))
            self._skip -= dropped
            text = text[dropped:]
        if text and self._group.place != "unseen" and not self._group.is_hidden:
            self._bytes += text

    def _symbol(self, symbol: bytes) -> None:
        character = symbol.decode("latin-1")
        if character == "*":
            self._is_starred = True
        elif character in "\r\n":
            self._word("par", None)
        elif character in SYMBOLS:
            if self._skip:
                self._skip -= 1
            else:
                self._put(SYMBOLS[character])

    def _word(self, word: str, number: int | None) -> None:
        is_fresh, is_starred = self._is_fresh, self._is_starred
        self._is_fresh = self._is_starred = False
        if self._group.place == "unseen":
            return
        if (is_fresh or is_starred) and self._entered(word, is_starred=is_starred):
            return
        if word == "u":
            self._unicode(number or 0)
        elif word in CHARACTERS:
            self._put(CHARACTERS[word])
        elif word in PARAGRAPH_ENDS:
            self._end_paragraph()
        elif word in {"cell", "nestcell", "row", "nestrow", "trowd", "cellx", "clvmrg", "clmrg"}:
            self._table(word)
        else:
            self._property(word, number)

    # ── destinations ────────────────────────────────────────────────────────────────────────────

    def _entered(self, word: str, *, is_starred: bool) -> bool:
        """Whether this word begins a destination; text in it then goes there or nowhere."""
        if word in self._counts:
            self._counts[word] += 1
        if word == "object":
            return True  # its result is text
        if word in UNSEEN or word in {"pict", "mmath"} or (is_starred and word not in SEEN_THOUGH_STARRED):
            self._group.place = "unseen"
            return True
        if word in RUNNING or word in {"footnote", "fonttbl", "stylesheet", "info", "listtext", "pntext"}:
            self._open(word)
            return True
        if self._group.place == "info":
            self._open(f"info {word}")
            return True
        if word in {"shptxt", "dptxbxtext"}:
            self._open("box")
            return True
        return False

    def _open(self, place: str) -> None:
        self._flush()
        self._group.place = place
        self._group.parts = []

    def _leave(self, ended: _Group) -> None:
        """A destination is complete."""
        place, text = ended.place, whole_characters("".join(ended.parts))
        if place.startswith("info "):
            self.info.setdefault(place[5:], text)
        elif place == "footnote":
            self.page.note(text)
        elif place in {"listtext", "pntext"}:
            self.page.marker(text)
        elif place == "box":
            self.page.box(text)
        elif place in RUNNING:
            self.page.running(text)

    # ── text ────────────────────────────────────────────────────────────────────────────────────

    def _unicode(self, number: int) -> None:
        self._put(chr(number % _CODE_UNITS))
        self._skip = self._group.fallbacks

    def _put(self, text: str) -> None:
        self._flush()
        if not self._group.is_hidden:
            self._write(text)

    def _write(self, text: str) -> None:
        place = self._group.place
        if place == "text":
            self.page.write(text)
        elif place == "stylesheet":
            self._style_name(text)
        elif place != "unseen":
            self._group.parts.append(text)

    def _flush(self) -> None:
        """Bytes become text when the next thing is none: characters may be several bytes, in any notation."""
        if self._bytes:
            page = self._fonts.get(self._group.font, "") or self._document_page
            text = self._bytes.decode(page, "replace")
            self._bytes.clear()
            self._write(text)

    def _end_paragraph(self) -> None:
        self._flush()
        if self._group.place != "text":
            self._write("\n")
            return
        group = self._group
        level = group.outline if group.outline >= 0 else self._styles.get(group.style, -1)
        self.page.end_paragraph(Paragraph(level, group.indent, group.in_table))

    def _table(self, word: str) -> None:
        self._flush()
        if self._group.place == "text":
            self.page.table(word)
        elif word in {"cell", "nestcell", "row", "nestrow"}:
            self._write(" " if "cell" in word else "\n")

    # ── properties ──────────────────────────────────────────────────────────────────────────────

    def _property(self, word: str, number: int | None) -> None:
        group, value = self._group, number if number is not None else 1
        match word:
            case "f":
                self._flush()
                group.font = self._font = value
            case "plain":
                self._flush()
                group.font, group.is_hidden = self._default_font, False
            case "v" | "deleted":
                self._flush()
                group.is_hidden = value != 0
            case "uc":
                group.fallbacks = min(max(value, 0), 100)
            case "pard":
                group.style, group.outline, group.indent, group.in_table = -1, -1, 0, False
            case "intbl":
                group.in_table = True
            case "ilvl":
                group.indent = value
            case "s":
                group.style = self._style = value
                self._style_outline = -1
            case "outlinelevel":
                group.outline = self._style_outline = value
            case _:
                self._encoding(word, value)

    def _encoding(self, word: str, value: int) -> None:
        match word:
            case "ansicpg":
                self._document_page = page_of_number(value) or self._document_page
            case "mac":
                self._document_page = "mac_roman"
            case "pc" | "pca":
                self._document_page = "cp437" if word == "pc" else "cp850"
            case "deff":
                self._default_font = self._group.font = value
            case "fcharset" if self._group.place == "fonttbl":
                self._fonts.setdefault(self._font, page_of_charset(value))
            case "cpg" if self._group.place == "fonttbl":
                self._fonts[self._font] = page_of_number(value)

    def _style_name(self, name: str) -> None:
        if self._style >= 0 and name.strip(" ;"):
            level = self._style_outline if self._style_outline >= 0 else heading_of_style(name) - 1
            self._styles[self._style] = level
            self._style = self._style_outline = -1
