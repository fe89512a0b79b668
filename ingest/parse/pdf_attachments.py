"""Files that a PDF carries."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.types import Attachment
from ingest.parse.attached import Attached, file_name
from ingest.parse.text import counted

if TYPE_CHECKING:
    import pypdfium2

MAX_FILES = 200
MAX_BYTES = 200_000_000
"""Of all together."""


@dataclass(frozen=True, slots=True)
class Carried:
    files: tuple[Attachment, ...] = ()
    losses: tuple[str, ...] = ()


def read_attachments(document: pypdfium2.PdfDocument) -> Carried:
    from pypdfium2 import PdfiumError

    count = document.count_attachments()
    attached = Attached(max_files=MAX_FILES, max_bytes=MAX_BYTES)
    for index in range(min(count, MAX_FILES)):
        try:
            attachment = document.get_attachment(index)
            size = _size(attachment)
            if 0 < size <= attached.room:
                name = file_name(attachment.get_name(), f"attachment {index + 1}")
                attached.add(name, bytes(attachment.get_data()))
        except PdfiumError:
            continue
    missing = count - len(attached.files)
    losses = counted(missing, "attached file", "is empty, damaged or too large, and not read")
    return Carried(tuple(attached.files), tuple(losses))


def _size(attachment: pypdfium2.PdfAttachment) -> int:
    import pypdfium2.raw as pdfium

    size = ctypes.c_ulong()
    pdfium.FPDFAttachment_GetFile(attachment.raw, None, 0, size)
    return size.value
