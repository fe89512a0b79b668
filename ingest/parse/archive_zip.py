"""ZIP archives: what is inside, each file to be read on its own. Nothing is ever written to a disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator

from core.errors import TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.archive import open_archive, read_member
from ingest.parse.attached import MAX_BYTES, Attached, path_of
from ingest.parse.errors import Protected
from ingest.parse.ooxml import counted
from ingest.parse.text import readable_name

MAX_MEMBER = 100_000_000
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini"})
_SHOWN = 5


class ZipParser:
    """The files of an archive as attachments, under their paths."""

    media_types: Iterable[str] = ("application/zip",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected` where all is encrypted, `TooLarge` and `UnreadableDocument` for bombs and damaged archives."""
        archive = open_archive(data, "a ZIP archive", allow_encrypted=True)
        members = list(_files(archive))
        locked = [member for member in members if member.flag_bits & _ENCRYPTED]
        if members and len(locked) == len(members):
            raise Protected(
                "The archive is protected by a password. Unpack it and add its files, or pack them without one."
            )
        attached = Attached(max_bytes=MAX_BYTES)
        broken: list[str] = []
        for member in members:
            path = path_of(_name(member), "file")
            if member in locked:
                continue
            try:
                attached.add(
                    path, b"" if attached.is_full else read_member(archive, member, min(MAX_MEMBER, attached.room))
                )
            except TooLarge:
                attached.leave_out()
            except UnreadableDocument:
                broken.append(path)
        losses = attached.losses()
        if locked:
            losses += counted(
                len(locked), "file inside", f"is protected by a password: {_listed(map(_name, locked))}", "files inside"
            )
        if broken:
            what = f"is damaged or packed in a way that cannot be read here: {_listed(broken)}"
            losses += counted(len(broken), "file inside", what, "files inside")
        if not attached.files:
            raise UnreadableDocument(losses[0] if losses else "There are no files in this archive.")
        return ParsedDocument(readable_name(name), (), losses=tuple(losses), attachments=tuple(attached.files))


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


def _listed(names: Iterable[str]) -> str:
    known = [path_of(name, "file") for name in names]
    more = f" and {len(known) - _SHOWN:,} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more
