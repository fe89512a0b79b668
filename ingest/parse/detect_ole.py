"""What kind of document an OLE compound file is: the container of old Office files, Outlook and protected ones."""

from __future__ import annotations

import io
import struct

from ingest.parse.formats import DOC, ENCRYPTED, MSG, OLE, PPT, XLS

START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STREAMS: tuple[tuple[str, str], ...] = (
    ("encryptedpackage", ENCRYPTED),
    ("__substg1.0_", MSG),
    ("worddocument", DOC),
    ("powerpoint document", PPT),
    ("workbook", XLS),
    ("book", XLS),
)


def ole_kind(data: bytes) -> str:
    """The media type by the names at the top of its directory; by all names in it where that is damaged."""
    if names := _top_names(data):
        return next((kind for stream, kind in _STREAMS if any(name.startswith(stream) for name in names)), OLE)
    # Names in the directory are UTF-16.
    raw = data.lower()
    return next((kind for stream, kind in _STREAMS if stream.encode("utf-16-le") in raw), OLE)


def _top_names(data: bytes) -> set[str]:
    """Those of the streams inside do not count: a message may carry a protected document."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as container:
            return {path[0].lower() for path in container.listdir(storages=True)}
    except (OSError, ValueError, IndexError, TypeError, RecursionError, struct.error):
        return set()
