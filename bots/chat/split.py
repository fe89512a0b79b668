"""Long Markdown in several pieces. Pure, and of no platform."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# https://spec.commonmark.org/0.31.2/#fenced-code-blocks; also inside quotes and list items.
_FENCE = re.compile(
    r"(?P<indent>[ \t>]*)(?P<bullet>(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)"
    r"(?P<marks>`{3,}(?=[^`]*$)|~{3,})[ \t]*(?P<language>[^\s`]*).*$"
)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
# https://github.github.com/gfm/#tables-extension-: the line under a table's header.
_RULE = re.compile(r"(?=.*\|)[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_LEAD_IN = re.compile(r"(?:^|\n)([ \t]{0,3}#{1,6}[ \t][^\n]*|[^\n]*\S[ \t]*:)\n*$")
# Where a text is cut, best first; the group is what falls away: between paragraphs, lines, sentences, words.
_CUTS = (
    re.compile(r"(\n[ \t]*\n)"),
    re.compile(r"(\n)"),
    re.compile(r"(?:[.!?][\"'”’)\]]*(?:\[\d+\])*(?=\s)|[。！？][”’」）]*)(\s*)"),
    re.compile(r"(\s+)"),
)
# Where a piece would get shorter than this share of what it may hold, the next kind of cut is tried.
_LEAST = 0.25


@dataclass(frozen=True, slots=True)
class _Code:
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """With the empty lines after it."""

    lines: tuple[str, ...]


_Block = _Code | _Table | _Paragraph


def split_markdown(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` characters, none of them empty; all words of the text are in them, in order.

    A block of code or a table that fits into one piece is never cut. One that does not is closed and opened again, or
    gets its header again. Text is cut between paragraphs, else lines, sentences, words, and at last inside a word.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    if len(text) <= limit:
        return [text] if text.strip() else []
    pieces: list[str] = []
    for block in _blocks(text):
        pieces[-1:] = _added(pieces[-1] if pieces else "", block, limit)
    return [piece for piece in (each.strip("\n") for each in pieces) if piece.strip()]


def regions(text: str) -> Iterator[tuple[str, bool]]:
    """The text in parts that joined are the text, each with whether it is a fenced block of code, fences included."""
    part: list[str] = []
    marks = ""
    for line in _LINES.findall(text):
        opening = None if marks else _FENCE.match(line.rstrip("\n"))
        if opening:
            yield "".join(part), False
            part, marks = [line], opening["marks"]
            continue
        part.append(line)
        if marks and _closes(line, marks):
            yield "".join(part), True
            part, marks = [], ""
    yield "".join(part), bool(marks)


def _closes(line: str, marks: str) -> bool:
    bare = line.lstrip(" \t>").rstrip()
    return len(bare) >= len(marks) and set(bare) == {marks[0]}


def _blocks(text: str) -> Iterator[_Block]:
    """Joined by line breaks, they are the text."""
    for part, is_code in regions(text):
        lines = part.removesuffix("\n").split("\n")
        if is_code:
            yield _Code(tuple(lines))
        elif part:
            yield from _without_code(lines)


def _without_code(lines: Sequence[str]) -> Iterator[_Block]:
    paragraph: list[str] = []
    index = 0
    while index < len(lines):
        rows = _table_at(lines, index)
        starts_anew = bool(paragraph) and not paragraph[-1].strip() and bool(lines[index].strip())
        if paragraph and (rows or starts_anew):
            yield _Paragraph(tuple(paragraph))
            paragraph = []
        if rows:
            yield _Table(tuple(lines[index : index + rows]))
            index += rows
        else:
            paragraph.append(lines[index])
            index += 1
    if paragraph:
        yield _Paragraph(tuple(paragraph))


def _table_at(lines: Sequence[str], index: int) -> int:
    """The number of lines of the table that begins here."""
    if "|" not in lines[index] or index + 1 == len(lines) or not _RULE.match(lines[index + 1]):
        return 0
    end = index + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    return end - index


def _added(current: str, block: _Block, limit: int) -> list[str]:
    """The current piece with the block, in as many pieces as it takes."""
    text = "\n".join(block.lines)
    length = len(text.rstrip("\n"))
    if len(_joined(current, text).rstrip("\n")) <= limit:
        return [_joined(current, text)]
    before, lead_in = _without_lead_in(current)
    if length <= limit:
        moves = before.strip() and len(lead_in) + 1 + length <= limit
        return [before, _joined(lead_in, text)] if moves else [current, text]
    room = limit - len(current) - 1
    if current and room < limit // 2:
        moves = before.strip() and len(lead_in) < limit // 2
        before, current = (before, lead_in) if moves else (current, "")
    else:
        before = ""
    first, *rest = _pieces(block, limit - len(current) - 1 if current else limit, limit)
    return [before, _joined(current, first), *rest]


def _joined(before: str, after: str) -> str:
    return f"{before}\n{after}" if before else after


def _without_lead_in(piece: str) -> tuple[str, str]:
    """A heading, or a line with a colon, goes with what it leads to."""
    match = _LEAD_IN.search(piece)
    return (piece[: match.start(1)], piece[match.start(1) :]) if match else (piece, "")


def _pieces(block: _Block, first: int, limit: int) -> Iterator[str]:
    """A block that is too long for one piece; the first has less room."""
    if (
        isinstance(block, _Code)
        and (frame := _fences(block.lines))
        and sum(map(len, frame)) + 3 <= min(first, limit // 2)
    ):
        yield from _framed(_body(block.lines), frame, first, limit)
    elif isinstance(block, _Table) and sum(map(len, block.lines[:2])) + 3 <= min(first, limit // 2):
        header = "\n".join(block.lines[:2])
        yield from _framed(block.lines[2:], (header, header, ""), first, limit)
    else:
        yield from _cut("\n".join(block.lines), first, limit)


_Frame = tuple[str, str, str]
"""What opens the first piece, and all others, and what closes each."""


def _fences(lines: Sequence[str]) -> _Frame:
    match = _FENCE.match(lines[0])
    if match is None:
        raise ValueError("code begins with its fence")
    indent = match["indent"] + " " * len(match["bullet"])
    return lines[0], f"{indent}{match['marks']}{match['language']}", f"{indent}{match['marks']}"


def _body(lines: Sequence[str]) -> Sequence[str]:
    match = _FENCE.match(lines[0])
    is_closed = match is not None and _closes(lines[-1], match["marks"])
    return lines[1:-1] if is_closed else lines[1:]


def _framed(lines: Sequence[str], frame: _Frame, first: int, limit: int) -> Iterator[str]:
    """Pieces of whole lines, each between what opens and what closes it."""
    opening, again, closing = frame
    # A line longer than this is cut; cut parts fit into every piece but perhaps the first.
    longest = limit - len(again) - len(closing) - 2
    size, held = first - len(opening) - len(closing) - 1, [opening]
    for part in (part for line in lines for part in _cut(line, longest, longest)):
        if len(part) + 1 > size and (len(held) > 1 or opening != again or first < limit):
            yield "\n".join([*held, *filter(None, [closing])])
            size, held, first, opening = longest + 1, [again], limit, again
        size -= len(part) + 1
        held.append(part)
    yield "\n".join([*held, *filter(None, [closing])])


def _cut(text: str, first: int, limit: int) -> Iterator[str]:
    """Text in parts of at most `limit` characters, the first of at most `first`."""
    room = first
    while len(text.rstrip()) > room:
        end, begin = _cut_at(text, room)
        yield text[:end]
        text, room = text[begin:], limit
    yield text.rstrip() if len(text) > room else text


def _cut_at(text: str, room: int) -> tuple[int, int]:
    """Where the part ends, and where the next begins."""
    for pattern in _CUTS:
        last = None
        for match in pattern.finditer(text, 0, room + 1):
            if match.start(1) <= room:
                last = match
        if last is not None and last.start(1) >= max(1, room * _LEAST):
            return last.start(1), last.end(1)
    return room, room
