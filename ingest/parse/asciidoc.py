"""AsciiDoc (docs.asciidoctor.org/asciidoc/latest) as far as text needs it: no kept library for Python reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from core.types import BlockKind, ParsedDocument
from ingest.parse.asciidoc_text import plain, substituted, table_rows
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.html import write_fragment
from ingest.parse.text import clean, counted, keywords, one_line, readable_name

_SECTION = re.compile(r"(={1,6}|#{1,6})[ \t]{1,20}(\S.{0,1000}?)(?:[ \t]{1,20}\1)?$")
_ENTRY = re.compile(r":(!?[\w-]{1,100}!?):(?:[ \t]+(.*))?$")
_FENCE = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|`{3,}\w*|[|,:!]={3,})$")
_ATTRIBUTES = re.compile(r"\[([^\]\n]{0,2000})\]$")
_ANCHOR = re.compile(r"\[\[[^\]\n]{1,300}\]\]$")
_TITLE = re.compile(r"\.([^\s.].*)$")
_ITEM = re.compile(r"[ \t]*(\*{1,6}|-|\.{1,6}|\d{1,4}\.|[a-zA-Z]\.|<(?:\d{1,3}|\.)>)[ \t]+(\S.*)$")
_CHECK = re.compile(r"\[([ xX*])\][ \t]+")
_TERM = re.compile(r"[ \t]*(\S.{0,300}?)(:{2,4}|;;)(?:[ \t]+(\S.*))?$")
_MACRO = re.compile(r"(include|image|video|audio|toc|ifdef|ifndef|ifeval|endif)::([^\[\]]{0,1000})\[(.*)\]$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+")
_LABELS = frozenset({"NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"})
_RULE = re.compile(r"(?:'{3,}|<{3,}|-{3}|\*{3}|- - -|\* \* \*)$")
_COLS = re.compile(r"""cols=(?:"([^"]*)"|'([^']*)'|([^,\]]*))""")
_CALLOUT = re.compile(r"[ \t]*(?://|#|--|;;)?[ \t]*<(?:\d{1,3}|\.|!--\d{1,3}--)>$")
_LINE_END = re.compile(r"(?<! \+)\n[ \t]*")
_SEPARATORS = {"|": "|", ",": ",", ":": ":", "!": "|"}
_MAX_DEPTH = 20


