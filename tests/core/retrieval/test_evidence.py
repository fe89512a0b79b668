"""How well the passages that were found fit the question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.retrieval.evidence import PassageEvidence
from core.store.documents import DocumentStore
from core.store.engine import open_engine, upgrade
from core.store.lexical import open_lexical
from core.types import Passage, Retrieval, Signals
from tests.core.store.samples import document, publish
from tests.fakes.embedder import WordEmbedder

LEAVE = "Annual leave accrues monthly. It expires after two years. Ask your manager about the forms."


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    publish(DocumentStore(engine), document("leave"), [LEAVE, "Travel needs approval.", "Travel is paid."])
    yield engine
    engine.dispose()


def signals(engine: Engine, query: str, *passages: Passage) -> Signals:
    evidence = PassageEvidence(WordEmbedder(), open_lexical(engine), DocumentStore(engine))
    return evidence.signals(Retrieval(query, passages), "default")


def passage(text: str = LEAVE, dense: float | None = 0.6, title: str = "Handbook") -> Passage:
    return Passage("c", "d", title, text, text, 0.5, dense=dense)


def test_the_best_passage_and_the_best_sentence_count(engine: Engine) -> None:
    found = signals(engine, "annual leave accrues monthly", passage(dense=0.4), passage("Travel is paid.", 0.7))
    assert found.top_dense == 0.7
    assert found.top_sentence == pytest.approx(1.0, abs=1e-3)


def test_a_question_in_the_passages_words_is_covered(engine: Engine) -> None:
    assert signals(engine, "When does annual leave expire?", passage()).coverage == pytest.approx(1.0)
    assert signals(engine, "blockchain consensus", passage()).coverage == 0.0


def test_the_title_covers_words_too(engine: Engine) -> None:
    assert signals(engine, "handbook leave", passage(title="Handbook")).coverage == pytest.approx(1.0)


def test_a_passage_without_a_cosine_or_a_sentence_is_weak_and_no_error(engine: Engine) -> None:
    assert signals(engine, "leave", passage("42", dense=None)) == Signals()


def test_without_passages_there_is_no_evidence(engine: Engine) -> None:
    assert signals(engine, "leave") == Signals()
