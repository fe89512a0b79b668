"""Outlook messages ([MS-OXMSG]: a compound file with one stream per property) through olefile."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import TYPE_CHECKING

from core.errors import UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.attached import file_name
from ingest.parse.encoding import decode
from ingest.parse.errors import Protected
from ingest.parse.mail import decode_as, read_letter
from ingest.parse.mail_letter import Body, Letter, document
from ingest.parse.text import clean, counted, one_line

if TYPE_CHECKING:
    from olefile import OleFileIO

_MAX_ENTRIES = 50_000
_MAX_DEPTH = 8
_SHOWN_ADDRESSES = 20
_LONGEST_LINE = 900
"""Of a header that is written as it is; RFC 5322 ends lines after 998 characters."""
# Property tags ([MS-OXPROPS]) as they stand in the names of streams, and in the stream of fixed-length properties.
_CLASS, _SUBJECT, _BODY, _HTML, _RTF = "001A", "0037", "1000", "1013", "1009"
_SENDER, _SENDER_SMTP, _SENDER_ADDRESS, _SENT_FOR = "0C1A", "5D01", "0C1F", "0042"
_DISPLAY_TO, _DISPLAY_CC, _DISPLAY_BCC = "0E04", "0E03", "0E02"
_NAME, _ADDRESS, _SMTP = "3001", "3003", "39FE"
_DATA, _LONG_NAME, _SHORT_NAME, _MIME, _CONTENT_ID = "3701", "3707", "3704", "370E", "3712"
_SENT, _DELIVERED, _CODE_PAGE, _MESSAGE_CODE_PAGE, _RECIPIENT_TYPE = 0x0039, 0x0E06, 0x3FDE, 0x3FFD, 0x0C15
_IS_HIDDEN, _METHOD = 0x7FFE, 0x3705
_OLE_OBJECT = 6
_UNICODE, _BYTES, _STRING8 = "001F", "0102", "001E"
_PROPERTIES = "__properties_version1.0"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_KINDS = {1: "To", 2: "Cc", 3: "Bcc"}

Path = tuple[str, ...]


class MsgParser:
    """Headers, text, and the files that came with it; messages inside become e-mail files."""

    media_types: Iterable[str] = ("application/vnd.ms-outlook",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected` for encrypted messages and `UnreadableDocument` for damaged ones."""
        import olefile

        try:
            with olefile.OleFileIO(io.BytesIO(data)) as ole:
                return document(_Store(ole).letter(()), name)
        except (OSError, struct.error) as error:
            raise UnreadableDocument("The file is damaged or not an Outlook message.") from error


@dataclass(frozen=True, slots=True)
class _Recipient:
    kind: str
    shown: str


