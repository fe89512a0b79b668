"""Small documents for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.store.documents import DocumentStore
from core.types import Chunk, Document, DocumentStatus, Section


def document(name: str, namespace: str = "default", **changes: Any) -> Document:
    """A ready document; its id is made of its name."""
    values: dict[str, Any] = {
        "id": f"{name:0<32}",
        "namespace": namespace,
        "title": name.capitalize(),
        "source": f"file:///docs/{name}.md",
        "status": DocumentStatus.READY,
        "media_type": "text/markdown",
        "sha256": f"{name:f<64}",
        "size_bytes": 100,
        "updated_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    return Document(**(values | changes))


def publish(store: DocumentStore, of: Document, texts: Sequence[str], version: str = "") -> list[str]:
    """Publish the texts as the document's chunks, all in one section; returns their ids."""
    ids = [f"{of.id}/{version}{number}" for number in range(len(texts))]
    section = Section(f"{of.id}/section{version}", "\n".join(texts), ("Heading",), 3)
    chunks = [
        Chunk(chunk_id, of.id, section.id, number, text, ("Heading",), 3)
        for number, (chunk_id, text) in enumerate(zip(ids, texts, strict=True))
    ]
    store.publish(of, [section], chunks)
    return ids
