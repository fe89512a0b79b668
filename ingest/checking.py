"""Record, word index, vector index and stored copies held against each other, and what differs put right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from core.store.documents import RESERVED_FOR
from core.store.inspection import Inspection
from core.types import Document, DocumentChange, Finding
from ingest.documents import interrupted
from ingest.engine import Stores

REPAIR = "Run: lorekeeper documents check --repair"
ADD_AGAIN = "They answer, but cannot be indexed anew. Add these documents again."
MOST_NAMED = 100


class Checking:
    """`anew` indexes documents anew. Nothing else may be indexing in this process meanwhile."""

    def __init__(
        self,
        stores: Stores,
        inspection: Inspection,
        anew: Callable[[Iterable[Document]], Iterator[DocumentChange]],
        *,
        is_alone: bool,
    ) -> None:
        """`is_alone`: whether no other process can be at work."""
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
            *self._copies(repair=repair),
        ]

    def _left_in_work(self, *, repair: bool) -> Iterator[Finding]:
        expected = self._stores.jobs.unfinished_documents()
        long_ago = datetime.now(UTC) - RESERVED_FOR
        left = [
            document
            for document in self._stores.documents.pending()
            if document.id not in expected and (self._is_alone or document.updated_at < long_ago)
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
        announced = set() if self._is_alone else self._inspection.announced()
        known: set[str] = set()
        missing: list[Document] = []
        number = 0
        for document_id, ids in self._inspection.chunk_ids():
            known.update(ids)
            document = self._stores.documents.get(document_id)
            lacking = len(ids) - len(self._stores.vectors.existing(document.namespace, document.readers, ids))
            if lacking:
                number += lacking
                missing.append(document)
        orphans = 0
        for namespace, ids in indexed:
            surplus = [chunk_id for chunk_id in ids if chunk_id not in known and chunk_id not in announced]
            orphans += len(surplus)
            if repair:
                self._stores.vectors.delete(namespace, surplus)
        if orphans:
            yield Finding("orphaned vectors", orphans, (), repair)
        if missing:
            is_repaired = repair and all(change.document for change in self._anew(missing))
            remedy = "" if is_repaired else ADD_AGAIN if repair else REPAIR
            yield Finding("missing vectors", number, _ids(missing), is_repaired, remedy)

    def _words(self, *, repair: bool) -> Iterator[Finding]:
        found = self._inspection.words()
        if repair and (found.missing or found.orphaned):
            self._inspection.rebuild_words()
        if found.missing:
            yield Finding("missing words", found.missing, (), repair)
        if found.orphaned:
            yield Finding("orphaned words", found.orphaned, (), repair)

    def _copies(self, *, repair: bool) -> Iterator[Finding]:
        documents, _ = self._stores.documents.page(None, limit=10**9, offset=0)
        gone = [document for document in documents if document.chunks and not self._stores.files.has(document.sha256)]
        if gone:
            yield Finding("missing copy", len(gone), _ids(gone), is_repaired=False, remedy=ADD_AGAIN)
        if not self._is_alone:
            # One that somebody has just received cannot be told from one that was left behind.
            return
        unused = self._stores.files.unused(self._stores.history.used_files())
        if repair:
            for digest in unused:
                self._stores.files.discard(digest)
        if unused:
            yield Finding("unused copies", len(unused), (), repair)


def _finding(kind: str, document_ids: Sequence[str], *, is_repaired: bool) -> Iterator[Finding]:
    if document_ids:
        yield Finding(kind, len(document_ids), tuple(document_ids[:MOST_NAMED]), is_repaired)


def _ids(documents: Sequence[Document]) -> tuple[str, ...]:
    return tuple(document.id for document in documents[:MOST_NAMED])
