"""Word search in Postgres: the stems of each chunk with their weighted counts under a GIN index, scored by BM25 in SQL.

`ts_rank` knows neither how rare a word is nor how long a text, so a `tsvector` could only find candidates; the counts
find and score them. The formula is FTS5's (sqlite.org/fts5.html#the_bm25_function), so scores mean the same in both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.engine import Connection, Engine

from core.store.engine import reading
from core.store.schema import chunks, documents
from core.store.scope import in_scope, scope_values
from core.store.sizes import Sizes
from core.store.words import (
    ANALYSIS,
    COLUMN_WEIGHTS,
    K1,
    MAX_QUERY_STEMS,
    B,
    ChunkWords,
    ColumnWeights,
    query_stems,
    telling,
)
from core.types import Hit, Scope, Stems, WordHits

# A stem that occurs in more chunks than this, and in more than one of ten, adds to the score of those that rarer stems
# find, but finds none itself: it would touch much of the index for chunks that end up last.
COMMON_CHUNKS = 5000
COMMON_SHARE = 0.1
LEAST_IDF = 1e-6

_metadata = sa.MetaData()
words = sa.Table(
    "chunk_words",
    _metadata,
    sa.Column("key", sa.BigInteger, primary_key=True),
    sa.Column("document_id", sa.Text, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("counts", JSONB, nullable=False),
)
totals = sa.Table(
    "word_totals",
    _metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("chunks", sa.BigInteger, nullable=False),
    sa.Column("words", sa.BigInteger, nullable=False),
)


class PostgresLexical:
    """Implements `core.store.words.WordIndex`."""

    def __init__(self, engine: Engine, weights: ColumnWeights = COLUMN_WEIGHTS) -> None:
        self._engine = engine
        self._weights = weights
        self._sizes = Sizes()
        self.identity = f"jsonb/{ANALYSIS}/{weights.title}/{weights.headings}/{weights.body}"

    def look_up(self, query: str, scope: Scope, limit: int) -> WordHits:
        stems = query_stems(query)
        with reading(self._engine) as connection:
            return WordHits(
                tuple(self._search(connection, stems, scope, limit)),
                _document_frequency(connection, stems[:MAX_QUERY_STEMS], scope.namespace),
                self._sizes.of(connection, scope.namespace),
            )

    def stems(self, chunk_ids: Sequence[str]) -> dict[str, Stems]:
        """Of none: what is stored counts a chunk's words, and does not say where they stand."""
        return {}

    def _search(self, connection: Connection, stems: Sequence[str], scope: Scope, limit: int) -> list[Hit]:
        frequencies = _document_frequency(connection, stems)
        wanted = telling(stems, frequencies)
        if not wanted:
            return []
        size, total = connection.execute(sa.select(sa.func.sum(totals.c.chunks), sa.func.sum(totals.c.words))).one()
        score = _bm25(wanted, frequencies, int(size), float(total / size)).label("score")
        statement = (
            sa.select(chunks.c.id, score)
            .select_from(_words_of_documents.join(chunks, chunks.c.key == words.c.key))
            .where(_has_any(finding(wanted, frequencies, int(size))), in_scope(scope))
            .order_by(score.desc(), chunks.c.id.collate("C"))
            .limit(limit)
        )
        return [Hit(row.id, row.score) for row in connection.execute(statement, scope_values(scope))]

    def write(self, connection: Connection, rows: Sequence[ChunkWords]) -> None:
        if not rows:
            return
        statement = insert(words)
        statement = statement.on_conflict_do_update(
            index_elements=[words.c.key],
            set_={"length": statement.excluded.length, "counts": statement.excluded.counts},
        )
        connection.execute(
            statement,
            [
                {"key": row.key, "document_id": row.document_id, "length": _length(row), "counts": self._counts(row)}
                for row in rows
            ],
        )
        for document_id in dict.fromkeys(row.document_id for row in rows):
            _add_up(connection, document_id)

    def erase(self, connection: Connection, document_id: str, keys: Sequence[int]) -> None:
        connection.execute(sa.delete(words).where(words.c.key == sa.any_(sa.literal(list(keys), ARRAY(sa.BigInteger)))))
        _add_up(connection, document_id)

    def clear(self, connection: Connection) -> None:
        connection.execute(sa.delete(words))
        connection.execute(sa.delete(totals))

    def keys(self, connection: Connection) -> set[int]:
        return set(connection.scalars(sa.select(words.c.key)))

    def _counts(self, row: ChunkWords) -> dict[str, float]:
        counts: Counter[str] = Counter()
        for column, weight in (
            (row.title, self._weights.title),
            (row.headings, self._weights.headings),
            (row.body, self._weights.body),
        ):
            for stem in column:
                counts[stem] += weight  # type: ignore[assignment]
        return dict(counts)


_words_of_documents = words.join(documents, documents.c.id == words.c.document_id)


def idf(size: int, frequency: int) -> float:
    """FTS5's: never below a trifle, so that words in more than half of the chunks do not count against them."""
    return max(math.log((size - frequency + 0.5) / (frequency + 0.5)), LEAST_IDF)


def finding(stems: Sequence[str], frequencies: Mapping[str, int], size: int) -> list[str]:
    """Those of the stems, rarest first, whose chunks are looked at."""
    limit = max(COMMON_CHUNKS, size * COMMON_SHARE)
    return [stem for stem in stems if frequencies[stem] <= limit] or list(stems[:1])


def _bm25(
    stems: Sequence[str], frequencies: Mapping[str, int], size: int, mean_length: float
) -> sa.ColumnElement[float]:
    norm = K1 * (1 - B + B * words.c.length / mean_length)
    parts: list[sa.ColumnElement[float]] = []
    for stem in stems:
        count = sa.cast(words.c.counts[stem], sa.Float)
        part = idf(size, frequencies[stem]) * (K1 + 1) * count / (count + norm)
        parts.append(sa.func.coalesce(sa.cast(part, sa.Float), 0.0))
    return sum(parts[1:], parts[0])


def _has_any(stems: Sequence[str]) -> sa.ColumnElement[bool]:
    condition: sa.ColumnElement[bool] = words.c.counts.has_any(sa.literal(list(stems), ARRAY(sa.Text)))
    return condition


def _length(row: ChunkWords) -> int:
    return len(row.title) + len(row.headings) + len(row.body)


def _add_up(connection: Connection, document_id: str) -> None:
    """Keep the sums that the mean length of a chunk is made of."""
    sums = sa.select(words.c.document_id, sa.func.count(), sa.func.sum(words.c.length))
    sums = sums.where(words.c.document_id == document_id).group_by(words.c.document_id)
    connection.execute(sa.delete(totals).where(totals.c.document_id == document_id))
    connection.execute(sa.insert(totals).from_select(["document_id", "chunks", "words"], sums))


def _document_frequency(connection: Connection, stems: Sequence[str], namespace: str | None = None) -> dict[str, int]:
    """In how many chunks, of one namespace or of all, each stem occurs."""
    if not stems:
        return {}
    wanted = (
        sa.func.unnest(sa.literal(list(stems), ARRAY(sa.Text))).table_valued("stem", name="wanted").render_derived()
    )
    rows = sa.select(wanted.c.stem, sa.func.count()).group_by(wanted.c.stem)
    rows = rows.select_from(wanted.join(words, words.c.counts.has_key(wanted.c.stem)))
    if namespace is not None:
        rows = rows.join(documents, documents.c.id == words.c.document_id).where(documents.c.namespace == namespace)
    found = {row.stem: row[1] for row in connection.execute(rows)}
    return {stem: found.get(stem, 0) for stem in stems}
