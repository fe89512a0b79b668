"""E-mail (RFC 5322 and MIME) through the standard library's parser; texts, names and addresses are decoded here.

The library's newer policies parse each header as the standards say, and raise on many that are sent; its oldest one
only takes the message apart, and never fails.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from typing import Any

from core.errors import TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.attached import file_name
from ingest.parse.encoding import decode
from ingest.parse.errors import Protected
from ingest.parse.mail_letter import Body, Letter, document, is_only_pgp, unflowed
from ingest.parse.text import counted

MAX_PARTS = 20_000
_BOUNDARY_LINES = 100_000
_MAX_DEPTH = 50
_LONGEST_HEADER, _LONGEST_PARAMETERS, _LONGEST_ADDRESSES = 20_000, 4000, 500_000
_SHOWN_ADDRESSES = 20
_SHOWN = ("From", "To", "Cc", "Bcc", "Date", "Subject")
_LISTS_OF_ADDRESSES = frozenset({"To", "Cc", "Bcc"})
_ADDRESS = re.compile(r'(?:[^",]++|"(?:[^"\\]|\\.)*+"?)++')
_FOLD = re.compile(r"\r?\n[ \t]*")
_ENCODED_WORD = re.compile(r"=\?([\w.:+-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?]*+)\?=")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_NO_CHARACTER_SETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification", "text/rfc822-headers"})
_PLAIN = frozenset({"text/plain", "text/enriched", "text/markdown", "text"})
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".svg", ".webp")
_ENDINGS = {
    "application/pdf": ".pdf",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/zip": ".zip",
    "image/png": ".png",
    "image/jpeg": ".jpg",
}
_ENCRYPTED = "The message is encrypted, so it cannot be read here. Save it decrypted and add that."


class _Bounded(Compat32):
    """The library looks at a header's parameters again and again, in time that grows with the square of their number."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[: _LONGEST_PARAMETERS if name.lower().startswith("content-") else _LONGEST_ADDRESSES]


_POLICY = _Bounded()


