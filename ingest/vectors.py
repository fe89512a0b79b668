"""What is embedded for a chunk. Pure, but for the model that is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.ports import Vectors
from core.types import Chunk
from ingest.split import prefix

# To be raised with every change of what is embedded for the same chunk, and of where it lies: it is part of the index's identity.
VECTOR_VERSION = "3"


def chunk_vectors(
    embed: Callable[[Sequence[str]], Vectors], titled: Sequence[tuple[str, Chunk]]
) -> tuple[Vectors, dict[str, tuple[str, Vectors]]]:
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
