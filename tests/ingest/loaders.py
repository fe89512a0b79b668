"""LangChain loaders for tests, named by `langchain:tests.ingest.loaders.…`."""

from __future__ import annotations

from collections.abc import Iterator

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

PAGES = ["Staff accrue 15 days of vacation.", "Book flights early."]


class WikiLoader(BaseLoader):
    """Two pages of one document, and one of another."""

    def __init__(self, space: str, api_key: str = "", count: int = 1) -> None:
        self.space = space
        self.api_key = api_key
        self.count = count

    def lazy_load(self) -> Iterator[Document]:
        if self.space == "broken":
            raise ConnectionError("the wiki is away")
        for number, text in enumerate(PAGES):
            yield Document(text, metadata={"source": f"{self.space}/handbook.pdf", "page": number, "title": "Handbook"})
        for number in range(self.count):
            yield Document(f"Page {number} {self.api_key}", metadata={"source": f"https://wiki.example/{number}"})


class NoLoader:
    """Is none."""
