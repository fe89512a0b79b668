"""Vectors as they lie in the index, on their way into a backup, out of one, or to another process."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from core.ports import Vectors

# Little-endian, as every machine that this runs on has it.
_NUMBERS = np.dtype("<f4")


@dataclass(frozen=True, slots=True, eq=False)
class StoredVector:
    """A chunk's, shape (dimension,); with `heading`, the digest of its headings' text and their vector."""

    chunk_id: str
    vector: Vectors
    heading: tuple[str, Vectors] | None = None


class StoredVectors(Protocol):
    """Where they are read from: the index itself, or the process that owns it. Blocking."""

    def stored(self, namespace: str, chunk_ids: Sequence[str]) -> list[StoredVector]:
        """Of these chunks, in any order; those that are not indexed are left out. Raises `StorageFailed`."""
        ...


def stored_to_json(stored: StoredVector) -> list[Any]:
    digest, heading = stored.heading or (None, None)
    return [stored.chunk_id, _text(stored.vector), digest, None if heading is None else _text(heading)]


def stored_from_json(value: Any) -> StoredVector:
    """Raises `ValueError` for anything else than what `stored_to_json` makes."""
    match value:
        case [str(chunk_id), str(vector), None, None]:
            return StoredVector(chunk_id, _vector(vector))
        case [str(chunk_id), str(vector), str(digest), str(heading)]:
            return StoredVector(chunk_id, _vector(vector), (digest, _vector(heading)))
        case _:
            raise ValueError("this is no vector")


def _text(vector: Vectors) -> str:
    return base64.b64encode(vector.astype(_NUMBERS).tobytes()).decode("ascii")


def _vector(text: str) -> Vectors:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("this is no vector") from error
    row = np.frombuffer(data, dtype=_NUMBERS).astype(np.float32)
    if row.size == 0 or not np.isfinite(row).all():
        raise ValueError("this is no vector")
    return row
