"""Word search in Postgres: the stems of each chunk with their weighted counts under a GIN index, scored by BM25 in SQL.

`ts_rank` knows neither how rare a word is nor how long a text, so a `tsvector` could only find candidates; the counts
find and score them. The formula is FTS5's (sqlite.org/fts5.html#the_bm25_function), so scores mean the same in both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.engine import Connection, Engine

from core.store.engine import reading
from core.store.schema import chunks, documents
from core.store.scope import in_scope, scope_values
from core.store.sizes import RecentCounts, chunks_in, is_large
from core.store.words import (
    ANALYSIS,
    COLUMN_WEIGHTS,
    COUNTED,
    DEPTH,
    K1,
    MAX_QUERY_STEMS,
    B,
    ChunkWords,
    ColumnWeights,
    query_stems,
    telling,
)
from core.types import Hit, Scope, Stems, WordHits

# The rarest stems find the chunks that are scored: the rarest one, and more as long as they find no more than this. Those
# left add to the scores of what is found, and find nothing themselves, unless too little is found that may be seen.
LOOKED_AT = 2000
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


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the formula asks of all chunks, and how many of them are in one namespace."""

    chunks: int
    words: int
    here: int


@dataclass(frozen=True, slots=True)
class Frequency:
    """In how many chunks a stem occurs: of all, and of one namespace."""

    everywhere: int
    here: int


NOWHERE = Frequency(0, 0)


class PostgresLexical:
    """Implements `core.store.words.WordIndex`."""

    def __init__(self, engine: Engine, weights: ColumnWeights = COLUMN_WEIGHTS) -> None:
        self._engine = engine
        self._weights = weights
        self._corpora = RecentCounts[str, Corpus]()
        self._common = RecentCounts[tuple[str, str], Frequency]()
        self.identity = f"jsonb/{ANALYSIS}/{weights.title}/{weights.headings}/{weights.body}"

    def look_up(self, query: str, scope: Scope, limit: int) -> WordHits:
        stems = query_stems(query)
        with reading(self._engine) as connection:
            corpus, frequencies = self._count(connection, stems, scope.namespace)
            # What only other namespaces hold finds nothing here, and must not take the place of what does.
            everywhere = {stem: each.everywhere for stem, each in frequencies.items() if each.here}
            hits = _search(connection, telling(list(everywhere), everywhere), everywhere, corpus, scope, limit)
        here = {stem: frequencies[stem].here for stem in stems[:MAX_QUERY_STEMS]}
        return WordHits(tuple(hits), here, corpus.here)

    def _count(
        self, connection: Connection, stems: Sequence[str], namespace: str
    ) -> tuple[Corpus, dict[str, Frequency]]:
        """Each stem's frequency, in one statement with the size of the corpus; what is large may be remembered."""
        corpus = self._corpora.known([namespace]).get(namespace)
        common = self._common.known([(namespace, stem) for stem in stems])
        new = [stem for stem in stems if (namespace, stem) not in common]
        values = {"stems": new, "namespace": namespace}
        rows = connection.execute(_FREQUENCIES if corpus else _FREQUENCIES_AND_CORPUS, values).all() if new else ()
        if corpus is None:
            sizes = rows[0][3:] if rows else connection.execute(_CORPUS, values).one()
            corpus = Corpus(*map(int, sizes))
            if is_large(corpus.here):
                self._corpora.note({namespace: corpus})
        counted = {(namespace, stem): Frequency(everywhere, here) for stem, everywhere, here, *_ in rows}
        self._common.note({key: found for key, found in counted.items() if found.here > COUNTED})
        known = common | counted
        return corpus, {stem: known.get((namespace, stem), NOWHERE) for stem in stems}

    def stems(self, chunk_ids: Sequence[str]) -> dict[str, Stems]:
        """Of none: what is stored counts a chunk's words, and does not say where they stand."""
        return {}

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


def _search(
    connection: Connection,
    wanted: Sequence[str],
    frequencies: Mapping[str, int],
    corpus: Corpus,
    scope: Scope,
    limit: int,
) -> list[Hit]:
    # What was remembered of a stem may be gone with its documents.
    if not wanted or not corpus.words:
        return []
    looked_at = finding(wanted, frequencies)
    values: dict[str, Any] = {"finding": looked_at, "limit": limit, **scope_values(scope)}
    values["slope"] = K1 * B * corpus.chunks / corpus.words
    for number, stem in enumerate(wanted):
        values[f"stem{number}"] = stem
        values[f"weight{number}"] = idf(corpus.chunks, frequencies[stem]) * (K1 + 1)
    statement = _best(len(wanted), with_readers=bool(scope.readers))
    # The best chunks of all, and of these what may be seen. Where too few are left, all that match are looked at.
    depth = DEPTH * limit
    rows = connection.execute(statement, values | {"depth": depth}).all()
    if len(rows) < limit and (len(looked_at) < len(wanted) or sum(frequencies[stem] for stem in looked_at) > depth):
        rows = connection.execute(statement, values | {"finding": list(wanted), "depth": None}).all()
    return [Hit(row.id, row.score) for row in rows]


