"""Files and folders on disk: which of them to take, and their bytes.

A file named by a person is always taken, whatever it is called, so that its error says why it cannot be read. In a
folder only files whose extension belongs to a readable format are taken; the others are reported.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import InvalidRequest, UnreadableDocument
from ingest.parse import readable_extensions
from ingest.sources.base import too_large


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be read. `source` is its identity from one run to the next."""

    path: Path
    """Absolute, with symbolic links as they are, so that a link that is moved to new content stays the same source."""
    source: str
    """`file:///…` of `path`."""
    name: str
    """Relative to the folder that was given, with `/` between folders; the file's own name if it was given itself."""
    is_named: bool = False
    """Whether a person named the file itself."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder inside a given one that could not be listed: nothing is known about what is below `source`."""

    source: str
    """`file:///…/`, the beginning of the sources below it."""
    name: str
    """Relative to the given folder."""
    message: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What a walk came upon, in the order of the given paths and then by name."""

    files: tuple[SourceFile, ...]
    roots: tuple[str, ...] = ()
    """`file:///…/` of each given folder: the beginning of the sources below it."""
    skipped: tuple[str, ...] = ()
    """Names of files in folders that were left alone: nothing reads their format, or they are no plain files."""
    unreadable: tuple[Unreadable, ...] = ()


def collect(paths: Sequence[Path], wanted: Set[str] | None = None) -> Collected:
    """Walk `paths` without reading any file; every file comes once, however many ways lead to it.

    `wanted`: the endings of names that are taken in a folder; by default of those formats that are read here.

    Raises `InvalidRequest` for a path that does not exist, cannot be read, or is neither a file nor a folder.
    """
    walk = _Walk(readable_extensions() if wanted is None else wanted)
    for given in paths:
        walk.add(given)
    return Collected(tuple(walk.files), tuple(walk.roots), tuple(walk.skipped), tuple(walk.unreadable))


def read(path: Path, max_bytes: int) -> bytes:
    """The bytes of one file.

    Raises `TooLarge` over `max_bytes`, and `UnreadableDocument` when it is gone, not allowed or not a plain file.
    """
    try:
        # A pipe may have taken the file's place since it was listed; opening it must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableDocument("It is not a plain file.")
            if status.st_size > max_bytes:
                raise too_large(status.st_size, max_bytes)
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableDocument(f"The file cannot be opened: {_reason(error)}.") from error
    if len(data) > max_bytes:  # it grew meanwhile
        raise too_large(len(data), max_bytes)
    return data


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


class _Walk:
    def __init__(self, wanted: Set[str]) -> None:
        self.files: list[SourceFile] = []
        self.roots: list[str] = []
        self.skipped: list[str] = []
        self.unreadable: list[Unreadable] = []
        self._wanted = wanted
        self._seen: set[str] = set()

    def add(self, given: Path) -> None:
        """One path that a person named."""
        shown = _shown(str(given))
        path = Path(os.path.abspath(given.expanduser()))  # noqa: PTH100 - resolve() follows links
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            raise InvalidRequest(f"{shown} does not exist.") from error
        except OSError as error:
            raise InvalidRequest(f"{shown} cannot be read: {_reason(error)}.") from error
        if stat.S_ISDIR(mode):
            self.roots.append(folder_source(path))
            self._folder(path)
        elif stat.S_ISREG(mode):
            self._take(path, path.parent, is_named=True)
        else:
            raise InvalidRequest(f"{shown} is neither a file nor a folder.")

    def _folder(self, root: Path) -> None:
        inside = os.path.realpath(root)
        waiting, entered = [root], {inside}
        while waiting:
            folders = []
            for entry in self._entries(waiting.pop(), root):
                path, real = Path(entry.path), os.path.realpath(entry.path)
                if not _is_within(real, inside):
                    self.skipped.append(_name(path, root))
                elif _kind(entry) == stat.S_IFDIR:
                    if real not in entered:
                        entered.add(real)
                        folders.append(path)
                elif _kind(entry) == stat.S_IFREG and path.suffix.lower() in self._wanted:
                    self._take(path, root)
                else:
                    self.skipped.append(_name(path, root))
            waiting += reversed(folders)

    def _entries(self, folder: Path, root: Path) -> list[os.DirEntry[str]]:
        """What is in a folder, by name, files before folders; hidden ones are left out."""
        try:
            with os.scandir(folder) as found:
                entries = [entry for entry in found if not _is_hidden(entry.name)]
            return sorted(entries, key=lambda entry: (_kind(entry) == stat.S_IFDIR, entry.name))
        except OSError as error:
            message = f"{_shown(str(folder))} cannot be read: {_reason(error)}."
            if folder == root:
                raise InvalidRequest(message) from error
            self.unreadable.append(Unreadable(folder_source(folder), _name(folder, root), message))
            return []

    def _take(self, path: Path, root: Path, *, is_named: bool = False) -> None:
        real = os.path.realpath(path)
        if real not in self._seen:
            self._seen.add(real)
            self.files.append(SourceFile(path, path.as_uri(), _name(path, root), is_named))


def is_still_there(source: str) -> bool:
    """Whether the file that a source names exists, whatever it holds."""
    return Path(unquote(urlsplit(source).path)).exists()


def folder_source(path: Path) -> str:
    """The beginning of the sources of what is in a folder."""
    return path.as_uri().rstrip("/") + "/"


def _kind(entry: os.DirEntry[str]) -> int:
    """`stat.S_IFREG`, `S_IFDIR` and so on; 0 for a link that leads nowhere or in a circle."""
    try:
        return stat.S_IFMT(entry.stat().st_mode)
    except OSError:
        return 0


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$"))


def _name(path: Path, root: Path) -> str:
    return _shown(path.relative_to(root).as_posix())


def _shown(text: str) -> str:
    """File names are bytes: what is no Unicode or cannot be printed becomes a replacement character."""
    decoded = os.fsencode(text).decode("utf-8", errors="replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in decoded)
