"""LangChain as its documentation begins: recursive split, Hugging Face embeddings, Chroma; and the same with BM25.

Runs in the peer's environment; `protocol.py` says how. LangChain searches no metadata, so the title is the first line of
the text: without it, it would find far less in a corpus whose texts do not repeat their titles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_chroma import Chroma
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from sentence_transformers import SentenceTransformer

ENCODER = SentenceTransformer
PACKAGES = (
    *("langchain-chroma", "langchain-classic", "langchain-community", "langchain-core", "langchain-huggingface"),
    *("langchain-text-splitters", "chromadb", "rank-bm25", "sentence-transformers", "torch"),
)


class Dense:
    """Similarity search in a Chroma that is kept on disk."""

    def __init__(self, model: str, folder: str) -> None:
        self._embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
        self._folder = folder

    def ingest(self, documents: Sequence[Any]) -> int:
        return len(self._index(documents))

    def _index(self, documents: Sequence[Any]) -> list[Document]:
        whole = [
            Document(
                page_content=f"{document.title}\n{document.text}" if document.title else document.text,
                metadata={"id": document.id, "title": document.title},
            )
            for document in documents
        ]
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        chunks: list[Document] = splitter.split_documents(whole)
        self._store = Chroma.from_documents(chunks, self._embeddings, persist_directory=self._folder)
        return chunks

    def search(self, question: str, depth: int) -> list[str]:
        return [chunk.metadata["id"] for chunk in self._store.similarity_search(question, k=depth)]


class Ensemble(Dense):
    """The same and BM25 over the same chunks, half each."""

    def ingest(self, documents: Sequence[Any]) -> int:
        chunks = self._index(documents)
        self._words = BM25Retriever.from_documents(chunks)
        return len(chunks)

    def search(self, question: str, depth: int) -> list[str]:
        self._words.k = depth
        dense = self._store.as_retriever(search_kwargs={"k": depth})
        both = EnsembleRetriever(retrievers=[self._words, dense], weights=[0.5, 0.5])
        return [chunk.metadata["id"] for chunk in both.invoke(question)]


SYSTEMS = {"langchain": Dense, "langchain_ensemble": Ensemble}
