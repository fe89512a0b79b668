"""Files that an Office document carries in the wrapping of OLE, Microsoft's compound files, through olefile."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.types import Attachment
from ingest.parse.archive import member_names
from ingest.parse.attached import file_name

if TYPE_CHECKING:
    import olefile

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WHOLE = {"Package": "", "CONTENTS": ".pdf", "EmbeddedOdf": ".odt"}
"""Streams that are a file as it is, and what that usually is."""
_PACKAGER = "\x01Ole10Native"
_STARTS = ((b"%PDF-", ".pdf"), (b"PK\x03\x04", ".zip"), (b"{\\rtf", ".rtf"))
_OFFICE = (("word/", ".docx"), ("xl/", ".xlsx"), ("ppt/", ".pptx"))
_LONGEST = 1024


def unwrapped(data: bytes, name: str) -> Attachment | None:
    """The file inside an OLE object, called as its packager says or like `name`; None if there is none."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as container:
            return next(_files(container, name.rpartition(".")[0] or name), None)
    except (OSError, ValueError, IndexError, struct.error):
        return None


def _files(container: olefile.OleFileIO, stem: str) -> Iterator[Attachment]:
    if container.exists(_PACKAGER) and (packed := _packed(container.openstream(_PACKAGER).read())):
        yield packed
    for stream, ending in _WHOLE.items():
        if container.exists(stream):
            content = container.openstream(stream).read()
            told = ending_of(content) or ending
            if content and told:
                yield Attachment(file_name(stem + told, "embedded"), content)


def _packed(stream: bytes) -> Attachment | None:
    """What the Object Packager stored: size, 2, label, path, marks, path again, and size and bytes of the file.

    Laid out as in oletools' `OleNativeStream`; Microsoft documents only the size ([MS-OLEDS] 2.3.6).
    """
    label, at = _text(stream, 6)
    _, at = _text(stream, at)
    (length,) = struct.unpack_from("<L", stream, at + 4)
    at += 8 + length
    (size,) = struct.unpack_from("<L", stream, at)
    content = stream[at + 4 : at + 4 + size]
    return Attachment(file_name(label, "embedded"), content) if content and "." in label else None


def _text(stream: bytes, at: int) -> tuple[str, int]:
    end = stream.index(b"\0", at, at + _LONGEST)
    return stream[at:end].decode("cp1252", "replace"), end + 1


def ending_of(content: bytes) -> str:
    """What the name of such a file ends in, told by its first bytes; empty for what is none of the usual ones."""
    found = next((ending for start, ending in _STARTS if content.startswith(start)), "")
    if found == ".zip":
        names = member_names(content)
        return next((ending for folder, ending in _OFFICE if any(name.startswith(folder) for name in names)), found)
    return found
