"""Word search in SQLite: an FTS5 table whose columns hold stems, ranked by its own BM25."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.store.engine import reading
from core.store.scope import in_scope, readable
from core.store.schema import chunks, documents
from core.store.words import ANALYSIS, COLUMN_WEIGHTS, ChunkWords, ColumnWeights, query_stems, telling
from core.types import Hit, Scope

# Characters that FTS5's tokenizer keeps as they are. All others are escaped, because its Unicode tables are older than
# Python's, and because a token must come out as it went in.
_PLAIN = re.compile(r"[0-9a-z]+")
_ESCAPED = re.compile(r"[^0-9a-wyz\u00df-\u00f6\u00f8-\u00ff\u0430-\u044f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fcc\uac00-\ud7a3]")


class SqliteLexical:
    """Implements `core.store.words.WordIndex`."""

    identity = f"fts5/{ANALYSIS}"

    def __init__(self, engine: Engine, weights: ColumnWeights = COLUMN_WEIGHTS) -> None:
        self._engine = engine
        self._weights = weights

    def search(self, query: str, scope: Scope, limit: int) -> list[Hit]:
        with reading(self._engine) as connection:
            wanted = query_stems(query)
            wanted = telling(wanted, _everywhere(connection, wanted))
            if not wanted:
                return []
            score = sa.literal_column("-bm25(chunk_words, :title, :headings, :body)").label("score")
            statement = (
                sa.select(chunks.c.id, score)
                .select_from(_WORDS)
                .join(chunks, chunks.c.key == _ROWID)
                .join(documents, documents.c.id == chunks.c.document_id)
                .where(sa.text("chunk_words MATCH :expression"), in_scope(scope))
                .order_by(score.desc(), chunks.c.key)
                .limit(limit)
            )
            weights = {"title": self._weights.title, "headings": self._weights.headings, "body": self._weights.body}
            rows = connection.execute(statement, {"expression": _any_of(wanted), **weights})
            return [Hit(chunk_id, score) for chunk_id, score in rows]
