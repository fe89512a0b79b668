"""Word search in SQLite: an FTS5 table whose columns hold stems, ranked by its own BM25."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.store.engine import reading
from core.store.schema import chunks, documents
from core.store.scope import NAMESPACE, in_scope, scope_values
from core.store.sizes import Sizes
from core.store.words import (
    ANALYSIS,
    COLUMN_WEIGHTS,
    COUNTED,
    DEPTH,
    MAX_QUERY_STEMS,
    ChunkWords,
    ColumnWeights,
    query_stems,
    telling,
)
from core.types import Hit, Scope, Stems, WordHits

# Characters that FTS5's tokenizer takes for letters and leaves as they are: the lower case of the common scripts. All
# others are escaped, because its Unicode tables are older than Python's and a stem has to come out as it went in.
_NOT_PLAIN = re.compile(
    r"[^0-9a-z\u00df-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0430-\u044f\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u0905-\u0939"
    r"\u0e01-\u0e30\u1100-\u1112\u1161-\u1175\u11a8-\u11c2\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fcc\uac00-\ud7a3]"
)
# Letters for private use, which no text analysis lets through.
_ESCAPE, _END = "\ue000", "\ue001"
_ESCAPED = re.compile(f"{_ESCAPE}([0-9a-f]+){_END}")

words = sa.table("chunk_words", sa.column("rowid", sa.Integer), *map(sa.column, ("title", "headings", "body")))
vocabulary = sa.table("chunk_words_vocabulary", sa.column("term", sa.Text), sa.column("doc", sa.Integer))
# The hidden column of the table's own name, against which FTS5 matches.
_matches = sa.literal_column("chunk_words").op("MATCH", is_comparison=True)(sa.bindparam("words"))


class SqliteLexical:
    """Implements `core.store.words.WordIndex`."""

    identity = f"fts5/{ANALYSIS}"

    def __init__(self, engine: Engine, weights: ColumnWeights = COLUMN_WEIGHTS) -> None:
        self._engine = engine
        self._weights = {"title": weights.title, "headings": weights.headings, "body": weights.body}
        self._sizes = Sizes()

    def look_up(self, query: str, scope: Scope, limit: int) -> WordHits:
        stems = query_stems(query)
        with reading(self._engine) as connection:
            everywhere = _document_frequency(connection, stems)
            size = self._sizes.of(connection, scope.namespace)
            return WordHits(
                tuple(self._search(connection, telling(stems, everywhere), scope, limit)),
                self._frequencies(connection, stems[:MAX_QUERY_STEMS], everywhere, scope.namespace, size),
                size,
            )

    def stems(self, chunk_ids: Sequence[str]) -> dict[str, Stems]:
        if not chunk_ids:
            return {}
        with reading(self._engine) as connection:
            rows = connection.execute(_stems, {"chunk_ids": list(chunk_ids)}).all()
        return {chunk_id: Stems(*map(_split, columns)) for chunk_id, *columns in rows}

    def _search(self, connection: Connection, stems: Sequence[str], scope: Scope, limit: int) -> list[Hit]:
        if not stems:
            return []
        values = {"limit": limit, "words": _any_of(stems), **self._weights, **scope_values(scope)}
        # The best chunks of all, and of these what may be seen. Where too few are left, all that match are looked at.
        rows = connection.execute(_best(scope), values | {"depth": DEPTH * limit}).all()
        if len(rows) < limit:
            rows = connection.execute(_best(scope), values | {"depth": -1}).all()
        return [Hit(row.id, row.score) for row in rows]

    def _frequencies(
        self, connection: Connection, stems: Sequence[str], everywhere: Mapping[str, int], namespace: str, size: int
    ) -> dict[str, int]:
        if connection.execute(_is_alone, {NAMESPACE: namespace}).scalar():
            return {stem: everywhere[stem] for stem in stems}
        # A common stem is not counted in each namespace: it tells little, and its share is about the namespace's.
        share = size / max(1, self._sizes.of(connection, None))
        return {
            stem: round(everywhere[stem] * share)
            if everywhere[stem] > COUNTED
            else _count_in(connection, stem, namespace)
            for stem in stems
        }

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

    def keys(self, connection: Connection) -> set[int]:
        return set(connection.scalars(sa.select(sa.literal_column("rowid", sa.Integer)).select_from(words)))


@cache
def _best_statement(*, with_readers: bool) -> sa.Select[tuple[str, float]]:
    scope = Scope(readers=frozenset({"any"}) if with_readers else frozenset())
    weights = [sa.bindparam(name, type_=sa.Float) for name in ("title", "headings", "body")]
    # FTS5 gives better matches lower numbers.
    score = -sa.func.bm25(sa.literal_column("chunk_words"), *weights, type_=sa.Float)
    best = (
        sa.select(words.c.rowid, score.label("score"))
        .where(_matches)
        .order_by(sa.desc("score"))
        .limit(sa.bindparam("depth", type_=sa.Integer))
        .subquery()
    )
    return (
        sa.select(chunks.c.id, best.c.score)
        .select_from(
            best.join(chunks, chunks.c.key == best.c.rowid).join(documents, documents.c.id == chunks.c.document_id)
        )
        .where(in_scope(scope))
        .order_by(best.c.score.desc(), chunks.c.id)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _best(scope: Scope) -> sa.Select[tuple[str, float]]:
    return _best_statement(with_readers=bool(scope.readers))


# One index seek each, where "another one" would read all documents.
_is_alone = sa.select(
    ~sa.or_(
        *(
            sa.select(documents.c.id).where(other, documents.c.chunks > 0).exists()
            for other in (
                documents.c.namespace < sa.bindparam(NAMESPACE),
                documents.c.namespace > sa.bindparam(NAMESPACE),
            )
        )
    )
)
_stems = (
    sa.select(chunks.c.id, words.c.title, words.c.headings, words.c.body)
    .select_from(chunks.join(words, words.c.rowid == chunks.c.key))
    .where(chunks.c.id.in_(sa.bindparam("chunk_ids", expanding=True)))
)
_frequency = sa.select(vocabulary.c.term, vocabulary.c.doc).where(
    vocabulary.c.term.in_(sa.bindparam("terms", expanding=True))
)
_count = (
    sa.select(sa.func.count())
    .select_from(
        words.join(chunks, chunks.c.key == words.c.rowid).join(documents, documents.c.id == chunks.c.document_id)
    )
    .where(_matches, documents.c.namespace == sa.bindparam(NAMESPACE))
)


def encode(stem: str) -> str:
    """The stem as one token of FTS5, whatever it holds; different stems stay different."""
    return _NOT_PLAIN.sub(lambda match: f"{_ESCAPE}{ord(match[0]):x}{_END}", stem)


def decode(token: str) -> str:
    """The stem that `encode` made the token of."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), token)


def _joined(stems: Iterable[str]) -> str:
    return " ".join(map(encode, stems))


def _split(joined: str) -> tuple[str, ...]:
    if not joined:
        return ()
    tokens = joined.split(" ")
    # The same few thousand stems make up all chunks.
    return tuple(map(sys.intern, map(decode, tokens) if _ESCAPE in joined else tokens))


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
    found = {by_token[term]: count for term, count in connection.execute(_frequency, {"terms": list(by_token)})}
    return {stem: found.get(stem, 0) for stem in stems}


def _count_in(connection: Connection, stem: str, namespace: str) -> int:
    return connection.execute(_count, {"words": _any_of([stem]), NAMESPACE: namespace}).scalar() or 0
