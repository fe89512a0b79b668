"""What travels through the pipeline, from a file to what is embedded."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.store.history import Ending
from core.store.job_rows import Claimed
from core.types import NOBODY, ChangeKind, Chunk, Document, DocumentChange, Origin, ParsedDocument, Section


@dataclass(slots=True)
class Work:
    """A job in hand, shared by its file and the files inside it."""

    claimed: Claimed
    changes: list[DocumentChange] = field(default_factory=list)
    """What became of the files inside it so far."""
    is_told: bool = False
    """Whether people were told that its file is read."""


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
    origin: Origin = NOBODY
    of_version: int | None = None
    """Which version it brings back."""
    work: Work | None = None
    """The job that it comes from."""
    containers: tuple[str, ...] = ()
    """Ids of the documents that it lies in, the outermost first."""

    @property
    def is_inside(self) -> bool:
        """Whether it lies in the file that was received, so that its end is not that one's."""
        return bool(self.containers)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that is split and ready to be embedded."""

    name: str
    document: Document
    kind: ChangeKind
    sections: tuple[Section, ...]
    chunks: tuple[Chunk, ...]
    file: Received
    gone: tuple[Document, ...] = ()
    """What lay in an earlier version of it, and does so no more."""

    def change(self, document: Document) -> DocumentChange:
        """What is told of it when it is published."""
        return DocumentChange(self.kind, self.name, document, " ".join(document.losses) or None)

    def ending(self, *, anew: bool) -> Ending:
        """What is done together with its publication."""
        file, work = self.file, self.file.work
        gone = tuple(each.id for each in self.gone)
        if work is None:
            # No job says that it was removed meanwhile.
            known = () if anew else (*file.containers, self.document.id)
            return Ending(file.origin, file.of_version, gone, is_anew=anew, known=known)

        def told(document: Document) -> list[DocumentChange]:
            # In the transaction, so that the file itself, which may be next in it, knows of the files inside it.
            work.changes += [DocumentChange(ChangeKind.REMOVED, each.title, each) for each in self.gone]
            work.changes.append(self.change(document))
            return work.changes

        return Ending(file.origin, file.of_version, gone, work.claimed, told, is_end=not file.is_inside)
