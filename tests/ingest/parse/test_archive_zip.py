"""ZIP archives: their files as attachments; what cannot be taken is said."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import pytest

from core.errors import TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse import archive_zip, parse
from ingest.parse.errors import Protected
from ingest.parse.options import ParseOptions


def packed(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def encrypted(data: bytes, name: bytes) -> bytes:
    """Sets the flag of one member, in its header and in the directory."""
    changed = bytearray(data)
    for signature, flags, start in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = -1
        while (at := changed.find(signature, at + 1)) >= 0:
            if changed[at + start :].startswith(name):
                changed[at + flags] |= 1
    return bytes(changed)


def read(data: bytes) -> ParsedDocument:
    return parse(data, "uploads/policies_2026.zip")


def names(document: ParsedDocument) -> list[str]:
    return [each.name for each in document.attachments]


def test_files_keep_their_paths_and_there_is_no_text() -> None:
    document = read(packed({"hr/leave.md": b"# Leave", "hr/": b"", "it.txt": b"VPN", "old.zip": packed({"a": b"b"})}))
    assert (document.title, document.media_type, document.blocks) == ("Policies 2026", "application/zip", ())
    assert names(document) == ["hr/leave.md", "it.txt", "old.zip"]
    assert document.attachments[0].data == b"# Leave"
    assert document.losses == ()


def test_what_systems_leave_behind_is_left_out() -> None:
    document = read(
        packed(
            {
                "a.txt": b"a",
                "__MACOSX/._a.txt": b"x",
                ".DS_Store": b"x",
                ".git/config": b"x",
                "b/Thumbs.db": b"x",
                "empty.txt": b"",
            }
        )
    )
    assert names(document) == ["a.txt"]


def test_names_lead_nowhere_and_are_distinct() -> None:
    document = read(
        packed({"../../etc/passwd": b"a", "/etc/passwd": b"b", "C:\\etc\\passwd": b"c", "x\x1b[1m\u202e.txt": b"d"})
    )
    assert names(document) == ["etc/passwd", "etc/passwd (2)", "etc/passwd (3)", "x[1m.txt"]


def test_names_in_utf_8_that_do_not_say_so() -> None:
    data = packed({"Gr___e.txt": b"a"})
    assert names(read(data.replace(b"Gr___e", "Grüß".encode()))) == ["Grüß.txt"]


def test_passwords() -> None:
    data = packed({"a.txt": b"a", "b.txt": b"b"})
    document = read(encrypted(data, b"a.txt"))
    assert names(document) == ["b.txt"]
    assert document.losses == ("One file inside is protected by a password: a.txt.",)
    tried = parse(encrypted(data, b"a.txt"), "x.zip", ParseOptions(("wrong",)))
    assert tried.losses == (
        "One file inside is protected by a password that is not in the setting parse.passwords: a.txt.",
    )
    with pytest.raises(Protected, match="password"):
        read(encrypted(encrypted(data, b"a.txt"), b"b.txt"))


def test_damaged_members_are_named_and_the_others_taken() -> None:
    data = packed({"a.txt": b"a" * 100, "b.txt": b"b" * 100}, zipfile.ZIP_STORED)
    document = read(data.replace(b"a" * 100, b"c" * 100, 1))
    assert names(document) == ["b.txt"]
    assert document.losses == ("One file inside is damaged or packed in a way that cannot be read here: a.txt.",)


def test_unknown_compression_is_named() -> None:
    data = bytearray(packed({"a.txt": b"a", "b.txt": b"b"}, zipfile.ZIP_STORED))
    struct.pack_into("<H", data, data.find(b"PK\x01\x02") + 10, 97)
    assert read(bytes(data)).losses[0].endswith("a.txt.")


def test_number_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    document = read(packed({f"{i}.txt": b"x" for i in range(1010)}))
    assert len(document.attachments) == 1000
    assert document.losses == ("Only the first 1,000 files inside were taken; 10 were left out.",)
    monkeypatch.setattr(archive_zip, "MAX_MEMBER", 10)
    document = read(packed({"large.txt": b"x" * 11, "small.txt": b"x" * 10}))
    assert names(document) == ["small.txt"]
    assert document.losses == ("One file inside is too large and was left out.",)
    monkeypatch.setattr(archive_zip, "MAX_BYTES", 15)
    assert names(read(packed({"a": b"x" * 10, "b": b"x" * 10, "c": b"x" * 5}))) == ["a", "c"]


def test_a_bomb_is_refused() -> None:
    with pytest.raises((UnreadableDocument, TooLarge)):
        read(packed({"zeros.txt": bytes(30_000_000)}))


@pytest.mark.parametrize("members", [{}, {"a/": b""}, {".hidden": b"x"}])
def test_an_archive_without_files(members: dict[str, bytes]) -> None:
    with pytest.raises(UnreadableDocument, match="no files in this archive"):
        read(packed(members))


@pytest.mark.parametrize("cut", [10, 40, 80])
def test_a_cut_archive_is_damaged(cut: int) -> None:
    with pytest.raises(UnreadableDocument, match="damaged"):
        read(packed({"a.txt": b"a" * 100})[:cut])
