"""What kind of file this is, by its content. The name only breaks ties among text formats."""

from __future__ import annotations

import re
import zlib
from pathlib import PurePosixPath

from core.errors import UnreadableDocument, UnsupportedFormat
from ingest.parse.archive import member_names
from ingest.parse.delimiter import delimiter_of
from ingest.parse.encoding import decode, is_text
from ingest.parse.errors import NoText
from ingest.parse.formats import ASCIIDOC, CSV, FORMATS, HTML, JSON, MARKDOWN, PDF, PLAIN, RST, SOURCE, TSV, XML

_HEADER = 64
"""Bytes in which a file in such a format has a zero, and a text in a single-byte encoding has none."""
_HEAD = 1024
"""A PDF may have other bytes before its header, up to here (PDF Reference 1.7, implementation note 13)."""


_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"%!PS", "application/postscript"),
    (0, b"SQLite format 3\x00", "application/x-sqlite3"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\xca\xfe\xba\xbe", "application/x-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (0, b"MZ", "application/x-executable"),
    (0, b"BM", "image/bmp"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"{\\rtf", "application/rtf"),
)
_ZIP_MEMBERS: tuple[tuple[bytes, str], ...] = (
    (b"word/document", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/workbook", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/presentation", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"visio/document", "application/vnd.ms-visio.drawing"),
    (b"META-INF/container.xml", "application/epub+zip"),
)
_ZIP_TYPES = (
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/epub+zip",
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("EncryptedPackage", "application/vnd.ms-office.encrypted"),
    ("__substg1.0_", "application/vnd.ms-outlook"),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", "application/vnd.ms-excel"),
    ("WORKBOOK", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
)
_HTML_START = re.compile(r"(?i)<(!doctype\s+html|html|head|body|title|meta|h[1-6]|p|div|table|article|main|section)\b")
_PAGE_START = re.compile(r"(?i)<(!doctype\s+html|html)\b")
_XML_START = re.compile(r"(?i)\s*<(\?xml\b|!doctype\s+(?!html\b))")
_JSON_START = re.compile(r'\s*(\[\s*\{|\{)\s*"[^"\n]*"\s*:')
_LEADING = re.compile(r"(?is)(?:\s+|<\?xml.{0,500}?\?>|<!--.{0,5000}?-->|<!doctype\s+(?!html)[^>]{0,500}>)*+")
_MAIL_START = re.compile(r"(?i)(?:From [^\n]*\n)?(?:[a-z][a-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*)*+")
_MAIL_HEADERS = re.compile(r"(?im)^(?:MIME-Version|Received|Message-ID|Return-Path):")
_MARKDOWN_SIGNS = re.compile(r"(?m)^(#{1,6} \S|```|\| ?-{3,}|\[[^\]\n]+\]\([^)\n]+\)|---\n[\w-]+:)")
_PGP_START = re.compile(r"\s*-----BEGIN PGP ")
"""Of keys and signatures, whose names end as those of AsciiDoc may."""
_SOURCE_NAME = re.compile(r"(?:.*[/\\])?(?:Dockerfile|Makefile|GNUmakefile|Jenkinsfile|Vagrantfile|Gemfile|Rakefile)$")
_MIN_SIGNS = 2
"""Signs of Markdown that a text without a telling name must have to be read as such."""


def detect(data: bytes, name: str) -> str:
    """The media type of `data`, whether or not there is a parser for it.

    Raises `UnreadableDocument` for an empty file and `UnsupportedFormat` for bytes that are no known format.
    """
    if not data:
        kind = UnreadableDocument if _extension(name) in FORMATS[PDF].extensions else NoText
        raise kind("The file is empty.")
    if found := _by_magic(data, name):
        return found
    if not is_text(data):
        raise UnsupportedFormat("This is not a kind of file that can be read here: Markdown, text, HTML and PDF can.")
    return _text_format(decode(data[:65_536], declared=True).text, name)


def _by_magic(data: bytes, name: str) -> str | None:
    # A container may begin with a PDF that is stored as it is.
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(data, name)
    if data.startswith(_OLE):
        return _ole_kind(data)
    if _is_pdf(data):
        return PDF
    return next((kind for offset, magic, kind in _MAGIC if _matches(data, offset, magic)), None)


def _is_pdf(data: bytes) -> bool:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-"):
        return True
    return b"%PDF-" in data[:_HEAD] and (b"endobj" in data or not is_text(data))


def _matches(data: bytes, offset: int, magic: bytes) -> bool:
    # Signatures of letters and digits only may also begin a text: "BM", "ID3 tags are …".
    return data.startswith(magic, offset) and not (magic.isalnum() and 0 not in data[:_HEADER] and is_text(data))


def _zip_kind(data: bytes, name: str) -> str:
    stated = _packed_type(data)
    for kind in _ZIP_TYPES:
        if kind.encode() in data[:256] or kind.encode() == stated:
            return kind
    if b"content.xml" in data and b"META-INF/manifest.xml" in data:
        for kind in _ZIP_TYPES:
            if _extension(name) in FORMATS[kind].extensions:
                return kind
    # Names are looked for in the raw bytes where there is no directory, so that a truncated archive is still called
    # by its name. Where there is one, they may belong to a document inside.
    if names := [_zip_name(each) for each in member_names(data)]:
        found = next((kind for member, kind in _ZIP_MEMBERS if any(n.startswith(_zip_name(member.decode())) for n in names)), "")
    else:
        found = next((kind for member, kind in _ZIP_MEMBERS if member in data), "")
    if not found and b"[Content_Types].xml" in data[:256]:
        found = next((kind for _, kind in _ZIP_MEMBERS if _extension(name) in FORMATS[kind].extensions), "")
    return found or "application/zip"


def _zip_name(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _packed_type(data: bytes) -> bytes:
    """What the first member says that is there for it; by the rules of both formats it is stored, not packed."""
    if data[8:10] != b"\x08\x00" or data[30:38] != b"mimetype":
        return b""
    start = 38 + int.from_bytes(data[28:30], "little")
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start : start + 200], 200)
    except zlib.error:
        return b""


