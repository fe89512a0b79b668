"""Collects the files inside another one: names made safe and distinct, number and size bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, count

from core.types import Attachment
from ingest.parse.text import one_line

MAX_FILES = 1000
MAX_BYTES = 200_000_000
"""Of all files inside one together."""
_LONGEST_PART, _LONGEST_PATH = 150, 400
_LONGEST_ENDING = 10
_DRIVE = re.compile("[A-Za-z]:")
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))


class Attached:
    """Call `add` for each file in order, then take `files` and `losses`."""

    def __init__(self, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> None:
        self.files: list[Attachment] = []
        self.room = max_bytes
        """Bytes that may still be added."""
        self._max_files = max_files
        self._taken: set[str] = set()
        self._too_many = self._too_large = 0

    @property
    def is_full(self) -> bool:
        return len(self.files) >= self._max_files

    def add(self, name: str, data: bytes) -> None:
        """Take a file in; empty ones hold nothing, and those over a bound are only counted."""
        if self.is_full:
            self._too_many += 1
        elif not data:
            return
        elif len(data) > self.room:
            self._too_large += 1
        else:
            self.room -= len(data)
            self.files.append(Attachment(self._distinct(name), data))

    def leave_out(self) -> None:
        """Count a file that is too large to be added."""
        self._too_large += 1

    def losses(self) -> list[str]:
        found = []
        if self._too_many:
            found.append(
                f"Only the first {self._max_files:,} files inside were taken; {self._too_many:,} were left out."
            )
        if self._too_large:
            some, were = ("One file", "is") if self._too_large == 1 else (f"{self._too_large:,} files", "are")
            found.append(f"{some} inside {were} too large and {'was' if were == 'is' else 'were'} left out.")
        return found

    def _distinct(self, name: str) -> str:
        """`plan.pdf`, then `plan (2).pdf`; names that differ in case only are the same to many file systems."""
        shown = next(each for each in chain([name], _numbered(name)) if each.casefold() not in self._taken)
        self._taken.add(shown.casefold())
        return shown


def file_name(stated: str, fallback: str) -> str:
    """A file's name as its sender states it, without folders and whatever else does not belong into one."""
    return path_of(stated.replace("\\", "/").rpartition("/")[2], fallback)


def path_of(stated: str, fallback: str) -> str:
    """A relative path with `/`: no drive, no root, no `..`, no control characters, of a length that systems bear."""
    parts = [_part(part) for part in one_line(stated[:10_000]).replace("\\", "/").split("/")]
    parts = [part for part in parts if part]
    while len(parts) > 1 and sum(len(part) + 1 for part in parts) > _LONGEST_PATH:
        parts.pop(0)
    return "/".join(parts) or fallback


def _numbered(name: str) -> Iterator[str]:
    folder, slash, file = name.rpartition("/")
    stem, dot, ending = file.rpartition(".")
    if not stem:
        stem, dot, ending = file, "", ""
    return (f"{folder}{slash}{stem} ({number}){dot}{ending}" for number in count(2))


def _part(text: str) -> str:
    text = text.strip()
    if _DRIVE.fullmatch(text) or not text.strip("."):
        return ""
    text = text.translate(_FORBIDDEN)
    if len(text) <= _LONGEST_PART:
        return text
    stem, dot, ending = text.rpartition(".")
    if not stem or len(ending) > _LONGEST_ENDING:
        return text[:_LONGEST_PART]
    return f"{stem[: _LONGEST_PART - len(ending) - 1]}{dot}{ending}"
