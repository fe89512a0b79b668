"""Record, word index, vector index and stored copies held against each other, and what differs put right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.errors import NotFound
from core.store.documents import RESERVED_FOR
from core.store.inspection import Inspection
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, Finding
from ingest.documents import INSIDE, document_id, interrupted
from ingest.engine import Stores
from ingest.garbage import collect_garbage

REPAIR = "Run: lorekeeper documents check --repair"
ADD_AGAIN = "They answer, but cannot be indexed anew. Add these documents again."
NO_COPIES = "These are no copies of documents. Move or delete them:"
NOT_WHAT_IT_SAYS = "These do not hold what their names say, or cannot be moved. Delete them:"
NOT_DELETED = "Some of them cannot be deleted. Let the user of Lorekeeper write to the files in"
OF_OTHERS = (
    "They are kept, because another database stored copies in this folder too. Look whether database.url and data_dir "
    "belong together. If the other database is gone for good, delete all lines but {own} from {note}"
)
NONE_OF_OURS = (
    "They are kept, because this database refers to none of the copies here. "
    "Look whether database.url and data_dir belong together."
)
MOST_NAMED = 100
MOST_PATHS = 5
IN_WORK = {DocumentStatus.QUEUED, DocumentStatus.PROCESSING}


class Checking:
    """`anew` indexes documents anew. Files may come in, and jobs may be carried out, meanwhile.

    So what seems to differ is looked at again, and what somebody may be about to publish is left alone.
    """

    def __init__(
        self,
        stores: Stores,
        inspection: Inspection,
        anew: Callable[[Iterable[Document]], Iterator[DocumentChange]],
        *,
        is_alone: bool,
    ) -> None:
        """`is_alone`: whether no other process can be at work; in this one nothing but jobs is meanwhile."""
        self._stores = stores
        self._inspection = inspection
        self._anew = anew
        self._is_alone = is_alone

    def run(self, *, repair: bool) -> list[Finding]:
        """What differs; nothing when all agree. Blocking. Raises `StorageFailed`."""
        return [
            *self._left_in_work(repair=repair),
            *self._counts(repair=repair),
            *self._vectors(repair=repair),
            *self._words(repair=repair),
            *self._strays(repair=repair),
            *self._copies(repair=repair),
        ]

    def _left_in_work(self, *, repair: bool) -> Iterator[Finding]:
        # Read before the jobs: the job of a document that comes in between is among them.
        pending = self._stores.documents.pending()
        expected = self._stores.jobs.unfinished_documents()
        long_ago = datetime.now(UTC) - RESERVED_FOR
        left = [
            now
            for document in pending
            if expected.isdisjoint(_with_containers(document)) and (self._is_alone or document.updated_at < long_ago)
            # Its job may have come to its end in between.
            if (now := self._now(document)) is not None and now.status in IN_WORK
        ]
        if repair:
            for document in left:
                self._stores.documents.put(interrupted(document))
        yield from _finding("left in work", [document.id for document in left], is_repaired=repair)

    def _counts(self, *, repair: bool) -> Iterator[Finding]:
        wrong = self._inspection.wrong_counts()
        if wrong and repair:
            self._inspection.recount()
        yield from _finding("wrong count", wrong, is_repaired=repair)

    def _vectors(self, *, repair: bool) -> Iterator[Finding]:
        # Listed before the record is read: what is published in between is in the record, and counts for no orphan.
        indexed = [(namespace, ids) for namespace, ids in self._stores.vectors.chunk_ids()]
        announced = self._inspection.announced()
        known: set[str] = set()
        missing: list[Document] = []
        number = 0
        for each, ids in self._inspection.chunk_ids():
            known.update(ids)
            if lacking := self._lacking(each, ids):
                document, count = lacking
                number += count
                missing.append(document)
        orphans = 0
        for namespace, ids in indexed:
            surplus = [chunk_id for chunk_id in ids if chunk_id not in known and chunk_id not in announced]
            orphans += len(surplus)
            if repair:
                self._inspection.queue_orphans(namespace, surplus)
        if orphans:
            if repair:
                collect_garbage(self._stores.documents, self._stores.vectors)
            yield Finding("orphaned vectors", orphans, (), repair)
        if missing:
            is_repaired = repair and self._is_made_anew(missing)
            remedy = "" if is_repaired else ADD_AGAIN if repair else REPAIR
            yield Finding("missing vectors", number, _ids(missing), is_repaired, remedy)

    def _lacking(self, wanted: str, ids: Sequence[str]) -> tuple[Document, int] | None:
        """The document, if its chunks lack vectors, and how many do."""
        try:
            document = self._stores.documents.get(wanted)
        except NotFound:  # it was removed meanwhile
            return None
        lacking = set(ids) - self._stores.vectors.existing(document.namespace, document.readers, ids)
        # Those of a version that was replaced meanwhile, or is about to be, are somewhere else or gone.
        if not lacking or self._now(document) != document:
            return None
        lacking &= self._inspection.settled(wanted)
        return (document, len(lacking)) if lacking else None

    def _is_made_anew(self, missing: Sequence[Document]) -> bool:
        """Whether all are, or were removed meanwhile."""
        return ChangeKind.FAILED not in [change.kind for change in self._anew(missing)]

    def _words(self, *, repair: bool) -> Iterator[Finding]:
        found = self._inspection.words()
        if repair and (found.missing or found.orphaned):
            self._inspection.rebuild_words()
        if found.missing:
            yield Finding("missing words", found.missing, (), repair)
        if found.orphaned:
            yield Finding("orphaned words", found.orphaned, (), repair)

    def _strays(self, *, repair: bool) -> Iterator[Finding]:
        strays = self._stores.files.strays(datetime.now(UTC) - RESERVED_FOR)
        if strays.misplaced:
            left = [path for path in strays.misplaced if not (repair and self._stores.files.put_right(path))]
            remedy = f"{NOT_WHAT_IT_SAYS} {_named(left)}" if left and repair else ""
            yield Finding("misplaced copies", len(strays.misplaced), (), not left, remedy)
        if strays.unfinished:
            are_gone = repair and self._stores.files.delete(strays.unfinished)
            yield Finding("unfinished copies", len(strays.unfinished), (), are_gone)
        if strays.foreign:
            yield Finding("stray files", len(strays.foreign), (), False, f"{NO_COPIES} {_named(strays.foreign)}")

    def _copies(self, *, repair: bool) -> Iterator[Finding]:
        documents, _ = self._stores.documents.page(None, limit=10**9, offset=0)
        gone = [document for document in documents if self._is_gone(document) and self._is_gone(self._now(document))]
        if gone:
            yield Finding("missing copy", len(gone), _ids(gone), is_repaired=False, remedy=ADD_AGAIN)
        # One that was stored lately may be of a file whose job is not written yet, or that is about to be published.
        unused = self._stores.files.unused(self._stores.history.used_files(), datetime.now(UTC) - RESERVED_FOR)
        if not unused:
            return
        if self._stores.used_copies() is None:
            yield Finding("unused copies", len(unused), (), is_repaired=False, remedy=self._of_others())
            return
        left = [digest for digest in unused if not (repair and self._is_discarded(digest))]
        remedy = f"{NOT_DELETED} {self._stores.files.folder}" if left and repair else ""
        yield Finding("unused copies", len(unused), (), not left, remedy)

    def _of_others(self) -> str:
        owners = self._stores.files.owners
        return OF_OTHERS.format(note=owners.path, own=owners.own) if owners.are_others() else NONE_OF_OURS

    def _is_discarded(self, digest: str) -> bool:
        try:
            self._stores.discard_file(digest)
        except OSError:
            return False
        return True

    def _is_gone(self, document: Document | None) -> bool:
        """Whether it answers without a copy."""
        return document is not None and document.chunks > 0 and not self._stores.files.has(document.sha256)

    def _now(self, document: Document) -> Document | None:
        """The document as it is by now."""
        return self._stores.documents.find(document.namespace, document.source)


def _with_containers(document: Document) -> set[str]:
    """Its id, and those of the files that it lies in."""
    parts = document.source.split(INSIDE)
    sources = (INSIDE.join(parts[:end]) for end in range(1, len(parts) + 1))
    return {document_id(document.namespace, source) for source in sources}


def _finding(kind: str, document_ids: Sequence[str], *, is_repaired: bool) -> Iterator[Finding]:
    if document_ids:
        yield Finding(kind, len(document_ids), tuple(document_ids[:MOST_NAMED]), is_repaired)


def _named(paths: Sequence[Path]) -> str:
    """The first of them."""
    more = len(paths) - MOST_PATHS
    return ", ".join(map(str, paths[:MOST_PATHS])) + (f" and {more:,} more" if more > 0 else "")


def _ids(documents: Sequence[Document]) -> tuple[str, ...]:
    return tuple(document.id for document in documents[:MOST_NAMED])
