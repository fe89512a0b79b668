"""Vectors that no row of the record refers to any more."""

from __future__ import annotations

from collections.abc import Sequence

from core.ports import VectorIndex
from core.store.documents import DocumentStore


def collect_garbage(store: DocumentStore, vectors: VectorIndex, *, with_reserved: bool = False) -> None:
    """Delete them. `with_reserved`: also those that somebody announced, right only where nobody can be at work."""

    def delete(rows: Sequence[tuple[str, str]]) -> None:
        by_namespace: dict[str, list[str]] = {}
        for namespace, chunk_id in rows:
            by_namespace.setdefault(namespace, []).append(chunk_id)
        for namespace, chunk_ids in by_namespace.items():
            vectors.delete(namespace, chunk_ids)

    # Mostly there is none, which is found out without holding up those who write.
    while store.vector_garbage(1, with_reserved=with_reserved):
        if not store.collect_garbage(delete, with_reserved=with_reserved):
            return