class _Part(Message):
    """Parameters that are broken are not there, where the library would fail over them."""

    def get_param(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().get_param(*arguments, **named)
        except (LookupError, ValueError, TypeError, AttributeError):
            return arguments[1] if len(arguments) > 1 else named.get("failobj")


class MailParser:
    """Headers, text, and the files that came with it."""

    media_types: Iterable[str] = ("message/rfc822",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected` for encrypted messages, `TooLarge` for those of too many parts."""
        return document(read_letter(data), name)


def read_letter(data: bytes) -> Letter:
    """The message in `data`. Raises as `MailParser.parse` does."""
    data = _as_bytes(data)
    if data.count(b"\n--") > _BOUNDARY_LINES:
        raise TooLarge("The message has too many parts. Save its attachments and add those.")
    try:
        message = BytesParser(_Part, policy=_POLICY).parsebytes(data)
    except RecursionError as error:
        raise UnreadableDocument("The parts of the message are nested too deeply.") from error
    kind = message.get_content_type()
    if kind == "multipart/encrypted" or (kind in _SMIME and _smime_type(message) != "signed-data"):
        raise Protected(_ENCRYPTED)
    letter = Letter()
    _Reader(letter).read(message)
    _read_headers(message, letter)
    if is_only_pgp(letter.bodies) and not letter.attached.files:
        raise Protected(_ENCRYPTED)
    return letter


def decode_as(data: bytes, label: str) -> tuple[str, tuple[str, ...]]:
    """Text in the encoding that its sender states, where that is one and fits; otherwise in the one that it looks like."""
    label = label.strip("\"' ").lower()
    try:
        codec = codecs.lookup("cp1252" if label in {"iso-8859-1", "latin1", "us-ascii", "ascii", ""} else label)
        is_stated = label not in {"us-ascii", "ascii", ""} or data.isascii()
        if is_stated and codec.name not in _NO_CHARACTER_SETS and getattr(codec, "_is_text_encoding", True):
            return data.decode(codec.name), ()
    except (LookupError, ValueError):
        pass
    decoded = decode(data)
    return decoded.text, decoded.losses


def header_text(raw: str, charset: str = "") -> str:
    """A header's text: encoded words (RFC 2047) decoded, also broken ones, and bytes beyond ASCII as far as possible."""
    raw = raw[:_LONGEST_HEADER]
    if not raw.isascii():
        raw = decode_as(
            raw.encode("ascii", "surrogateescape") if _is_escaped(raw) else raw.encode(), _or_utf8(raw, charset)
        )[0]
    parts: list[str] = []
    label, held, end = "", b"", 0
    raw = _FOLD.sub(" ", raw)
    for word in _ENCODED_WORD.finditer(raw):
        between = raw[end : word.start()]
        if held and (between.strip() or label != word[1].lower()):
            parts.append(decode_as(held, label)[0])
            held = b""
        if between.strip() or not end:
            parts.append(between)
        # Some programs cut between the bytes of a character, so words are decoded together.
        label, held, end = word[1].lower(), held + _word_bytes(word[2], word[3]), word.end()
    parts += [decode_as(held, label)[0] if held else "", raw[end:]]
    return "".join(parts)


def _is_escaped(raw: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in raw)


def _or_utf8(raw: str, charset: str) -> str:
    """Headers in bare UTF-8 (RFC 6532) are valid as such; hardly any other text is."""
    try:
        raw.encode("ascii", "surrogateescape").decode("utf-8")
    except ValueError:
        return charset or "unknown"
    return "utf-8"


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(data.replace(b"_", b" "), header=False)
    return _base64(data)


def _base64(data: bytes) -> bytes:
    letters = _NOT_BASE64.sub(b"", data)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    try:
        return base64.b64decode(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return b""


def _as_bytes(data: bytes) -> bytes:
    """Saved as UTF-16 by some programs; the parser wants bytes that begin with a header."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = decode(data).text.encode("utf-8", "replace")
    return data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n\t ")


def _read_headers(message: Message, letter: Letter) -> None:
    charset = str(next((part.get_content_charset() for part, _ in _parts(message) if part.get_content_charset()), ""))
    raw: dict[str, str] = {}
    for name, value in message.raw_items():
        raw.setdefault(name.lower(), str(value))
    letter.subject = header_text(raw.get("subject", ""), charset)
    for label in _SHOWN:
        value = raw.get(label.lower(), "")
        if label in _LISTS_OF_ADDRESSES:
            letter.headers.append((label, _addresses(value, charset)))
        else:
            letter.headers.append((label, header_text(value, charset)))


def _addresses(value: str, charset: str) -> str:
    listed = [each.strip() for each in _ADDRESS.findall(value) if each.strip()]
    shown = ", ".join(header_text(each, charset) for each in listed[:_SHOWN_ADDRESSES])
    rest = len(listed) - _SHOWN_ADDRESSES
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _parts(message: Message) -> Iterator[tuple[Message, int]]:
    """Parts that are no containers, in order, each with a number for the innermost group of alternatives (0: none)."""
    waiting: list[tuple[Message, int, int]] = [(message, 0, 0)]
    groups = met = 0
    while waiting:
        part, group, depth = waiting.pop()
        met += 1
        if met > MAX_PARTS:
            raise TooLarge("The message has too many parts. Save its attachments and add those.")
        kind = part.get_content_type()
        children = part.get_payload() if part.is_multipart() else None
        if not isinstance(children, list) or kind.startswith("message/") or kind == "multipart/encrypted":
            yield part, group
            continue
        if depth >= _MAX_DEPTH:
            raise UnreadableDocument("The parts of the message are nested too deeply.")
        if kind == "multipart/alternative":
            groups += 1
            group = groups
        waiting += [(child, group, depth + 1) for child in reversed(children) if isinstance(child, Message)]


class _Reader:
    """Sorts the parts of a message into text, files and what is lost."""

    def __init__(self, letter: Letter) -> None:
        self._letter = letter
        self._groups: dict[int, Body] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def read(self, message: Message) -> None:
        parts = list(_parts(message))
        for part, group in parts:
            self._take(part, group)
        for (thing, plural), count in self._left_out.items():
            self._letter.losses += counted(count, thing, "was left out", plural)

    def _take(self, part: Message, group: int) -> None:
        kind = part.get_content_type()
        name = _stated_name(part)
        if kind in _SIGNATURES or name.lower() == "smime.p7s":
            return
        if kind.startswith("message/") and kind not in _REPORTS:
            self._take_message(part, name)
        elif kind in _TNEF or name.lower() == "winmail.dat":
            self._lose("part in Outlook's own format (winmail.dat)", "parts in Outlook's own format (winmail.dat)")
        elif kind == "multipart/encrypted" or kind in _SMIME:
            self._lose("encrypted or sealed part (S/MIME or PGP)", "encrypted or sealed parts (S/MIME or PGP)")
        elif kind in _REPORTS:
            self._lose("delivery report")
        elif kind == "text/calendar":
            self._lose("invitation to the calendar", "invitations to the calendar")
        elif self._is_text(part, kind, name):
            self._take_text(part, kind, group)
        elif _is_inline_picture(part, kind, name):
            self._letter.pictures += 1
        else:
            self._take_file(part, kind, name)

    def _is_text(self, part: Message, kind: str, name: str) -> bool:
        # What calls itself a container and is none was left as it stands.
        if kind not in _PLAIN and kind != "text/html" and not kind.startswith("multipart/"):
            return False
        if part.get_content_disposition() == "attachment":
            return False
        return not name or not self._letter.bodies

    def _take_text(self, part: Message, kind: str, group: int) -> None:
        data = _payload(part)
        label = str(part.get_content_charset() or "")
        if kind == "text/html" and not label:
            decoded = decode(data, declared=True)
            text, losses = decoded.text, decoded.losses
        else:
            text, losses = decode_as(data, label)
        self._letter.losses += losses
        if kind != "text/html" and str(part.get_param("format") or "").lower() == "flowed":
            text = unflowed(text, delete_space=str(part.get_param("delsp") or "").lower() == "yes")
        body = self._groups.get(group) if group else None
        if body is None:
            body = self._groups[group] = Body()
            self._letter.bodies.append(body)
        if kind == "text/html":
            body.html += text
        else:
            body.plain += ("\n\n" if body.plain else "") + text

    def _take_message(self, part: Message, name: str) -> None:
        children = part.get_payload()
        inner = children[0] if isinstance(children, list) and children else None
        if part.get_content_type() != "message/rfc822" or not isinstance(inner, Message):
            self._lose("part of another message", "parts of other messages")
            return
        try:
            data = inner.as_bytes(policy=_POLICY)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
            self._lose("damaged message inside", "damaged messages inside")
            return
        if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64":
            data = _base64(data.strip())
        subject = next((header_text(str(value)) for key, value in inner.raw_items() if key.lower() == "subject"), "")
        shown = file_name(name or subject.replace("/", "-").replace("\\", "-"), "message")
        self._letter.attached.add(shown if shown.lower().endswith(".eml") else f"{shown}.eml", data)

    def _take_file(self, part: Message, kind: str, name: str) -> None:
        fallback = f"attachment-{len(self._letter.attached.files) + 1}{_ENDINGS.get(kind, '')}"
        self._letter.attached.add(file_name(name, fallback), _payload(part))

    def _lose(self, thing: str, plural: str = "") -> None:
        self._left_out[thing, plural] += 1


def _payload(part: Message) -> bytes:
    try:
        data = part.get_payload(decode=True)
    except (LookupError, ValueError, TypeError):
        data = None
    if isinstance(data, bytes):
        return data
    text = part.get_payload()
    return text.encode("utf-8", "replace") if isinstance(text, str) else b""


def _stated_name(part: Message) -> str:
    return header_text(part.get_filename() or "").strip()


def _smime_type(message: Message) -> str:
    return str(message.get_param("smime-type") or "").lower()


def _is_inline_picture(part: Message, kind: str, name: str) -> bool:
    is_picture = kind.startswith("image/") or (
        kind in {"application/octet-stream", "application/octetstream"} and name.lower().endswith(_PICTURES)
    )
    return is_picture and (part.get_content_disposition() != "attachment" or "Content-ID" in part)
