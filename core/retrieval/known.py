"""What was read of chunks in Chroma, kept at hand: each look into a collection takes a millisecond, whatever it brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.ports import Vectors
from core.remembered import Remembered

# 13 MB of vectors of 384 dimensions, 3 MB of digests.
VECTORS, DIGESTS = 8192, 16_384


class KnownChunks:
    """Reads from collections. An id says all that is indexed under it, so what was read stays true until it is deleted.

    What is found of a chunk that another process deleted is harmless: it is not on record, and does not answer.
    """

    def __init__(self) -> None:
        self._vectors = Remembered[tuple[str, str], Vectors](VECTORS)
        self._digests = Remembered[tuple[str, str], str](DIGESTS)

    def unit_vectors(
        self, collection: Any, where: Mapping[str, Any] | None, chunk_ids: Sequence[str]
    ) -> dict[str, Vectors]:
        """Of those that are there and pass the filter. Where there is one, what was read before may not pass it now."""
        keys = {(collection.name, chunk_id): chunk_id for chunk_id in chunk_ids}
        known = self._vectors.of(keys) if where is None else {}
        rows = {keys[key]: row for key, row in known.items()}
        if new := [chunk_id for chunk_id in keys.values() if chunk_id not in rows]:
            found = collection.get(ids=new, where=where, include=["embeddings"])
            read = {each: _unit(row) for each, row in zip(found["ids"], found["embeddings"], strict=True)}
            if where is None:
                self._vectors.put({(collection.name, chunk_id): row for chunk_id, row in read.items()})
            rows |= read
        return rows

    def heading_digests(self, collection: Any, chunk_ids: Sequence[str]) -> dict[str, str]:
        """Without those that were deleted since they were found."""
        keys = {(collection.name, chunk_id): chunk_id for chunk_id in chunk_ids}
        digests = {keys[key]: digest for key, digest in self._digests.of(keys).items()}
        if new := [chunk_id for chunk_id in keys.values() if chunk_id not in digests]:
            found = collection.get(ids=new, include=["metadatas"])
            rows = zip(found["ids"], found["metadatas"], strict=True)
            read = {chunk_id: str(metadata["heading"]) for chunk_id, metadata in rows if metadata is not None}
            self._digests.put({(collection.name, chunk_id): digest for chunk_id, digest in read.items()})
            digests |= read
        return digests

    def forget(self, collection: Any, chunk_ids: Iterable[str]) -> None:
        """What is deleted, or written anew."""
        keys = [(collection.name, chunk_id) for chunk_id in chunk_ids]
        self._vectors.forget(keys)
        self._digests.forget(keys)


def _unit(row: Any) -> Vectors:
    vector = np.asarray(row, dtype=np.float32)
    unit: Vectors = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
