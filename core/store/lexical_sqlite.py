"""Word search in SQLite: an FTS5 table whose columns hold stems, ranked by its own BM25."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.store.engine import reading
from core.store.schema import chunks, documents
from core.store.scope import in_scope
from core.store.words import ANALYSIS, COLUMN_WEIGHTS, ChunkWords, ColumnWeights, query_stems, telling
from core.types import Hit, Scope

# Characters that FTS5's tokenizer takes for letters and leaves as they are: the lower case of the common scripts. All
# others are escaped, because its Unicode tables are older than Python's and a stem has to come out as it went in.
_NOT_PLAIN = re.compile(
    r"[^0-9a-z\u00df-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0430-\u044f\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u0905-\u0939"
    r"\u0e01-\u0e30\u1100-\u1112\u1161-\u1175\u11a8-\u11c2\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fcc\uac00-\ud7a3]"
)
# Letters for private use, which no text analysis lets through.
_ESCAPE, _END = "\ue000", "\ue001"

words = sa.table("chunk_words", sa.column("rowid", sa.Integer), *map(sa.column, ("title", "headings", "body")))
vocabulary = sa.table("chunk_words_vocabulary", sa.column("term", sa.Text), sa.column("doc", sa.Integer))
# The hidden column of the table's own name, against which FTS5 matches.
_matches = sa.literal_column("chunk_words").op("MATCH", is_comparison=True)


class SqliteLexical:
    """Implements `core.store.words.WordIndex`."""

    identity = f"fts5/{ANALYSIS}"

    def __init__(self, engine: Engine, weights: ColumnWeights = COLUMN_WEIGHTS) -> None:
        self._engine = engine
        self._weights = weights

    def search(self, query: str, scope: Scope, limit: int) -> list[Hit]:
        wanted = query_stems(query)
        weights = (self._weights.title, self._weights.headings, self._weights.body)
        # FTS5 gives better matches lower numbers.
        score = (-sa.func.bm25(sa.literal_column("chunk_words"), *weights, type_=sa.Float)).label("score")
        with reading(self._engine) as connection:
            wanted = telling(wanted, _document_frequency(connection, wanted))
            if not wanted:
                return []
            statement = (
                sa.select(chunks.c.id, score)
                .select_from(_words_of_documents)
                .where(_matches(_any_of(wanted)), in_scope(scope))
                .order_by(score.desc(), chunks.c.id)
                .limit(limit)
            )
            return [Hit(row.id, row.score) for row in connection.execute(statement)]

    def document_frequency(self, terms: Sequence[str], namespace: str) -> dict[str, int]:
        distinct = list(dict.fromkeys(terms))
        with reading(self._engine) as connection:
            if _is_only_namespace(connection, namespace):
                return _document_frequency(connection, distinct)
            return {term: _count_in(connection, term, namespace) for term in distinct}

    def write(self, connection: Connection, rows: Sequence[ChunkWords]) -> None:
        if not rows:
            return
        _delete(connection, [row.key for row in rows])
        connection.execute(
            sa.insert(words),
            [
                {
                    "rowid": row.key,
                    "title": _joined(row.title),
                    "headings": _joined(row.headings),
                    "body": _joined(row.body),
                }
                for row in rows
            ],
        )

    def erase(self, connection: Connection, document_id: str, keys: Sequence[int]) -> None:
        _delete(connection, keys)

    def clear(self, connection: Connection) -> None:
        connection.execute(sa.delete(words))


_words_of_documents = words.join(chunks, chunks.c.key == words.c.rowid).join(
    documents, documents.c.id == chunks.c.document_id
)


def encode(stem: str) -> str:
    """The stem as one token of FTS5, whatever it holds; different stems stay different."""
    return _NOT_PLAIN.sub(lambda match: f"{_ESCAPE}{ord(match[0]):x}{_END}", stem)


def _joined(stems: Iterable[str]) -> str:
    return " ".join(map(encode, stems))


def _any_of(stems: Iterable[str]) -> str:
    # Encoded stems hold no quotes.
    return " OR ".join(f'"{encode(stem)}"' for stem in stems)


def _delete(connection: Connection, keys: Sequence[int]) -> None:
    if keys:
        connection.execute(
            sa.delete(words).where(words.c.rowid == sa.bindparam("chunk_key")), [{"chunk_key": key} for key in keys]
        )


def _document_frequency(connection: Connection, stems: Sequence[str]) -> dict[str, int]:
    """In how many chunks of all namespaces each stem occurs."""
    by_token = {encode(stem): stem for stem in stems}
    statement = sa.select(vocabulary.c.term, vocabulary.c.doc).where(vocabulary.c.term.in_(list(by_token)))
    found = {by_token[row.term]: row.doc for row in connection.execute(statement)}
    return {stem: found.get(stem, 0) for stem in stems}


def _is_only_namespace(connection: Connection, namespace: str) -> bool:
    others = sa.select(documents.c.id).where(documents.c.namespace != namespace, documents.c.chunks > 0)
    return not connection.scalar(sa.select(others.exists()))


def _count_in(connection: Connection, stem: str, namespace: str) -> int:
    statement = (
        sa.select(sa.func.count())
        .select_from(_words_of_documents)
        .where(_matches(_any_of([stem])), documents.c.namespace == namespace)
    )
    return connection.scalar(statement) or 0
