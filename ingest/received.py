"""What travels through the pipeline, from a file to what is embedded."""

from __future__ import annotations

from dataclasses import dataclass

from core.types import ChangeKind, Chunk, Document, ParsedDocument, Section


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was read, before it is parsed."""

    name: str
    source: str
    namespace: str
    data: bytes
    readers: frozenset[str] = frozenset()
    parsed: ParsedDocument | None = None
    """Set where the text is known already, so that nothing is parsed."""
    may_be_empty: bool = False
    """Whether a file without text is left alone instead of being refused."""
    title: str = ""
    """Set where the document has its title already, whatever the file says."""
    url: str | None = None
    """Where people can open it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that is split and ready to be embedded."""

    name: str
    document: Document
    kind: ChangeKind
    sections: tuple[Section, ...]
    chunks: tuple[Chunk, ...]
    old_sha256: str = ""
    """Of the stored copy that this version takes the place of."""
