"""What kind of document a zip container is: Office, OpenDocument, EPUB, or just an archive."""

from __future__ import annotations

import zlib

from ingest.parse.archive import member_names
from ingest.parse.detect_text import extension_of
from ingest.parse.formats import DOCX, EPUB, FORMATS, ODP, ODS, ODT, PPTX, VISIO, XLSX, ZIP

_MEMBERS: tuple[tuple[bytes, str], ...] = (
    (b"word/document", DOCX),
    (b"xl/workbook", XLSX),
    (b"ppt/presentation", PPTX),
    (b"visio/document", VISIO),
    (b"META-INF/container.xml", EPUB),
)
_STATED = (ODT, ODS, ODP, EPUB)
"""Kinds whose first member is their media type."""


def zip_kind(data: bytes, name: str) -> str:
    """The media type of a zip container, by its members; by its name where those that would tell are lost."""
    return _stated(data) or _by_members(data) or _by_name(data, extension_of(name)) or ZIP


def _stated(data: bytes) -> str | None:
    packed = _packed_type(data)
    return next((kind for kind in _STATED if kind.encode() in data[:256] or kind.encode() == packed), None)


def _packed_type(data: bytes) -> bytes:
    """What the first member says that is there for it; by the rules of both formats it is stored, not packed."""
    if data[8:10] != b"\x08\x00" or data[30:38] != b"mimetype":
        return b""
    start = 38 + int.from_bytes(data[28:30], "little")
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start : start + 200], 200)
    except zlib.error:
        return b""


def _by_members(data: bytes) -> str | None:
    """By the archive's directory; by the raw bytes where there is none, so that a truncated one is told as well.

    Where there is a directory, names in the raw bytes may belong to a document inside.
    """
    if names := [_plain(each) for each in member_names(data)]:
        found = (kind for member, kind in _MEMBERS if any(each.startswith(_plain(member.decode())) for each in names))
    else:
        found = (kind for member, kind in _MEMBERS if member in data)
    return next(found, None)


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _by_name(data: bytes, extension: str) -> str | None:
    kinds: tuple[str, ...] = ()
    if b"content.xml" in data and b"META-INF/manifest.xml" in data:
        kinds = _STATED
    elif b"[Content_Types].xml" in data[:256]:
        kinds = tuple(kind for _, kind in _MEMBERS)
    return next((kind for kind in kinds if extension in FORMATS[kind].extensions), None)
