"""LlamaIndex as its documentation begins: a `VectorStoreIndex` from documents, in memory, all else by default.

Runs in the peer's environment; `protocol.py` says how. The title goes along as metadata, which LlamaIndex embeds with
each chunk, and the splitter of 1024/200 tokens is its default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from sentence_transformers import SentenceTransformer

ENCODER = SentenceTransformer
PACKAGES = ("llama-index-core", "llama-index-embeddings-huggingface", "sentence-transformers", "torch")


class Index:
    def __init__(self, model: str, folder: str) -> None:
        Settings.embed_model = HuggingFaceEmbedding(model_name=model, cache_folder=folder, device="cpu")
        # Never asked: retrieval needs no language model, and the default one needs a key.
        Settings.llm = MockLLM()

    def ingest(self, documents: Sequence[Any]) -> int:
        whole = [
            Document(text=document.text, id_=document.id, metadata={"title": document.title}) for document in documents
        ]
        self._index = VectorStoreIndex.from_documents(whole)
        return len(self._index.docstore.docs)

    def search(self, question: str, depth: int) -> list[str]:
        retriever = self._index.as_retriever(similarity_top_k=depth)
        return [found.node.ref_doc_id for found in retriever.retrieve(question)]


SYSTEMS = {"llamaindex": Index}
