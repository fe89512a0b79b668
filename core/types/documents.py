"""Documents on their way into the index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# Formats whose pages are slides.
_SLIDES = frozenset(
    {
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.oasis.opendocument.presentation",
    }
)


def page_word(media_type: str) -> str:
    """What a page of such a document is called."""
    return "slide" if media_type in _SLIDES else "page"


class DocumentStatus(StrEnum):
    """Where a document is on its way into the index."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class BlockKind(StrEnum):
    """What a parser saw a block to be; the splitter keeps tables and code whole where it can."""

    TEXT = "text"
    HEADING = "heading"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a parsed document, in reading order. `level` (1-6) is set for headings only."""

    text: str
    kind: BlockKind = BlockKind.TEXT
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside another one: a member of an archive, by its path there, or what a message carries."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser returns. `losses` says in plain words what could not be read."""

    title: str
    blocks: tuple[Block, ...]
    pages: int | None = None
    losses: tuple[str, ...] = ()
    media_type: str = ""
    """Told from the content, e.g. `application/pdf`."""
    keywords: str = ""
    """Words that the author wants it to be found by, which its text may not hold."""
    attachments: tuple[Attachment, ...] = ()
    """Files inside this one, which become documents of their own."""


@dataclass(frozen=True, slots=True)
class Section:
    """The text under one heading (or of one page without headings): what a model gets to read."""

    id: str
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The unit that is embedded, searched and cited.

    `id` is derived from document, place and text, so indexing it twice changes nothing.
    `headings` is the path from the outermost heading inwards, without the document's title. `opens` marks the first
    chunk of the document under its headings, which a question that resembles the heading itself leads to.
    """

    id: str
    document_id: str
    section_id: str
    ordinal: int
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its admin sees it. `source` says where it came from: `file:///…` or `upload:NAME`."""

    id: str
    namespace: str
    title: str
    source: str
    status: DocumentStatus
    media_type: str
    sha256: str
    size_bytes: int
    updated_at: datetime
    pages: int | None = None
    chunks: int = 0
    readers: frozenset[str] = frozenset()
    """Who may read it; empty means everybody who may ask in the namespace."""
    losses: tuple[str, ...] = ()
    error: str | None = None
    url: str | None = None
    keywords: str = ""
    """Words to be found by beside those of title and text."""
    version: int = 1
    """Of what answers now; counted up with every change of its bytes."""


class ChangeKind(StrEnum):
    """What adding one file did."""

    ADDED = "added"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    SKIPPED = "skipped"
    """A file in a folder whose format nobody reads, or that holds no text."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """The result for one file of an ingest run, in the order the files finish."""

    kind: ChangeKind
    name: str
    document: Document | None = None
    message: str | None = None
    """For a person: why it failed, or what was lost."""
    code: str = ""
    """Of the error in `core.errors` that made it fail."""
    inside: str = ""
    """For a person: what became of the files inside it, where they are not told of by themselves."""
