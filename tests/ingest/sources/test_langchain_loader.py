"""LangChain loaders as sources."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import InvalidRequest
from core.store.sources import SourceStore
from core.types import NewSource
from ingest.sources.base import Unreachable
from ingest.sources.langchain_loader import LangChainLoader
from ingest.sync import SourceKeeper
from tests.ingest.library import Library

WIKI = "langchain:tests.ingest.loaders.WikiLoader"


def loader(name: str = WIKI, **arguments: object) -> LangChainLoader:
    return LangChainLoader(name, arguments, 1_000_000)


def test_parts_of_one_origin_are_one_document_with_pages() -> None:
    source = loader(space="hr")
    handbook, page = source.list().entries
    assert (handbook.title, handbook.url, handbook.name) == ("Handbook", None, "hr/handbook.pdf.txt")
    assert source.read(handbook) == b"Staff accrue 15 days of vacation.\fBook flights early."
    assert (page.url, page.source) == ("https://wiki.example/0", f"{WIKI}#https://wiki.example/0")


def test_the_same_text_has_the_same_fingerprint() -> None:
    first, second = ([entry.fingerprint for entry in loader(space="hr").list().entries] for _ in range(2))
    assert first == second


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match="WIKI_KEY, which is not set"):
        loader(space="hr", api_key="env:WIKI_KEY").check()
    monkeypatch.setenv("WIKI_KEY", "k3y")
    source = loader(space="hr", api_key="env:WIKI_KEY")
    assert source.read(source.list().entries[1]) == b"Page 0 k3y"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("langchain:tests.ingest.loaders.NoLoader", "no LangChain loader"),
        ("langchain:tests.ingest.loaders.Nothing", "There is no Nothing"),
        ("langchain:no_such_package.Loader", "no_such_package, which is not installed"),
        ("langchain:os.system", "no LangChain loader"),
        ("langchain:langchain_community.document_loaders.TextLoader", "langchain-community"),
        (WIKI, "does not take these arguments"),
    ],
)
def test_what_is_no_loader_is_told(name: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        loader(name).check()


def test_a_loader_that_fails_is_tried_again_another_time() -> None:
    with pytest.raises(Unreachable, match="ConnectionError: the wiki is away"):
        loader(space="broken").list()


def test_its_documents_are_cited_by_page_and_survive_a_reindex(library: Library) -> None:
    keeper = SourceKeeper(SourceStore(library.engine), library.pipeline, library.settings)
    source = asyncio.run(keeper.register(NewSource(WIKI, "default", arguments={"space": "hr", "count": 2})))
    asyncio.run(keeper.sync(source.id))
    asyncio.run(library.pipeline.reindex())
    documents = {document.title: document for document in library.documents()}
    assert documents["Handbook"].pages == 2
    assert next(passage for passage in library.ask("flights")).page == 2
    assert {document.url for document in documents.values()} == {
        None,
        "https://wiki.example/0",
        "https://wiki.example/1",
    }
    asyncio.run(keeper.register(NewSource(WIKI, "default", arguments={"space": "hr", "count": 2})))
    assert asyncio.run(keeper.sync(source.id)) == []
    keeper.close()
