"""What is embedded for a chunk, and how it is written. Pure, but for the model and the index that are handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from core.ports import VectorIndex, Vectors
from core.types import Chunk
from ingest.received import Prepared
from ingest.split import prefix

# To be raised with every change of what is embedded for the same chunk, and of where it lies: it is part of the index's identity.
VECTOR_VERSION = "3"
HeadingVectors = Mapping[str, tuple[str, Vectors]]
"""By chunk id: the headings above it as one text, and their vector."""


def chunk_vectors(
    embed: Callable[[Sequence[str]], Vectors], titled: Sequence[tuple[str, Chunk]]
) -> tuple[Vectors, HeadingVectors]:
    """For (document title, chunk) pairs: unit vectors, shape (n, dimension), and by chunk id headings with theirs.

    A chunk is embedded with its title and headings in front. Questions often paraphrase a title or heading, which drowns
    in the average over a long text, so the first chunk under each heading also gets a vector of the heading alone.
    """
    places = {chunk.id: prefix(title, chunk.headings) for title, chunk in titled}
    rows = embed([places[chunk.id] + chunk.text for _, chunk in titled])
    opening = [chunk.id for _, chunk in titled if chunk.opens and places[chunk.id]]
    # Many documents share a title: the pages of one, or parts of an article.
    texts = list(dict.fromkeys(places[chunk_id].strip() for chunk_id in opening))
    headings = dict(zip(texts, embed(texts), strict=True))
    return rows, {chunk_id: (places[chunk_id].strip(), headings[places[chunk_id].strip()]) for chunk_id in opening}


def write_vectors(
    index: VectorIndex,
    batch: Sequence[Prepared],
    new: Sequence[Sequence[Chunk]],
    rows: Vectors,
    headings: HeadingVectors,
) -> None:
    """Write the new chunks of each document; `rows` are theirs, in order.

    All documents with the same readers go in one write: a write costs more than what it writes.
    """
    places: dict[tuple[str, frozenset[str]], list[int]] = {}
    start = 0
    for prepared, chunks in zip(batch, new, strict=True):
        document = prepared.document
        places.setdefault((document.namespace, document.readers), []).extend(range(start, start + len(chunks)))
        start += len(chunks)
    every = [chunk for chunks in new for chunk in chunks]
    for (namespace, readers), indexes in places.items():
        written = [every[place] for place in indexes]
        own = {chunk.id: headings[chunk.id] for chunk in written if chunk.id in headings}
        index.upsert(namespace, readers, written, rows[indexes], own)
