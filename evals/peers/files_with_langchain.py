"""Files as LangChain's documentation reads them: a loader by the ending of the name, recursive split, Chroma on disk.

Runs in the peer's environment; `protocol.py` says how. There are the loaders that need neither a service nor a program
nor the download of a model, which leaves out those by Unstructured: without it LangChain reads no spreadsheets,
presentations and OpenDocument files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_chroma import Chroma
from langchain_community.document_loaders import (
    BSHTMLLoader,
    CSVLoader,
    Docx2txtLoader,
    MHTMLLoader,
    NotebookLoader,
    OutlookMessageLoader,
    PyPDFLoader,
    TextLoader,
)
from langchain_community.vectorstores.utils import filter_complex_metadata
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from sentence_transformers import SentenceTransformer

ENCODER = SentenceTransformer
PACKAGES = (
    *("langchain-chroma", "langchain-community", "langchain-core", "langchain-huggingface", "langchain-text-splitters"),
    *("beautifulsoup4", "chromadb", "docx2txt", "extract-msg", "pypdf", "sentence-transformers", "torch"),
)
PDF = ".pdf"
LOADERS: dict[str, Callable[[str], Any]] = {
    PDF: PyPDFLoader,
    ".docx": Docx2txtLoader,
    ".csv": lambda path: CSVLoader(path, autodetect_encoding=True),
    ".tsv": lambda path: CSVLoader(path, csv_args={"delimiter": "\t"}, autodetect_encoding=True),
    ".html": BSHTMLLoader,
    ".htm": BSHTMLLoader,
    ".mhtml": MHTMLLoader,
    ".ipynb": NotebookLoader,
    ".msg": OutlookMessageLoader,
}
# As they are, with their markup.
TEXTS = ".adoc .asciidoc .eml .json .jsonl .log .markdown .md .org .rst .text .txt .xml .yaml .yml".split()


class NoLoader(Exception):
    """Nothing here reads such files."""


class Files:
    def __init__(self, model: str, folder: str) -> None:
        self._embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
        self._folder = folder

    def read(self, path: str) -> Sequence[Document]:
        suffix = Path(path).suffix.lower()
        if suffix in TEXTS:
            return _with_text(TextLoader(path, autodetect_encoding=True).load())
        if suffix not in LOADERS:
            raise NoLoader(f"no loader for {suffix}")
        return _with_text(LOADERS[suffix](path).load())

    def pages(self, path: str, parts: Sequence[Document]) -> int:
        return int(parts[0].metadata.get("total_pages", 0)) if Path(path).suffix.lower() == PDF else 0

    def split(self, parts: Sequence[Document]) -> list[Document]:
        chunks: list[Document] = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(
            parts
        )
        return chunks

    def store(self, chunks: Sequence[Document]) -> None:
        if chunks:
            # Of messages, which come with dates.
            plain = filter_complex_metadata(list(chunks))
            Chroma.from_documents(plain, self._embeddings, persist_directory=self._folder)


def _with_text(parts: Sequence[Document]) -> list[Document]:
    return [part for part in parts if part.page_content.strip()]


SYSTEMS = {"langchain": Files}
