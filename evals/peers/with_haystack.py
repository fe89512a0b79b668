"""Haystack's tutorial "Creating a Hybrid Retrieval Pipeline" (https://haystack.deepset.ai/tutorials/33_hybrid_retrieval).

Runs in the peer's environment; `protocol.py` says how. As there, title and text are one content, and the splitter's
length in words is the model's limit in tokens, 256 for this model, with an overlap of 32 words. What differs: there is no
ranker, whose weights come from a hub; and because only a ranker makes sense of the joiner's default, which puts scores
of both retrievers in one order as they are, the joiner fuses by reciprocal rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from sentence_transformers import SentenceTransformer

ENCODER = SentenceTransformer
PACKAGES = ("haystack-ai", "sentence-transformers-haystack", "sentence-transformers", "torch")


class Hybrid:
    def __init__(self, model: str, folder: str) -> None:
        self._store = InMemoryDocumentStore()
        self._indexing = _indexing(self._store, model)
        self._retrieval = _retrieval(self._store, model)

    def ingest(self, documents: Sequence[Any]) -> int:
        whole = [
            Document(
                content=f"{document.title}. {document.text}" if document.title else document.text,
                meta={"id": document.id, "title": document.title},
            )
            for document in documents
        ]
        written = self._indexing.run({"document_splitter": {"documents": whole}})
        return int(written["document_writer"]["documents_written"])

    def search(self, question: str, depth: int) -> list[str]:
        found = self._retrieval.run(
            {
                "text_embedder": {"text": question},
                "bm25_retriever": {"query": question, "top_k": depth},
                "embedding_retriever": {"top_k": depth},
            }
        )
        return [chunk.meta["id"] for chunk in found["document_joiner"]["documents"]]


def _indexing(store: InMemoryDocumentStore, model: str) -> Pipeline:
    device = ComponentDevice.from_str("cpu")
    pipeline = Pipeline()
    pipeline.add_component("document_splitter", DocumentSplitter(split_by="word", split_length=256, split_overlap=32))
    pipeline.add_component(
        "document_embedder", SentenceTransformersDocumentEmbedder(model=model, device=device, progress_bar=False)
    )
    pipeline.add_component("document_writer", DocumentWriter(store))
    pipeline.connect("document_splitter", "document_embedder")
    pipeline.connect("document_embedder", "document_writer")
    pipeline.warm_up()
    return pipeline


def _retrieval(store: InMemoryDocumentStore, model: str) -> Pipeline:
    device = ComponentDevice.from_str("cpu")
    pipeline = Pipeline()
    pipeline.add_component(
        "text_embedder", SentenceTransformersTextEmbedder(model=model, device=device, progress_bar=False)
    )
    pipeline.add_component("embedding_retriever", InMemoryEmbeddingRetriever(store))
    pipeline.add_component("bm25_retriever", InMemoryBM25Retriever(store))
    pipeline.add_component("document_joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("text_embedder.embedding", "embedding_retriever.query_embedding")
    pipeline.connect("bm25_retriever", "document_joiner")
    pipeline.connect("embedding_retriever", "document_joiner")
    pipeline.warm_up()
    return pipeline


SYSTEMS = {"haystack": Hybrid}
