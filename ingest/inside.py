"""Files inside a file: members of an archive, and what a message carries, as documents of their own. Pure, but for the parser that is handed in.

A file inside has its container's source, `!/` and its path there as its source, so that it is found again in the next
version, and goes when the container goes. (A `!` in a path or name of its own is escaped in `file:` sources.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from core.errors import LorekeeperError, StorageFailed
from core.types import Attachment, ChangeKind, Document, DocumentChange, ParsedDocument
from ingest.documents import INSIDE, document_id
from ingest.received import Received

# Whose files inside are looked at again when the file itself has not changed.
CONTAINERS = frozenset({"application/zip", "message/rfc822", "application/vnd.ms-outlook"})
# Containers within containers; and what one file that is received may hold in all of them together.
MAX_DEPTH = 3
MAX_FILES = 2_000
MAX_BYTES = 500_000_000
# Of those that failed, in one message.
NAMED = 3


@dataclass(slots=True)
class Allowance:
    """What may still be taken out of one received file, at any depth."""

    files: int = MAX_FILES
    bytes: int = MAX_BYTES

    def takes(self, attachment: Attachment) -> bool:
        if self.files < 1 or self.bytes < len(attachment.data):
            return False
        self.files -= 1
        self.bytes -= len(attachment.data)
        return True


def unpacked(file: Received, parsed: ParsedDocument, allowance: Allowance) -> tuple[list[Received], ParsedDocument]:
    """The files inside, and the document without them, which says what was left out."""
    if not parsed.attachments:
        return [], parsed
    depth = file.source.count(INSIDE)
    kept = [each for each in parsed.attachments if depth < MAX_DEPTH and allowance.takes(each)]
    files = [
        replace(
            file,
            name=f"{file.name}/{each.name}",
            source=f"{file.source}{INSIDE}{each.name}",
            data=each.data,
            parsed=None,
            may_be_empty=True,
            title="",
            of_version=None,
            containers=(*file.containers, document_id(file.namespace, file.source)),
        )
        for each in kept
    ]
    return files, replace(
        parsed, attachments=(), losses=(*parsed.losses, *_left_out(len(parsed.attachments) - len(kept), depth))
    )


def read_again(
    parse: Callable[[bytes, str], ParsedDocument], file: Received, allowance: Allowance
) -> Sequence[Received]:
    """The files inside one that was read before. None where it cannot be read now: what it held then still answers.

    Raises `StorageFailed`.
    """
    try:
        return unpacked(file, parse(file.data, file.name), allowance)[0]
    except StorageFailed:
        raise
    except LorekeeperError:
        return ()


def _left_out(count: int, depth: int) -> Iterable[str]:
    if not count:
        return
    files = "1 file inside was" if count == 1 else f"{count:,} files inside were"
    why = f"more than {MAX_DEPTH} containers within each other" if depth >= MAX_DEPTH else "too many or too large"
    yield f"{files} left out: {why}."


def is_inside(document: Document, sources: Collection[str]) -> bool:
    """Whether the document lies in a file with one of these sources, at any depth."""
    parts = document.source.split(INSIDE)
    return any(INSIDE.join(parts[:end]) in sources for end in range(1, len(parts)))


def summed_up(change: DocumentChange, inside: Sequence[DocumentChange]) -> DocumentChange:
    """The change of one file, telling what became of the files inside it."""
    if not inside:
        return change
    failed = [each for each in inside if each.kind is ChangeKind.FAILED]
    told = (
        "1 file inside, which is a document of its own."
        if len(inside) == 1
        else f"{len(inside):,} files inside, which are documents of their own."
    )
    if failed:
        reasons = "; ".join(f"{each.name}: {each.message}" for each in failed[:NAMED])
        more = f" (and {len(failed) - NAMED:,} more)" if len(failed) > NAMED else ""
        told += f" {len(failed):,} of them could not be read: {reasons}{more}"
    return replace(change, inside=told)
