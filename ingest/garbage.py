"""Vectors that no row of the record refers to any more."""

from __future__ import annotations

from core.ports import VectorIndex
from core.store.documents import DocumentStore

GARBAGE_BATCH = 1000


def collect_garbage(store: DocumentStore, vectors: VectorIndex, *, with_reserved: bool = False) -> None:
    """Delete them. `with_reserved`: also those that somebody announced, right only where nobody can be at work."""
    while rows := store.vector_garbage(GARBAGE_BATCH, with_reserved=with_reserved):
        by_namespace: dict[str, list[str]] = {}
        for namespace, chunk_id in rows:
            by_namespace.setdefault(namespace, []).append(chunk_id)
        for namespace, chunk_ids in by_namespace.items():
            vectors.delete(namespace, chunk_ids)
        store.forget_garbage([chunk_id for _, chunk_id in rows])