class AsciidocParser:
    """Headings, paragraphs, lists, tables and code; nothing is included."""

    media_types: Iterable[str] = ("text/asciidoc",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Never fails: what is no markup is text."""
        decoded = decode(data)
        reader = _Reader()
        reader.read(clean(decoded.text).split("\n"))
        reader.writer.close()
        blocks = tuple(reader.writer.blocks)
        first = next((block.text for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")
        named = f"{reader.attributes.get('keywords', '')} {reader.attributes.get('tags', '')}"
        return ParsedDocument(
            first or readable_name(name),
            blocks,
            losses=(*decoded.losses, *reader.losses()),
            keywords=keywords(named),
        )


class _Reader:
    """Goes through the lines once; what a fence encloses is read by itself."""

    def __init__(self) -> None:
        self.writer = BlockWriter()
        self.attributes: dict[str, str] = {}
        self._style = ""
        self._lists: list[str] = []
        """Markers of the open lists, from the outermost inwards."""
        self._conditions: list[bool] = []
        self._depth = 0
        self._included = 0
        self._pictures = 0

    def losses(self) -> Iterator[str]:
        yield from counted(self._included, "file that it includes", "was not read", "files that it includes")
        yield from counted(self._pictures, "picture or video", "has no text that could be read", "pictures or videos")

    def read(self, lines: Sequence[str]) -> None:
        if self._depth > _MAX_DEPTH:
            self.writer.paragraph("\n".join(lines))
            return
        self._depth += 1
        index = 0
        while index < len(lines):
            index = self._next(lines, index)
        self._depth -= 1

    def _next(self, lines: Sequence[str], index: int) -> int:
        """Handles what begins at that line; the index of what follows."""
        line = lines[index].rstrip()
        if macro := _MACRO.match(line):
            self._macro(macro)
        elif not all(self._conditions):
            pass
        elif not line.strip():
            return self._empty(lines, index)
        elif _FENCE.match(line) and not (line == "--" and self._lists and not self._style):
            return self._fenced(lines, index)
        elif not self._is_small(line):
            return self._text(line, lines, index)
        return index + 1

    def _text(self, line: str, lines: Sequence[str], index: int) -> int:
        if section := _SECTION.match(line):
            self._end_lists()
            self.writer.heading(self._plain(section[2]), len(section[1]))
            return self._after_title(lines, index + 1) if len(section[1]) == 1 else index + 1
        if item := _ITEM.match(line):
            return self._item(item, lines, index)
        if term := _TERM.match(line):
            return self._term(term, lines, index)
        return self._paragraph(lines, index)

    def _plain(self, text: str) -> str:
        return plain(text, self.attributes)

    # ── lines ─────────────────────────────────────────────────────────────────────────────────────

    def _is_small(self, line: str) -> bool:
        """Comments, attributes, styles, titles of blocks, rules, and the sign that joins a block to a list item."""
        if line.startswith("//") or _RULE.match(line) or line == "+" or _ANCHOR.match(line):
            return True
        if entry := _ENTRY.match(line):
            self._set(entry[1], entry[2] or "")
            return True
        if attributes := _ATTRIBUTES.match(line):
            self._style = attributes[1]
            return True
        if title := _TITLE.match(line):
            self.writer.paragraph(self._plain(title[1]))
            return True
        return False

    def _set(self, name: str, value: str) -> None:
        bare = name.strip("!").lower()
        if bare != name.lower():
            self.attributes.pop(bare, None)
        else:
            self.attributes[bare] = substituted(value.strip().removesuffix("\\").strip(), self.attributes)[:2000]

    def _after_title(self, lines: Sequence[str], index: int) -> int:
        """Author and revision below the document's title, up to the first empty line."""
        while index < len(lines) and (line := lines[index].strip()):
            if not self._is_small(line):
                if _SECTION.match(line) or _FENCE.match(line):
                    break
                self.writer.paragraph(self._plain(line))
            index += 1
        return index

    def _macro(self, macro: re.Match[str]) -> None:
        kind, target, text = macro.groups()
        if kind == "endif":
            if self._conditions:
                self._conditions.pop()
        elif kind in {"ifdef", "ifndef", "ifeval"}:
            self._condition(kind, target, text)
        elif not all(self._conditions):
            return
        elif kind == "include":
            self._included += 1
        elif kind != "toc":
            alternative = one_line(self._plain(text.split(",")[0])) if "=" not in text.split(",")[0] else ""
            if alternative and kind == "image":
                self.writer.paragraph(alternative.strip('"'))
            else:
                self._pictures += 1

    def _condition(self, kind: str, target: str, text: str) -> None:
        names = re.split(r"[,+]", target.lower())
        found = any(name in self.attributes for name in names)
        holds = kind == "ifeval" or found == (kind == "ifdef")
        if kind == "ifeval" or not text:
            self._conditions.append(holds)
        elif holds and all(self._conditions):
            self.writer.paragraph(self._plain(text))

    def _paragraph(self, lines: Sequence[str], index: int) -> int:
        end = index
        while (
            end < len(lines) and lines[end].strip() and not (end > index and self._ends_paragraph(lines[end].rstrip()))
        ):
            end += 1
        text = [line for line in lines[index:end] if not line.startswith("//")]
        style, self._style = self._style, ""
        first = style.partition(",")[0].strip().lower()
        if first in {"source", "listing", "literal"} or (lines[index][:1].isspace() and not self._lists):
            self.writer.code("\n".join(text))
            return end
        keeps_lines = "%hardbreaks" in style or first == "verse"
        shown = self._plain("\n".join(text) if keeps_lines else _LINE_END.sub(" ", "\n".join(text)))
        label = first.upper()
        if label in _LABELS:
            shown = f"{label.title()}: {shown}"
        self.writer.paragraph(_ADMONITION.sub(lambda match: f"{match[1].title()}: ", shown, count=1))
        return end

    def _ends_paragraph(self, line: str) -> bool:
        if self._lists and (_ITEM.match(line) or _TERM.match(line) or line == "+"):
            return True
        return bool(_FENCE.match(line) or _ATTRIBUTES.match(line) or _MACRO.match(line))

    # ── lists ─────────────────────────────────────────────────────────────────────────────────────

    def _item(self, item: re.Match[str], lines: Sequence[str], index: int) -> int:
        marker = re.sub(r"^(\d+|[a-zA-Z])\.$", "1.", item[1]) if not item[1].startswith("<") else "<>"
        if marker in self._lists:
            while self._lists[-1] != marker:
                self._close_list()
        else:
            ordered = marker != "-" and not marker.startswith("*")
            self._lists.append(marker)
            number = re.sub(r"\D", "", item[1])
            self.writer.open_list(ordered=ordered, start=int(number or 1))
        self._style = ""
        self.writer.open_item()
        text = _CHECK.sub(lambda match: "[ ] " if match[1] == " " else "[x] ", item[2], count=1)
        more = _continuation(lines, index + 1)
        self._paragraph([text, *more], 0)
        return index + 1 + len(more)

    def _term(self, term: re.Match[str], lines: Sequence[str], index: int) -> int:
        """`term:: description`, the description on the same line or below."""
        marker = term[2]
        if marker in self._lists:
            while self._lists[-1] != marker:
                self._close_list()
            self._close_list()
        name = self._plain(term[1])
        rest = [term[3]] if term[3] else []
        below = index + 1
        while not rest and below < len(lines) and not lines[below].strip():
            below += 1
        if not rest and (below >= len(lines) or _starts_block(lines[below])):
            self.writer.paragraph(name)
            return index + 1
        more = _continuation(lines, below)
        self.writer.paragraph(f"{name}\n{self._plain(' '.join(line.strip() for line in [*rest, *more]))}")
        return below + len(more)

    def _empty(self, lines: Sequence[str], index: int) -> int:
        """At empty lines, lists end unless another item follows; the index of what does."""
        following = next((at for at in range(index + 1, len(lines)) if lines[at].strip()), len(lines))
        if self._lists and (following == len(lines) or not _ITEM.match(lines[following])):
            self._end_lists()
        return following

    def _end_lists(self) -> None:
        while self._lists:
            self._close_list()

    def _close_list(self) -> None:
        self._lists.pop()
        self.writer.close_list()

    # ── fences ────────────────────────────────────────────────────────────────────────────────────

    def _fenced(self, lines: Sequence[str], index: int) -> int:
        opened = lines[index].rstrip()
        fence = re.match(r"`*", opened)[0] or opened  # type: ignore[index]
        end = next((at for at in range(index + 1, len(lines)) if lines[at].rstrip() == fence), len(lines))
        inner = lines[index + 1 : end]
        style, self._style = self._style, ""
        kind = fence[0]
        if fence.endswith("===") and kind in _SEPARATORS:
            self._table(inner, style, kind)
        elif kind in "-.`" and fence != "--":
            self.writer.code("\n".join(_CALLOUT.sub("", line) for line in self._included_out(inner)))
        elif kind == "+":
            self._passed_through(inner, style)
        elif kind != "/":
            self._box(inner, style)
        return end + 1

    def _passed_through(self, inner: Sequence[str], style: str) -> None:
        """Formulas, or HTML as it is."""
        if style.partition(",")[0].strip() in {"stem", "latexmath", "asciimath"}:
            self.writer.code("\n".join(inner))
        else:
            write_fragment("\n".join(inner), self.writer)

    def _included_out(self, lines: Sequence[str]) -> Iterator[str]:
        for line in lines:
            if (macro := _MACRO.match(line.strip())) and macro[1] == "include":
                self._included += 1
            else:
                yield line

    def _box(self, inner: Sequence[str], style: str) -> None:
        first, _, rest = style.partition(",")
        first = first.strip()
        if first.lower() in {"source", "listing", "literal"}:
            self.writer.code("\n".join(inner))
            return
        if first.upper() in _LABELS:
            inner = _labelled(inner, first.title())
        self.read(inner)
        attribution = ", ".join(part.strip() for part in rest.split(",")) if first in {"quote", "verse"} else ""
        self.writer.paragraph(attribution)

    def _table(self, inner: Sequence[str], style: str, kind: str) -> None:
        match = _COLS.search(style)
        columns = (match[1] or match[2] or match[3] or "") if match else ""
        separator = "," if 'format="csv"' in style or "format=csv" in style else _SEPARATORS[kind]
        lines = [line for line in self._included_out(inner) if not line.startswith("//")]
        if kind == "!":
            lines = [line.replace("!", "|") for line in lines]
        self.writer.table(table_rows(lines, columns, separator, lambda cell: one_line(self._plain(cell))))


def _continuation(lines: Sequence[str], index: int) -> Sequence[str]:
    """The lines that go on with an item: up to the next empty one, or that begins something else."""
    end = index
    while end < len(lines) and lines[end].strip() and not _starts_block(lines[end]):
        end += 1
    return lines[index:end]


def _starts_block(line: str) -> bool:
    bare = line.rstrip()
    if bare == "+" or _ITEM.match(line) or _TERM.match(line):
        return True
    return any(pattern.match(bare) for pattern in (_FENCE, _SECTION, _ATTRIBUTES, _MACRO))


def _labelled(lines: Sequence[str], label: str) -> Sequence[str]:
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first is None or _FENCE.match(lines[first].rstrip()) or _ITEM.match(lines[first]) or _TITLE.match(lines[first]):
        return [f"{label}:", "", *lines]
    return [*lines[:first], f"{label}: {lines[first]}", *lines[first + 1 :]]
