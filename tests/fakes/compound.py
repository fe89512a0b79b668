"""Writes compound files ([MS-CFB]), so that tests can make Outlook messages: nothing that is installed does."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Union

Tree = dict[str, Union[bytes, "Tree"]]
"""Streams and storages by their names."""

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


@dataclass
class _Entry:
    name: str
    kind: int
    data: bytes = b""
    child: int = _FREE
    right: int = _FREE


def compound_file(tree: Tree) -> bytes:
    """A file of version 3 with these streams; at most some 60 kB of them, so that one sector lists all others."""
    entries = [_Entry("Root Entry", _ROOT)]
    _add(tree, 0, entries)
    mini = b""
    mini_fat: list[int] = []
    sectors: list[bytes] = []
    fat: list[int] = []

    def store(data: bytes) -> int:
        pieces = [data[i : i + _SECTOR].ljust(_SECTOR, b"\0") for i in range(0, len(data), _SECTOR)]
        start = len(sectors)
        sectors.extend(pieces)
        fat.extend([*range(start + 1, start + len(pieces)), _END] if pieces else [])
        return start if pieces else _END

    places: list[tuple[int, int]] = []
    for data in (entry.data for entry in entries):
        if not data:
            places.append((_END, 0))
        elif len(data) < _CUTOFF:
            count = -(-len(data) // _MINI)
            start = len(mini_fat)
            mini_fat += [*range(start + 1, start + count), _END]
            mini += data.ljust(count * _MINI, b"\0")
            places.append((start, len(data)))
        else:
            places.append((store(data), len(data)))
    places[0] = (store(mini), len(mini))
    directory = b"".join(_entry(entry, place) for entry, place in zip(entries, places, strict=True))
    first_directory = store(directory.ljust(-(-len(directory) // _SECTOR) * _SECTOR, b"\0"))
    listed = b"".join(struct.pack("<I", each) for each in mini_fat)
    first_mini = store(listed.ljust(-(-len(listed) // _SECTOR) * _SECTOR, b"\xff")) if listed else _END
    fat_sector = len(sectors)
    fat += [_FAT]
    assert len(fat) <= _SECTOR // 4
    sectors.append(b"".join(struct.pack("<I", each) for each in fat).ljust(_SECTOR, b"\xff"))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    mini_sectors = -(-len(listed) // _SECTOR)
    header += struct.pack("<IIIIIIIII", 0, 1, first_directory, 0, _CUTOFF, first_mini, mini_sectors, _END, 0)
    header += struct.pack("<I", fat_sector) + b"\xff" * 4 * 108
    return header + b"".join(sectors)


def _add(tree: Tree, parent: int, entries: list[_Entry]) -> None:
    """Children hang in a chain to the right, which readers accept as a search tree."""
    previous = None
    for name in sorted(tree, key=lambda each: (len(each), each.upper())):
        value = tree[name]
        own = len(entries)
        entries.append(_Entry(name, _STREAM, value) if isinstance(value, bytes) else _Entry(name, _STORAGE))
        if previous is None:
            entries[parent].child = own
        else:
            entries[previous].right = own
        previous = own
        if isinstance(value, dict):
            _add(value, own, entries)


def _entry(entry: _Entry, place: tuple[int, int]) -> bytes:
    coded = entry.name.encode("utf-16-le") + b"\0\0"
    links = struct.pack("<III", _FREE, entry.right, entry.child)
    head = coded.ljust(64, b"\0") + struct.pack("<HBB", len(coded), entry.kind, 1) + links
    return head + bytes(16 + 4 + 16) + struct.pack("<IQ", place[0], place[1])