class _Store:
    """Reads messages, also those inside others, out of one compound file."""

    def __init__(self, ole: OleFileIO) -> None:
        entries = ole.listdir(streams=True, storages=True)
        if len(entries) > _MAX_ENTRIES:
            raise UnreadableDocument("The file is damaged or not an Outlook message.")
        self._ole = ole
        self._children: dict[Path, list[str]] = {}
        for *parent, own in entries:
            self._children.setdefault(tuple(parent), []).append(own)

    def letter(self, at: Path) -> Letter:
        """The message in a storage, `()` being the file's own."""
        code_page = self._code_page(at)
        kind = self._text(at, _CLASS, code_page).upper()
        if "SMIME" in kind:
            return self._sealed(at, kind)
        letter = Letter(subject=self._text(at, _SUBJECT, code_page))
        letter.headers = self._headers(at, code_page, letter.subject)
        letter.bodies = [self._body(at, code_page, letter)]
        objects = 0
        for own in self._named(at, "__attach_version1.0_#"):
            objects += self._attach((*at, own), code_page, letter)
        letter.losses += counted(objects, "embedded object", "was left out")
        return letter

    # ── properties ──────────────────────────────────────────────────────────────────────────────

    def _stream(self, at: Path, name: str) -> bytes:
        if name not in self._children.get(at, ()):
            return b""
        path = [*at, name]
        if self._ole.get_type(path) != 2:  # noqa: PLR2004 - STGTY_STREAM
            return b""
        return bytes(self._ole.openstream(path).read())

    def _text(self, at: Path, tag: str, code_page: str) -> str:
        if wide := self._stream(at, f"__substg1.0_{tag}{_UNICODE}"):
            return clean(wide.decode("utf-16-le", "replace")).strip("\x00")
        narrow = self._stream(at, f"__substg1.0_{tag}{_STRING8}").rstrip(b"\x00")
        return clean(decode_as(narrow, code_page)[0]) if narrow else ""

    def _fixed(self, at: Path, wanted: int) -> bytes:
        """The eight bytes of a fixed-length property ([MS-OXMSG], section 2.4.2.1); empty if it is not there."""
        data = self._stream(at, _PROPERTIES)
        # The header is 32, 24 or 8 bytes long, which all leave rows of 16 that end at the end of the stream.
        for start in range(len(data) % 16 or 16, len(data) - 15, 16):
            if struct.unpack_from("<H", data, start + 2)[0] == wanted:
                return data[start + 8 : start + 16]
        return b""

    def _number(self, at: Path, wanted: int) -> int:
        value = self._fixed(at, wanted)
        return int(struct.unpack_from("<I", value)[0]) if value else 0

    def _code_page(self, at: Path) -> str:
        number = self._number(at, _MESSAGE_CODE_PAGE) or self._number(at, _CODE_PAGE)
        return {0: "", 20127: "ascii", 65001: "utf-8", 28591: "iso-8859-1"}.get(number, f"cp{number}")

    def _named(self, at: Path, prefix: str) -> Sequence[str]:
        return sorted(own for own in self._children.get(at, ()) if own.lower().startswith(prefix))

    # ── headers and text ────────────────────────────────────────────────────────────────────────

    def _headers(self, at: Path, code_page: str, subject: str) -> list[tuple[str, str]]:
        sender = self._text(at, _SENDER, code_page) or self._text(at, _SENT_FOR, code_page)
        address = self._text(at, _SENDER_SMTP, code_page) or self._text(at, _SENDER_ADDRESS, code_page)
        headers = [("From", _person(sender, address))]
        recipients = self._recipients(at, code_page)
        for label, tag in (("To", _DISPLAY_TO), ("Cc", _DISPLAY_CC), ("Bcc", _DISPLAY_BCC)):
            listed = [each.shown for each in recipients if each.kind == label]
            more = f" and {len(listed) - _SHOWN_ADDRESSES:,} more" if len(listed) > _SHOWN_ADDRESSES else ""
            headers.append((label, ", ".join(listed[:_SHOWN_ADDRESSES]) + more or self._text(at, tag, code_page)))
        return [*headers, ("Date", self._date(at)), ("Subject", subject)]

    def _recipients(self, at: Path, code_page: str) -> list[_Recipient]:
        found = []
        for own in self._named(at, "__recip_version1.0_#"):
            place = (*at, own)
            address = self._text(place, _SMTP, code_page) or self._text(place, _ADDRESS, code_page)
            shown = _person(self._text(place, _NAME, code_page), address)
            found.append(_Recipient(_KINDS.get(self._number(place, _RECIPIENT_TYPE), "To"), shown))
        return found

    def _date(self, at: Path) -> str:
        value = self._fixed(at, _SENT) or self._fixed(at, _DELIVERED)
        if not value:
            return ""
        try:
            moment = _EPOCH + timedelta(microseconds=struct.unpack("<Q", value)[0] // 10)
        except OverflowError:
            return ""
        return moment.strftime("%Y-%m-%d %H:%M UTC")

    def _body(self, at: Path, code_page: str, letter: Letter) -> Body:
        plain = self._text(at, _BODY, code_page)
        stored = self._stream(at, f"__substg1.0_{_HTML}{_BYTES}")
        html = decode(stored, declared=True).text if stored else self._text(at, _HTML, code_page)
        if not plain.strip() and not html.strip():
            plain = self._rich_text(at, letter)
        return Body(plain, html)

    def _rich_text(self, at: Path, letter: Letter) -> str:
        """The text of a body that is there in RTF only."""
        from compressed_rtf import decompress

        from ingest.parse.rtf import plain_text

        packed = self._stream(at, f"__substg1.0_{_RTF}{_BYTES}")
        if not packed:
            return ""
        try:
            return plain_text(decompress(packed))
        except Exception:  # noqa: BLE001 - the library raises nothing more telling
            letter.losses.append("The text of the message is damaged and could not be read.")
            return ""

    def _sealed(self, at: Path, kind: str) -> Letter:
        """S/MIME: the message is a file inside, in clear if it is only signed ([MS-OXOSMIME], section 2.1.3)."""
        files = self._named(at, "__attach_version1.0_#")
        data = self._stream((*at, files[0]), f"__substg1.0_{_DATA}{_BYTES}") if files else b""
        if "MULTIPARTSIGNED" not in kind or not data:
            raise Protected("The message is encrypted, so it cannot be read here. Save it decrypted and add that.")
        code_page = self._code_page(at)
        letter = read_letter(data)
        letter.subject = self._text(at, _SUBJECT, code_page)
        letter.headers = self._headers(at, code_page, letter.subject)
        return letter

    # ── files inside ────────────────────────────────────────────────────────────────────────────

    def _attach(self, at: Path, code_page: str, letter: Letter) -> int:
        """Take one attachment; 1 if it is an object that cannot be one, else 0."""
        stated = self._text(at, _LONG_NAME, code_page) or self._text(at, _SHORT_NAME, code_page)
        stated = stated or self._text(at, _NAME, code_page)
        inner = (*at, f"__substg1.0_{_DATA}000D")
        if inner[-1] in self._children.get(at, ()):
            if self._number(at, _METHOD) == _OLE_OBJECT or _PROPERTIES not in self._children.get(inner, ()):
                return 1
            self._attach_message(inner, stated, letter)
            return 0
        data = self._stream(at, f"__substg1.0_{_DATA}{_BYTES}")
        mime = self._text(at, _MIME, code_page).lower()
        name = file_name(stated, f"attachment-{len(letter.attached.files) + 1}")
        if _is_picture(mime, name) and (self._number(at, _IS_HIDDEN) & 0xFF or self._text(at, _CONTENT_ID, code_page)):
            letter.pictures += 1
        else:
            letter.attached.add(name, data)
        return 0

    def _attach_message(self, at: Path, stated: str, letter: Letter) -> None:
        name = file_name(stated.replace("/", "-").replace("\\", "-"), "message")
        if len(at) > 2 * _MAX_DEPTH:
            letter.losses.append("Messages inside are nested too deeply and were left out.")
            return
        try:
            inner = self.letter(at)
        except Protected:
            letter.losses.append(f"The message “{name}” inside this one is encrypted and was left out.")
            return
        letter.attached.add(name if name.lower().endswith(".eml") else f"{name}.eml", _as_mail(inner))
        letter.pictures += inner.pictures
        letter.losses += inner.losses


def _person(name: str, address: str) -> str:
    """`Ann Lee <ann@example.org>`; addresses that only an Exchange server understands are left out."""
    name, address = one_line(name), one_line(address)
    if "@" not in address or address.lower() in name.lower():
        return name or address
    return f"{name} <{address}>" if name else address


def _is_picture(mime: str, name: str) -> bool:
    return mime.startswith("image/") or name.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".bmp"))


def _as_mail(letter: Letter) -> bytes:
    """A message inside another, as the e-mail file that it would be on its own."""
    # Texts and files are written as Base64, which holds no boundary; fixed ones give the same bytes each time.
    mail = MIMEMultipart("mixed", boundary="=_parts")
    for label, value in letter.headers:
        if text := one_line(value):
            mail[label] = text if text.isascii() and len(text) <= _LONGEST_LINE else Header(text, "utf-8").encode()
    for number, body in enumerate(letter.bodies, 1):
        both = MIMEMultipart("alternative", boundary=f"=_body_{number}_")
        for subtype, text in (("plain", body.plain), ("html", body.html)):
            if text.strip():
                both.attach(MIMEText(text.encode("utf-8", "replace").decode(), subtype, "utf-8"))
        mail.attach(both)
    for file in letter.attached.files:
        part = MIMEApplication(file.data)
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", file.name))
        mail.attach(part)
    return mail.as_bytes()
