"""What both word indexes have in common: text to stems, which of a question's stems count, and when to build anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.engine import Connection

from core.text import analyze
from core.types import Scope, Stems, WordHits

# To be raised whenever `analyze` gives other stems for the same text: the stored ones are then made anew.
ANALYSIS = "2"
# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); SQLite has them built in.
K1, B = 1.2, 0.75
# A pasted page is a question too. Beyond this many stems the common ones are left out.
MAX_QUERY_STEMS = 64
MAX_STEMS_CONSIDERED = 512
# How many of the best chunks are looked at for each that is wanted, before all are: to join thousands of matches with
# their documents takes longer than to find them.
DEPTH = 4
# A stem that more chunks hold is common: to count it each time takes longer than the rest of a search.
COUNTED = 500
# Longer than any word; Postgres refuses index entries over 2,700 bytes.
MAX_STEM_LENGTH = 64


@dataclass(frozen=True, slots=True)
class ColumnWeights:
    """How much an occurrence counts, by where it is."""

    title: float = 2.0
    headings: float = 1.5
    body: float = 1.0


COLUMN_WEIGHTS = ColumnWeights()


@dataclass(frozen=True, slots=True)
class ChunkWords:
    """The stems of one chunk, in reading order. `key` is the chunk's in the table `chunks`."""

    key: int
    document_id: str
    title: tuple[str, ...]
    headings: tuple[str, ...]
    body: tuple[str, ...]


class WordIndex(Protocol):
    """A `core.ports.LexicalIndex` that is written in the same transaction as the chunks."""

    identity: str
    """Of everything that is built into the stored rows."""

    def look_up(self, query: str, scope: Scope, limit: int) -> WordHits: ...

    def stems(self, chunk_ids: Sequence[str]) -> dict[str, Stems]: ...

    def write(self, connection: Connection, rows: Sequence[ChunkWords]) -> None:
        """Add these chunks, or replace what is stored of them."""
        ...

    def erase(self, connection: Connection, document_id: str, keys: Sequence[int]) -> None:
        """Forget these chunks of one document."""
        ...

    def clear(self, connection: Connection) -> None: ...

    def keys(self, connection: Connection) -> set[int]:
        """Of all chunks that it knows."""
        ...


def stems(text: str) -> list[str]:
    """The index terms of a text."""
    return [stem[:MAX_STEM_LENGTH] for stem in analyze(text) if stem]


def words_of(key: int, document_id: str, title: str, headings: Sequence[str], text: str) -> ChunkWords:
    return ChunkWords(
        key=key,
        document_id=document_id,
        title=tuple(stems(title)),
        headings=tuple(stems(" ".join(headings))),
        body=tuple(stems(text)),
    )


def query_stems(query: str) -> list[str]:
    """The question's distinct stems, in its order."""
    return list(dict.fromkeys(stems(query)))[:MAX_STEMS_CONSIDERED]


def telling(candidates: Sequence[str], frequencies: Mapping[str, int]) -> list[str]:
    """Those that occur at all, the rarest of them if there are too many."""
    found = [stem for stem in candidates if frequencies.get(stem, 0) > 0]
    return sorted(found, key=lambda stem: frequencies[stem])[:MAX_QUERY_STEMS]