def idf(size: int, frequency: int) -> float:
    """FTS5's: never below a trifle, so that words in more than half of the chunks do not count against them.

    Either may be some seconds older than the other, so that there can seem to be more of a word than of chunks.
    """
    return max(math.log((max(size - frequency, 0) + 0.5) / (frequency + 0.5)), LEAST_IDF)


def finding(stems: Sequence[str], frequencies: Mapping[str, int]) -> list[str]:
    """Those of the stems, rarest first, whose chunks are looked at; at least one."""
    found = accumulate(frequencies[stem] for stem in stems)
    return [stem for stem, total in zip(stems, found, strict=True) if total <= LOOKED_AT] or list(stems[:1])


@cache
def _best(stems: int, *, with_readers: bool) -> sa.Select[Any]:
    """The chunks that score best for so many stems. Made once: to put it together takes as long as to run it."""
    scope = Scope(readers=frozenset({"any"}) if with_readers else frozenset())
    has_any = words.c.counts.has_any(sa.bindparam("finding", type_=ARRAY(sa.Text)))
    score = _bm25(stems).label("score")
    matching = sa.select(words.c.key, words.c.document_id, score).where(has_any).order_by(score.desc(), words.c.key)
    # NULL is no limit.
    best = matching.limit(sa.bindparam("depth", type_=sa.Integer)).subquery("best")
    return (
        sa.select(chunks.c.id, best.c.score)
        .select_from(
            best.join(documents, documents.c.id == best.c.document_id).join(chunks, chunks.c.key == best.c.key)
        )
        .where(in_scope(scope))
        .order_by(best.c.score.desc(), chunks.c.id.collate("C"))
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _bm25(stems: int) -> sa.ColumnElement[float]:
    # With each stem's idf times (k1 + 1) in `weight`, and k1 times b by the mean length in `slope`.
    norm = sa.literal_column(str(K1 * (1 - B)), sa.Double) + sa.bindparam("slope", type_=sa.Double) * words.c.length
    parts: list[sa.ColumnElement[float]] = []
    for number in range(stems):
        count = sa.cast(words.c.counts[sa.bindparam(f"stem{number}", type_=sa.Text)], sa.Double)
        # As count / (count + norm), but the count is looked up once: that is what takes the time.
        share = sa.literal_column("1.0", sa.Double) - norm / (count + norm)
        parts.append(sa.func.coalesce(sa.bindparam(f"weight{number}", type_=sa.Double) * share, 0.0))
    return sum(parts[1:], parts[0])


def _length(row: ChunkWords) -> int:
    return len(row.title) + len(row.headings) + len(row.body)


def _add_up(connection: Connection, document_id: str) -> None:
    """Keep the sums that the mean length of a chunk is made of."""
    sums = sa.select(words.c.document_id, sa.func.count(), sa.func.sum(words.c.length))
    sums = sums.where(words.c.document_id == document_id).group_by(words.c.document_id)
    connection.execute(sa.delete(totals).where(totals.c.document_id == document_id))
    connection.execute(sa.insert(totals).from_select(["document_id", "chunks", "words"], sums))


def _frequencies(*others: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Rows of a stem, its chunks of all namespaces and of `:namespace`, and `others`; none where it does not occur."""
    stems = sa.func.unnest(sa.bindparam("stems", type_=ARRAY(sa.Text)))
    wanted = stems.table_valued("stem", name="wanted").render_derived()
    here = sa.func.count().filter(documents.c.namespace == sa.bindparam("namespace"))
    having = wanted.join(words, words.c.counts.has_key(wanted.c.stem))
    having = having.join(documents, documents.c.id == words.c.document_id)
    return sa.select(wanted.c.stem, sa.func.count(), here, *others).select_from(having).group_by(wanted.c.stem)


_corpus = (
    sa.select(sa.func.coalesce(sa.func.sum(totals.c.chunks), 0)).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.sum(totals.c.words), 0)).scalar_subquery(),
    chunks_in(sa.bindparam("namespace")).scalar_subquery(),
)
_CORPUS = sa.select(*_corpus)
_FREQUENCIES = _frequencies()
_FREQUENCIES_AND_CORPUS = _frequencies(*_corpus)
