"""What kind of file this is, by its content. The name only breaks ties among text formats."""

from __future__ import annotations

from core.errors import UnreadableDocument, UnsupportedFormat
from ingest.parse import detect_ole
from ingest.parse.detect_text import extension_of, text_kind
from ingest.parse.detect_zip import zip_kind
from ingest.parse.encoding import decode, is_text
from ingest.parse.errors import NoText
from ingest.parse.formats import FORMATS, HEIC, PDF, READABLE, RTF

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
    (4, b"ftypheic", HEIC),
    (4, b"ftypmif1", HEIC),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"{\\rtf", RTF),
)


def detect(data: bytes, name: str) -> str:
    """The media type of `data`, whether or not there is a parser for it.

    Raises `UnreadableDocument` for an empty file and `UnsupportedFormat` for bytes that are no known format.
    """
    if not data:
        kind = UnreadableDocument if extension_of(name) in FORMATS[PDF].extensions else NoText
        raise kind("The file is empty.")
    if found := _by_magic(data, name):
        return found
    if not is_text(data):
        raise UnsupportedFormat(f"This is not a kind of file that can be read. {READABLE}")
    return text_kind(decode(data[:65_536], declared=True).text, name)


def _by_magic(data: bytes, name: str) -> str | None:
    # A container may begin with a PDF that is stored as it is.
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return zip_kind(data, name)
    if data.startswith(detect_ole.START):
        return detect_ole.ole_kind(data)
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
