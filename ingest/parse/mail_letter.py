"""What an e-mail is made of, whichever format carries it, and how it becomes a document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.errors import UnreadableDocument
from core.types import Block, ParsedDocument
from ingest.parse.attached import Attached
from ingest.parse.blocks import BlockWriter
from ingest.parse.text import clean, counted, one_line, readable_name

PGP_START, PGP_END = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"
_SHOWN_FILES = 20
_CLEARLY_MORE, _A_FEW_WORDS = 1.3, 20
_TAG = re.compile(r"<[^>]*+>?")
_STYLE = re.compile(r"(?is)<(style|script|title)\b.*?(?:</\1|\Z)")


@dataclass(slots=True)
class Body:
    """One part of the text, as it was written: plain, as HTML, or both, of which one is shown."""

    plain: str = ""
    html: str = ""


@dataclass(slots=True)
class Letter:
    """A message. `headers` are those that a person sees, in order, with their names."""

    subject: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    attached: Attached = field(default_factory=Attached)
    pictures: int = 0
    losses: list[str] = field(default_factory=list)


def document(letter: Letter, name: str) -> ParsedDocument:
    """Headers as the first paragraph, then the text; the files are attachments."""
    losses = list(letter.losses)
    writer = BlockWriter()
    writer.paragraph("\n".join(f"{label}: {value}" for label, value in _headers(letter)))
    for body in letter.bodies:
        writer.blocks.extend(_blocks(body, losses))
    losses += counted(letter.pictures, "picture", "has no text that could be read")
    losses += letter.attached.losses()
    if losses and not writer.blocks and not letter.attached.files:
        raise UnreadableDocument(losses[0])
    return ParsedDocument(
        one_line(letter.subject) or readable_name(name),
        tuple(writer.blocks),
        losses=tuple(dict.fromkeys(losses)),
        attachments=tuple(letter.attached.files),
    )


def is_only_pgp(bodies: Iterable[Body]) -> bool:
    """Whether the text is an encrypted block of OpenPGP and nothing else (RFC 9580, section 6.2)."""
    texts = [body.plain.strip() for body in bodies]
    return any(texts) and all(not text or (text.startswith(PGP_START) and text.endswith(PGP_END)) for text in texts)


def plain_blocks(text: str) -> tuple[Block, ...]:
    """Paragraphs of plain text, as a file with it would have them."""
    from ingest.parse.plain import PlainParser

    return PlainParser().parse(clean(text.replace("\f", "\n")).encode(), "").blocks if text.strip() else ()


def html_blocks(source: str) -> tuple[Block, ...]:
    """What HTML shows; nothing of what nests too deeply, which often has a plain form beside it."""
    from ingest.parse.html import write_fragment

    writer = BlockWriter()
    is_whole = write_fragment(source, writer)
    writer.close()
    return tuple(writer.blocks) if is_whole else ()


def unflowed(text: str, *, delete_space: bool) -> str:
    """Lines joined that a program broke with a blank at their ends (RFC 3676, section 4)."""
    lines: list[list[str]] = []
    depth_before, is_open = 0, False
    for line in text.replace("\r\n", "\n").split("\n"):
        rest = line.lstrip(">")
        depth = len(line) - len(rest)
        rest = rest.removeprefix(" ")
        if is_open and depth == depth_before and rest != "-- ":
            lines[-1].append(rest)
        else:
            lines.append([">" * depth + " " * bool(depth) + rest])
        is_open = rest.endswith(" ") and rest != "-- "
        if is_open and delete_space:
            lines[-1][-1] = lines[-1][-1][:-1]
        depth_before = depth
    return "\n".join(map("".join, lines))


def _headers(letter: Letter) -> Iterable[tuple[str, str]]:
    yield from ((label, one_line(value)) for label, value in letter.headers if one_line(value))
    if letter.attached.files:
        names = [each.name for each in letter.attached.files]
        more = f" and {len(names) - _SHOWN_FILES:,} more" if len(names) > _SHOWN_FILES else ""
        yield "Attachments", ", ".join(names[:_SHOWN_FILES]) + more


def _blocks(body: Body, losses: list[str]) -> tuple[Block, ...]:
    plain = plain_blocks(body.plain)
    if not body.html.strip():
        return plain
    shown = html_blocks(body.html)
    if not shown and _TAG.sub("", _STYLE.sub("", body.html)).strip():
        losses.append("The HTML of the message is nested too deeply to be read.")
    # Programs that write HTML derive the plain text from it; some only say that there is HTML.
    return shown if _words(shown) > _CLEARLY_MORE * _words(plain) + (_A_FEW_WORDS if plain else 0) else plain


def _words(blocks: Iterable[Block]) -> int:
    return sum(len(block.text.split()) for block in blocks)
