"""Vectors that no row of the record refers to any more."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from core.ports import VectorIndex
from core.store.documents import DocumentStore

GARBAGE_BATCH = 1000
# Nothing is announced between the moment in which it is found to be garbage and the one in which it is deleted.
_turn = threading.Lock()


def announce(store: DocumentStore, namespaces: Mapping[str, str]) -> None:
    """Chunks, by id with their namespaces, are about to be published: from now on their vectors are no garbage."""
    with _turn:
        store.reserve_vectors(namespaces)


def collect_garbage(store: DocumentStore, vectors: VectorIndex, *, with_reserved: bool = False) -> None:
    """Delete them. `with_reserved`: also those that somebody announced, right only where nobody can be at work."""
    while _collected(store, vectors, with_reserved=with_reserved):
        pass


def _collected(store: DocumentStore, vectors: VectorIndex, *, with_reserved: bool) -> bool:
    """Whether there were any."""
    with _turn:
        rows = store.vector_garbage(GARBAGE_BATCH, with_reserved=with_reserved)
        by_namespace: dict[str, list[str]] = {}
        for namespace, chunk_id in rows:
            by_namespace.setdefault(namespace, []).append(chunk_id)
        for namespace, chunk_ids in by_namespace.items():
            vectors.delete(namespace, chunk_ids)
        if rows:
            store.forget_garbage([chunk_id for _, chunk_id in rows])
        return bool(rows)
