"""Rows as files of bounded size: JSON lines, gzip, each told by its hash."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from core.backup.manifest import Part, Rows
from core.errors import BackupDamaged, StorageFailed

# Of rows, before they are packed: what is held in memory at once.
PART_BYTES = 8 * 2**20
# Longer than any: a row holds a section at most, of 64 million characters, which JSON writes with six bytes each.
LONGEST_ROW = 2**29
_STEP = 2**20
_GZIP = 31


class PartWriter:
    """Writes rows of one kind. `put` is given a part's name and its bytes."""

    def __init__(self, put: Callable[[str, bytes], None], kind: str, columns: Sequence[str], *, level: int = 6) -> None:
        """`level` of compression: numbers hardly get smaller, however long one tries."""
        self._put = put
        self._kind = kind
        self._columns = tuple(columns)
        self._level = level
        self._lines: list[bytes] = []
        self._bytes = 0
        self._parts: list[Part] = []

    def write(self, row: Sequence[Any]) -> None:
        """Its values in the order of the columns. Raises what `put` raises."""
        line = json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n"
        if len(line) > LONGEST_ROW:
            raise StorageFailed(f"A row of {self._kind} is too large for a backup: {len(line) // 2**20} MB.")
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= PART_BYTES:
            self._flush()

    def finish(self) -> Rows:
        """What was written."""
        if self._lines:
            self._flush()
        return Rows(columns=self._columns, parts=tuple(self._parts))

    def _flush(self) -> None:
        data = gzip.compress(b"".join(self._lines), self._level, mtime=0)
        part = Part(
            name=f"{self._kind}-{len(self._parts) + 1:05}.jsonl.gz",
            rows=len(self._lines),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        self._put(part.name, data)
        self._parts.append(part)
        self._lines, self._bytes = [], 0


def rows_of(wanted: Rows, read: Callable[[Part], bytes]) -> Iterator[list[Any]]:
    """The rows, a part in memory at a time. Raises `BackupDamaged` unless they are what the manifest says."""
    for part in wanted.parts:
        data = read(part)
        if len(data) != part.size or hashlib.sha256(data).hexdigest() != part.sha256:
            raise BackupDamaged(f"{part.name} of the backup is damaged: its content is not what was written.")
        count = 0
        for line in _lines(data, part.name):
            count += 1
            yield _row(line, part.name, len(wanted.columns))
        if count != part.rows:
            raise BackupDamaged(f"{part.name} of the backup is damaged: it holds {count} rows instead of {part.rows}.")


def _row(line: bytes, name: str, width: int) -> list[Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name) from error
    if not isinstance(row, list) or len(row) != width:
        raise _unreadable(name)
    return row


def _lines(data: bytes, name: str) -> Iterator[bytes]:
    """Unpacked bit by bit: a small file may claim to hold very much."""
    unpacking = zlib.decompressobj(_GZIP)
    # Of the line that is not at its end yet, in pieces: whoever sent it may have made it as long as can be.
    pending: list[bytes] = []
    length = 0
    try:
        while data and not unpacking.eof:
            first, *others = unpacking.decompress(data, _STEP).split(b"\n")
            data = unpacking.unconsumed_tail
            pending.append(first)
            length += len(first)
            if length > LONGEST_ROW:
                raise _unreadable(name)
            if others:
                yield b"".join(pending)
                *whole, rest = others
                yield from whole
                pending, length = [rest], len(rest)
    except zlib.error as error:
        raise _unreadable(name) from error
    if length or not unpacking.eof or unpacking.unused_data:
        raise _unreadable(name)


def _unreadable(name: str) -> BackupDamaged:
    return BackupDamaged(f"{name} of the backup is damaged: its rows cannot be read.")
