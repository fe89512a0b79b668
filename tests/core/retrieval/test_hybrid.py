"""Dense and word search together, on a real Chroma and a real SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.retrieval.chroma import ChromaIndex, open_chroma
from core.retrieval.embed.batching import QueryBatcher
from core.retrieval.hybrid import HybridRetriever
from core.settings import Retrieval, Settings
from core.store.documents import DocumentStore
from core.store.engine import open_engine, upgrade
from core.store.lexical import open_lexical
from core.store.lexical_sqlite import SqliteLexical
from core.types import Chunk, Document, Scope, Section
from tests.core.store.samples import document
from tests.fakes.embedder import WordEmbedder

LEAVE = "Annual leave accrues every pay period."
TRAVEL = "Travel to conferences needs the approval of a manager."
PARENTS = "Parents may take twelve weeks of leave."


class Library:
    """A store and both indexes, filled by hand."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(f"sqlite:///{folder / 'lorekeeper.db'}")
        upgrade(self.engine)
        self.store = DocumentStore(self.engine)
        self.embedder = WordEmbedder()
        self.vectors: ChromaIndex = open_chroma(Settings(data_dir=folder), self.embedder.identity)

    def add(self, of: Document, texts: Sequence[str], *, on_record: bool = True) -> None:
        section = Section(f"{of.id}/s", "\n".join(texts), (), None)
        chunks = [Chunk(f"{of.id}/{number}", of.id, section.id, number, text) for number, text in enumerate(texts)]
        self.vectors.upsert(of.namespace, of.readers, chunks, self.embedder.embed(texts))
        if on_record:
            self.store.publish(of, [section], chunks)

    def retriever(self, reranker: object = None, **settings: float) -> HybridRetriever:
        batcher = QueryBatcher(self.embedder)
        chosen = Retrieval.model_validate(settings)
        return HybridRetriever(batcher, self.vectors, open_lexical(self.engine), self.store, chosen, reranker)  # type: ignore[arg-type]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path)
    yield library
    library.vectors.close()
    library.engine.dispose()


async def texts(
    retriever: HybridRetriever, query: str, scope: Scope | None = None, limit: int | None = None
) -> list[str]:
    found = await retriever.retrieve(query, scope or Scope("default"), limit)
    return [passage.text for passage in found.passages]


async def test_the_passage_that_answers_comes_first(library: Library) -> None:
    library.add(document("handbook"), [TRAVEL, LEAVE, PARENTS])
    found = await library.retriever().retrieve("How does annual leave accrue?", Scope("default"))
    best = found.passages[0]
    assert best.text == LEAVE
    assert best.title == "Handbook"
    assert best.dense is not None
    assert best.lexical is not None
    assert best.score > found.passages[1].score


async def test_passages_of_other_namespaces_are_never_found(library: Library) -> None:
    library.add(document("ours"), [TRAVEL])
    library.add(document("theirs", namespace="other"), [LEAVE])
    assert await texts(library.retriever(), LEAVE) == [TRAVEL]


async def test_closed_documents_are_found_by_their_readers_only(library: Library) -> None:
    library.add(document("open"), [TRAVEL])
    library.add(document("closed", readers=frozenset({"group:board"})), [LEAVE])
    assert await texts(library.retriever(), LEAVE) == [TRAVEL]
    board = Scope("default", frozenset({"group:board"}))
    assert (await texts(library.retriever(), LEAVE, board))[0] == LEAVE


async def test_a_vector_without_a_record_does_not_answer(library: Library) -> None:
    library.add(document("kept"), [TRAVEL])
    library.add(document("half"), [LEAVE], on_record=False)
    assert await texts(library.retriever(), LEAVE) == [TRAVEL]


async def test_the_same_text_in_two_documents_is_given_once(library: Library) -> None:
    library.add(document("one"), [LEAVE, TRAVEL])
    library.add(document("two"), [LEAVE])
    assert sorted(await texts(library.retriever(), LEAVE)) == sorted([LEAVE, TRAVEL])


async def test_as_many_as_asked_for(library: Library) -> None:
    library.add(document("handbook"), [TRAVEL, LEAVE, PARENTS])
    assert len(await texts(library.retriever(), "leave", limit=1)) == 1
    assert len(await texts(library.retriever(passages=2), "leave")) == 2


async def test_a_passage_that_only_the_word_search_finds_has_its_cosine_too(library: Library) -> None:
    library.add(document("handbook"), [*(f"Travel rule {number} of conferences" for number in range(40)), LEAVE])
    found = await library.retriever(candidates=5, lexical_weight=1.0).retrieve("annual", Scope("default"))
    best = found.passages[0]
    assert best.text == LEAVE
    assert best.dense is not None


async def test_a_reranker_has_the_last_word(library: Library) -> None:
    class Backwards:
        def scores(self, query: str, texts: Sequence[str]) -> list[float]:
            return [float(text == TRAVEL) for text in texts]

    library.add(document("handbook"), [TRAVEL, LEAVE, PARENTS])
    assert (await texts(library.retriever(Backwards()), LEAVE))[0] == TRAVEL


async def test_an_empty_index_gives_nothing(library: Library) -> None:
    found = await library.retriever().retrieve("anything", Scope("default"))
    assert found.passages == ()


@pytest.mark.parametrize(
    "query", ['"', "AND OR NOT", "col:x*", "🙂", "'; DROP TABLE chunks; --", "x" * 100_000, "\x00"]
)
async def test_no_text_is_taken_for_search_syntax(library: Library, query: str) -> None:
    library.add(document("handbook"), [TRAVEL])
    assert await texts(library.retriever(), query) == [TRAVEL]


async def test_words_are_those_of_the_index_or_else_of_the_text(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(document("handbook"), [TRAVEL, LEAVE, PARENTS])
    query, scope = "How does annual leave accrue?", Scope("default")
    indexed = await library.retriever().retrieve(query, scope)
    monkeypatch.setattr(SqliteLexical, "stems", lambda self, chunk_ids: {})
    assert await library.retriever().retrieve(query, scope) == indexed


async def test_new_keywords_count_at_once(library: Library) -> None:
    library.add(document("handbook"), [LEAVE, PARENTS])
    retriever = library.retriever()
    before = await retriever.retrieve("vacation", Scope("default"))
    library.add(replace(document("handbook"), keywords="vacation"), [LEAVE, PARENTS])
    after = await retriever.retrieve("vacation", Scope("default"))
    assert [each.lexical for each in before.passages] == [None, None]
    assert all(each.lexical for each in after.passages)
