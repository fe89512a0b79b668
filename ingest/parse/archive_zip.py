"""ZIP archives: what is inside, each file to be read on its own. Nothing is ever written to a disk."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence

from core.errors import TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.archive import open_archive, read_member
from ingest.parse.attached import MAX_BYTES, Attached, path_of
from ingest.parse.errors import Protected, protected
from ingest.parse.text import counted, readable_name

MAX_MEMBER = 100_000_000
_ENCRYPTED = 0x1
_AES = 99
"""The method of compression that members state which are encrypted so (APPNOTE.TXT of PKWARE, 7.2)."""
_UTF8_NAME = 0x800
_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini"})
_SHOWN = 5


class ZipParser:
    """The files of an archive as attachments, under their paths."""

    media_types: Iterable[str] = ("application/zip",)

    def __init__(self, passwords: Sequence[str] = ()) -> None:
        """`passwords` are tried on members that are encrypted."""
        self._passwords = passwords

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected` where all is encrypted, `TooLarge` and `UnreadableDocument` for bombs and damaged archives."""
        archive = open_archive(data, "a ZIP archive", allow_encrypted=True)
        members = list(_files(archive))
        attached = Attached(max_bytes=MAX_BYTES)
        locked: list[str] = []
        broken: list[str] = []
        for member in members:
            path = path_of(_name(member), "file")
            try:
                limit = min(MAX_MEMBER, attached.room)
                attached.add(path, b"" if attached.is_full else self._read(archive, member, limit))
            except TooLarge:
                attached.leave_out()
            except Protected:
                locked.append(path)
            except UnreadableDocument:
                broken.append(path)
        if members and len(locked) == len(members):
            raise _locked(members, self._passwords)
        losses = attached.losses()
        if locked:
            known = " that is not in the setting parse.passwords" if self._passwords else ""
            what = f"is protected by a password{known}: {_listed(locked)}"
            losses += counted(len(locked), "file inside", what, "files inside")
        if broken:
            what = f"is damaged or packed in a way that cannot be read here: {_listed(broken)}"
            losses += counted(len(broken), "file inside", what, "files inside")
        if not attached.files:
            raise UnreadableDocument(losses[0] if losses else "There are no files in this archive.")
        return ParsedDocument(readable_name(name), (), losses=tuple(losses), attachments=tuple(attached.files))

    def _read(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
        """Raises `Protected` where no password fits; a wrong one may also look like damage."""
        if not member.flag_bits & _ENCRYPTED:
            return read_member(archive, member, limit)
        for password in self._passwords:
            archive.setpassword(password.encode())
            with contextlib.suppress(UnreadableDocument):
                return read_member(archive, member, limit)
        raise protected("The archive", self._passwords)


def _locked(members: Iterable[zipfile.ZipInfo], passwords: Sequence[str]) -> Protected:
    if any(member.compress_type == _AES for member in members):
        return Protected(
            "The archive is protected by a password in a way (AES) that cannot be opened here. "
            "Unpack it and add its files, or pack them without a password."
        )
    return protected("The archive", passwords)


def _files(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """Members that a person put there: no folders, nothing empty or hidden, nothing that systems leave behind."""
    for member in archive.infolist():
        parts = member.filename.replace("\\", "/").split("/")
        is_hidden = any(part.startswith(".") and part.strip(".") for part in parts)
        if member.is_dir() or not member.file_size or is_hidden or "__MACOSX" in parts:
            continue
        if parts[-1].lower() not in _OF_SYSTEMS:
            yield member


def _name(member: zipfile.ZipInfo) -> str:
    """The name as its maker meant it: many write UTF-8 without saying so, which is then read as code page 437."""
    if member.flag_bits & _UTF8_NAME or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except ValueError:
        return member.filename


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