def _ole_kind(data: bytes) -> str:
    # Stream names in an OLE directory are UTF-16.
    return next(
        (kind for stream, kind in _OLE_STREAMS if stream.encode("utf-16-le") in data), "application/x-ole-storage"
    )


def _text_format(text: str, name: str) -> str:
    extension = _extension(name)
    named = next((kind for kind in (MARKDOWN, PLAIN, HTML) if extension in FORMATS[kind].extensions), None)
    if named in {MARKDOWN, PLAIN}:
        return named
    for kind in (RST, ASCIIDOC):
        if extension in FORMATS[kind].extensions and not _PGP_START.match(text):
            return kind
    if extension in FORMATS[SOURCE].extensions or _SOURCE_NAME.match(name):
        return SOURCE
    if extension in FORMATS[TSV].extensions:
        return TSV
    if extension in FORMATS[CSV].extensions:
        return CSV
    if extension in FORMATS[JSON].extensions:
        return JSON
    body = _LEADING.sub("", text, count=1)
    if named != HTML and _is_xml(text, extension) and not _PAGE_START.match(body):
        return "image/svg+xml" if body.startswith("<svg") else XML
    if named == HTML or _HTML_START.match(body):
        return HTML
    if not extension and _JSON_START.match(text):
        return JSON
    if _is_mail(text, extension):
        return "message/rfc822"
    signs = _MARKDOWN_SIGNS.findall(text) if not extension else []
    if len(signs) >= _MIN_SIGNS:
        return MARKDOWN
    delimiter = delimiter_of(text) if not extension else None
    return PLAIN if delimiter is None else TSV if delimiter == "\t" else CSV


def _is_xml(text: str, extension: str) -> bool:
    return extension in FORMATS[XML].extensions or bool(_XML_START.match(text))


def _is_mail(text: str, extension: str) -> bool:
    headers = _MAIL_START.match(text.lstrip())
    return bool(headers and headers[0] and (extension == ".eml" or _MAIL_HEADERS.search(headers[0])))


def _extension(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()
