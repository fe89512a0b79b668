"""Files that a PDF carries."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.types import Attachment
from ingest.parse.text import one_line

if TYPE_CHECKING:
    import pypdfium2

MAX_FILES = 200
MAX_BYTES = 200_000_000
"""Of all together."""
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Carried:
    files: tuple[Attachment, ...] = ()
    losses: tuple[str, ...] = ()


def read_attachments(document: pypdfium2.PdfDocument) -> Carried:
    from pypdfium2 import PdfiumError

    count = document.count_attachments()
    files: list[Attachment] = []
    room = MAX_BYTES
    for index in range(min(count, MAX_FILES)):
        try:
            attachment = document.get_attachment(index)
            size = _size(attachment)
            if 0 < size <= room:
                files.append(Attachment(_name(attachment, index), bytes(attachment.get_data())))
                room -= size
        except PdfiumError:
            continue
    missing = count - len(files)
    if not missing:
        return Carried(tuple(files))
    words = "One attached file is" if missing == 1 else f"{missing} attached files are"
    return Carried(tuple(files), (f"{words} empty, damaged or too large, and not read.",))


def _size(attachment: pypdfium2.PdfAttachment) -> int:
    import pypdfium2.raw as pdfium

    size = ctypes.c_ulong()
    pdfium.FPDFAttachment_GetFile(attachment.raw, None, 0, size)
    return size.value


def _name(attachment: pypdfium2.PdfAttachment, index: int) -> str:
    name = one_line(attachment.get_name()).replace("\\", "/").rsplit("/", 1)[-1]
    return name[-_LONGEST_NAME:] or f"attachment {index + 1}"
