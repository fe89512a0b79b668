"""Word search beside the record: SQLite's FTS5, or Postgres, by the engine. Both score alike."""

from __future__ import annotations

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine

from core.store.engine import reading, transaction
from core.store.migrations import lock
from core.store.schema import chunks, documents, meta
from core.store.words import WordIndex, words_of

META_KEY = "words"
REBUILD_BATCH = 1000
log = structlog.get_logger(__name__)


def open_lexical(engine: Engine) -> WordIndex:
    """The word index of this database."""
    if engine.dialect.name == "postgresql":
        from core.store.lexical_postgres import PostgresLexical

        return PostgresLexical(engine)
    from core.store.lexical_sqlite import SqliteLexical

    return SqliteLexical(engine)


def refresh(engine: Engine) -> None:
    """Make the word index anew when another version of this program has written it. Raises `StorageFailed`."""
    index = open_lexical(engine)
    with reading(engine) as connection:
        if is_current(connection, index):
            return
    with transaction(engine, without_limit=True) as connection:
        lock(connection)
        # Another process may have done it in between.
        if not is_current(connection, index):
            rebuild(connection, index)


def is_current(connection: Connection, index: WordIndex) -> bool:
    """Whether the stored rows were made as this program makes them."""
    return connection.scalar(sa.select(meta.c.value).where(meta.c.key == META_KEY)) == index.identity


def rebuild(connection: Connection, index: WordIndex) -> None:
    """Make all rows anew from the chunks, in the open transaction. Takes about a second for 5,000 chunks."""
    index.clear(connection)
    count = 0
    last = -1
    while rows := _batch_after(connection, last):
        index.write(
            connection,
            [words_of(row.key, row.document_id, f"{row.title} {row.keywords}", row.headings, row.text) for row in rows],
        )
        count += len(rows)
        last = rows[-1].key
    connection.execute(sa.delete(meta).where(meta.c.key == META_KEY))
    connection.execute(sa.insert(meta).values(key=META_KEY, value=index.identity))
    if count:
        log.info("word index built anew", chunks=count)


def _batch_after(connection: Connection, key: int) -> list[sa.Row[tuple[int, str, str, str, tuple[str, ...], str]]]:
    about = (documents.c.title, documents.c.keywords)
    statement = (
        sa.select(chunks.c.key, chunks.c.document_id, *about, chunks.c.headings, chunks.c.text)
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.key > key)
        .order_by(chunks.c.key)
        .limit(REBUILD_BATCH)
    )
    return list(connection.execute(statement))
