"""Small documents and adapters for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.store.documents import DocumentStore
from core.types import Chunk, Document, DocumentStatus, Section
from core.types.adapters import Adapter, BaseModel, Form, Verdict

BASE = BaseModel("tiny", "sha256:base")


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


def adapter(name: str = "hr", content: str = "1", verdict: Verdict = Verdict.PASSED, **changes: Any) -> Adapter:
    """Not yet registered; other content makes other files."""
    values: dict[str, Any] = {
        "id": "",
        "name": name,
        "number": 0,
        "served_as": "",
        "base": BASE,
        "method": "lora",
        "form": Form.ADAPTER,
        "rank": 8,
        "files": {"adapter_model.safetensors": content * 64, "adapter_config.json": "c" * 64},
        "dataset": "d" * 64,
        "template": "t" * 64,
        "prompt": "p" * 64,
        "verdict": verdict,
        "reasons": ("F1 rose by 0.2 (0.1 to 0.3).",),
        "preflight": {"form": "adapter", "rank": 8, "problems": []},
        "documents": frozenset({"doc1", "doc2"}),
        "people": frozenset({"person-1"}),
        "registered_by": "ann",
    }
    return Adapter(**(values | changes))
