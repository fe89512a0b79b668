"""The record held against its own word index, and what other stores are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading, transaction
from core.store.lexical import open_lexical, rebuild
from core.store.migrations import lock
from core.store.publishing import batches
from core.store.schema import chunks, documents, vector_outbox
from core.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class WordsFound:
    """How many chunks have no words, and how many words no chunk."""

    missing: int
    orphaned: int


class Inspection:
    """All methods block, and raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._words = open_lexical(engine)

    def chunk_ids(self) -> Iterator[tuple[str, list[str]]]:
        """Each document with the ids of its chunks."""
        with reading(self._engine) as connection:
            ids = list(connection.scalars(sa.select(documents.c.id).order_by(documents.c.id)))
        for document_id in ids:
            with reading(self._engine) as connection:
                yield document_id, list(connection.scalars(_ids_of(document_id)))

    def settled(self, document_id: str) -> set[str]:
        """Ids of the document's chunks, but for those that somebody may be about to publish again."""
        is_announced = sa.exists().where(vector_outbox.c.chunk_id == chunks.c.id, _is_announced())
        with reading(self._engine) as connection:
            return set(connection.scalars(_ids_of(document_id).where(~is_announced)))

    def announced(self) -> set[str]:
        """Ids of chunks whose vectors somebody may be about to publish."""
        with reading(self._engine) as connection:
            return set(connection.scalars(sa.select(vector_outbox.c.chunk_id).where(_is_announced())))

    def queue_orphans(self, namespace: str, chunk_ids: Sequence[str]) -> None:
        """Their vectors are garbage, but for those that somebody has announced meanwhile."""
        now = datetime.now(UTC)
        rows = [{"chunk_id": chunk_id, "namespace": namespace, "due_at": now} for chunk_id in chunk_ids]
        with transaction(self._engine) as connection:
            for batch in batches(rows):
                upsert(connection, vector_outbox, batch, keep=("due_at",))

    def words(self) -> WordsFound:
        """The word index against the chunks."""
        with reading(self._engine) as connection:
            keys = set(connection.scalars(sa.select(chunks.c.key)))
            found = self._words.keys(connection)
        return WordsFound(len(keys - found), len(found - keys))

    def rebuild_words(self) -> None:
        """Make the word index anew from the chunks."""
        with transaction(self._engine, without_limit=True) as connection:
            lock(connection)
            rebuild(connection, self._words)

    def wrong_counts(self) -> list[str]:
        """Ids of documents whose number of chunks is not what the record says."""
        with reading(self._engine) as connection:
            return list(connection.scalars(sa.select(documents.c.id).where(documents.c.chunks != _counted)))

    def recount(self) -> None:
        """Put the numbers right."""
        with transaction(self._engine) as connection:
            connection.execute(sa.update(documents).where(documents.c.chunks != _counted).values(chunks=_counted))


def _ids_of(document_id: str) -> sa.Select[tuple[str]]:
    return sa.select(chunks.c.id).where(chunks.c.document_id == document_id)


def _is_announced() -> sa.ColumnElement[bool]:
    return vector_outbox.c.due_at > datetime.now(UTC)


_counted = (
    sa.select(sa.func.count()).select_from(chunks).where(chunks.c.document_id == documents.c.id).scalar_subquery()
)
