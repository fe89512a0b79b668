"""The guard in front of everything that comes as a zip container: looks before anything is unpacked.

Nothing here trusts what an archive says about itself: the directory is counted before it is read, and members are
counted again while they are inflated.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from core.errors import TooLarge, UnreadableDocument
from ingest.parse.errors import Protected

MAX_MEMBERS = 10_000
MAX_TOTAL = 500_000_000
"""Bytes of all members together, unpacked."""
MAX_RATIO, _RATIO_FROM = 250, 20_000_000
"""Unpacked to packed size, from so many bytes on. Deflate reaches 1,032; XML some 100, pictures of one colour more."""

_END_RECORD, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_ENTRY = b"PK\x01\x02"
_UNKNOWN = 0xFFFFFFFF
_CHUNK, _CHUNK_UNBOUNDED = 262_144, 4096
"""Bytes asked for at once. zipfile inflates all of a chunk that is not deflated, however large it becomes."""
_ENCRYPTED = 0x1
_BROKEN = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, OSError, struct.error)
_DAMAGED = "The file is damaged: a part of it cannot be unpacked."


def open_archive(
    data: bytes, phrase: str, *, max_total: int = MAX_TOTAL, allow_encrypted: bool = False
) -> zipfile.ZipFile:
    """The archive in `data`, whose directory was looked through; `phrase` is what it should be ("a Word document").

    Raises `UnreadableDocument` for what is no archive, a damaged one or one whose sizes nobody writes by accident,
    `TooLarge` for more than `MAX_MEMBERS` members or `max_total` bytes, and `Protected` where a member is encrypted
    (unless `allow_encrypted`). The sizes are those that the archive states: take its members by `read_member`, or
    call `check_members` before a library reads them by itself.
    """
    _check_directory(data, phrase)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _BROKEN as error:
        raise UnreadableDocument(f"The file is damaged or not {phrase}.") from error
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise _too_many()
    if not allow_encrypted and any(member.flag_bits & _ENCRYPTED for member in members):
        raise Protected("The file is protected by a password. Save a copy without it and add that.")
    total = sum(member.file_size for member in members)
    if total > max_total:
        raise _too_large(max_total)
    packed = sum(member.compress_size for member in members)
    # Members that share their bytes (David Fifield, "A better zip bomb", 2019) are together larger than the file.
    if packed > len(data):
        raise UnreadableDocument("The parts of this file overlap, as in a zip bomb. It is not read.")
    _check_ratio(total, packed)
    return archive


def read_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of a member, counted while they are inflated.

    Raises `KeyError` where there is none of this name, `TooLarge` over `limit` bytes, whatever its header says,
    `Protected` if it is encrypted and `UnreadableDocument` if it is damaged.
    """
    return b"".join(_pieces(archive, name, limit))


def check_members(archive: zipfile.ZipFile, limit: int = MAX_TOTAL) -> None:
    """Inflate everything once and keep nothing, so that a library may read the archive by itself.

    Raises as `read_member` does; `limit` is for all members together.
    """
    for member in archive.infolist():
        limit -= sum(len(piece) for piece in _pieces(archive, member, limit))


def member_names(data: bytes) -> list[str]:
    """The names in an archive's directory, as they are; empty for what cannot be opened."""
    try:
        _check_directory(data, "an archive")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except (UnreadableDocument, TooLarge, *_BROKEN):
        return []


def open_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, limit: int) -> IO[bytes]:
    """A member to be read bit by bit, without seeking; raises as `read_member` does, also while it is read."""
    return io.BufferedReader(_Member(_pieces(archive, name, limit)), _CHUNK)


class _Member(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _pieces(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, limit: int) -> Iterator[bytes]:
    member = name if isinstance(name, zipfile.ZipInfo) else archive.getinfo(name)
    if member.flag_bits & _ENCRYPTED and archive.pwd is None:
        raise Protected("The file is protected by a password. Save a copy without it and add that.")
    if member.file_size > limit:
        raise _too_large(limit)
    _check_ratio(member.file_size, member.compress_size)
    chunk = _CHUNK if member.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} else _CHUNK_UNBOUNDED
    size = 0
    try:
        with archive.open(member) as stream:
            while piece := stream.read(chunk):
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                yield piece
    except NotImplementedError as error:
        raise UnreadableDocument(
            "The file is packed in a way that cannot be read here. Save it anew and add that."
        ) from error
    except RuntimeError as error:  # zipfile's word for a wrong password
        raise Protected("The file is protected by a password. Save a copy without it and add that.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise UnreadableDocument(_DAMAGED) from error


def _check_ratio(unpacked: int, packed: int) -> None:
    if unpacked > _RATIO_FROM and unpacked > MAX_RATIO * packed:
        raise UnreadableDocument("The file grows out of all proportion when unpacked, as a zip bomb. It is not read.")


def _check_directory(data: bytes, phrase: str) -> None:
    """Count the directory's entries before zipfile makes objects of them; the number it states need not be true."""
    end = data.rfind(_END_RECORD, max(0, len(data) - _END_SIZE - _LONGEST_COMMENT))
    if end < 0 or len(data) < end + _END_SIZE:
        raise UnreadableDocument(f"The file is damaged or not {phrase}.")
    size, offset = struct.unpack_from("<LL", data, end + 12)
    start = 0 if _UNKNOWN in {size, offset} else max(0, end - size)
    if data.count(_ENTRY, start, end) > MAX_MEMBERS:
        raise _too_many()


def _too_many() -> TooLarge:
    return TooLarge(f"The file holds more than {MAX_MEMBERS:,} parts. Split it and add the parts.")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"Unpacked, the file is larger than {max(1, limit // 1_000_000):,} MB. Split it and add the parts.")
