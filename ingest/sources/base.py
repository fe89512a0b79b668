"""What every kind of source is: a place that lists its files, and gives the bytes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import LorekeeperError, TooLarge


class Unreachable(LorekeeperError):
    """The place does not answer as it should; another time it may. The message is for an operator."""

    code = "source_unreachable"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a source, as a listing shows it."""

    source: str
    """The address of the file itself, which is the `source` of its document."""
    name: str
    """Relative to the source, with `/` between folders."""
    fingerprint: str
    """Another one after each change of the file: times, sizes, an ETag."""
    size: int = 0
    """In bytes, as far as it is known."""
    url: str | None = None
    """Where people can open it."""
    title: str = ""
    """What the source calls it, whatever the file says."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is there now. `unknown`: beginnings of sources below which nothing could be listed, with the reasons."""

    entries: Sequence[Entry]
    unknown: Sequence[tuple[str, str]] = ()
    note: str = ""
    """What the place says of itself, where that explains an empty listing."""


class Source(Protocol):
    """One file per kind, chosen by address in `ingest.sources.kinds`. Blocking; for one thread."""

    @property
    def root(self) -> str:
        """The beginning of the sources of everything in it: `file:///srv/docs/`, `s3://bucket/prefix/`."""
        ...

    def check(self) -> None:
        """Without a listing, as far as that goes: raises `InvalidRequest` or `MissingExtra` for an operator."""
        ...

    def list(self) -> Listing:
        """Raises `Unreachable`, or `InvalidRequest` where it is another thing that is to be put right."""
        ...

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file of the last listing.

        Raises `UnreadableDocument` or `TooLarge` for what stays so while the file is as it is, else `Unreachable`.
        """
        ...


def too_large(size: int, limit: int) -> TooLarge:
    """Sizes are in bytes."""
    return TooLarge(f"The file has {megabytes(size)}; the limit is {megabytes(limit)} (server.max_upload_mb).")


def megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f}".removesuffix(".0") + " MB"
