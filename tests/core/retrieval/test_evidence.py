"""How well the passages that were found fit the question."""

from __future__ import annotations

import pytest

from core.retrieval.evidence import PassageEvidence
from core.store.words import query_stems
from core.types import Passage, Retrieval, Signals
from tests.fakes.embedder import WordEmbedder

LEAVE = "Annual leave accrues monthly. It expires after two years. Ask your manager about the forms."


def signals(query: str, *passages: Passage) -> Signals:
    rarity = dict.fromkeys(query_stems(query), 1.0)
    return PassageEvidence(WordEmbedder()).signals(Retrieval(query, passages, rarity))


def passage(text: str = LEAVE, dense: float | None = 0.6, title: str = "Handbook") -> Passage:
    return Passage("c", "d", title, text, text, 0.5, dense=dense)


def test_the_best_passage_and_the_best_sentence_count() -> None:
    found = signals("annual leave accrues monthly", passage(dense=0.4), passage("Travel is paid.", 0.7))
    assert found.top_dense == 0.7
    assert found.top_sentence == pytest.approx(1.0, abs=1e-3)


def test_a_question_in_the_passages_words_is_covered() -> None:
    assert signals("When does annual leave expire?", passage()).coverage == pytest.approx(1.0)
    assert signals("blockchain consensus", passage()).coverage == 0.0


def test_the_title_covers_words_too() -> None:
    assert signals("handbook leave", passage(title="Handbook")).coverage == pytest.approx(1.0)


def test_a_passage_without_a_cosine_or_a_sentence_is_weak_and_no_error() -> None:
    assert signals("leave", passage("42", dense=None)) == Signals()


def test_without_passages_there_is_no_evidence() -> None:
    assert signals("leave") == Signals()


LONG = (
    "Annual leave accrues. The leave expires. Ask about leave. Leave is paid. Leave is long. Other words. More words."
)


def test_sentences_are_looked_at_until_one_suffices() -> None:
    embedder = WordEmbedder()
    found = Retrieval("annual leave accrues", (passage(LONG),), {"annual": 1.0})
    signals = PassageEvidence(embedder).signals(found, lambda each: each.top_sentence > 0.9)
    assert signals.top_sentence == pytest.approx(1.0, abs=1e-3)
    assert embedder.embedded == ["Annual leave accrues."]


def test_where_none_suffices_the_signals_are_those_of_all() -> None:
    embedder = WordEmbedder()
    found = Retrieval("does leave accrue or expire", (passage(LONG),), {"leav": 1.0})
    evidence = PassageEvidence(embedder)
    assert evidence.signals(found, lambda each: False) == evidence.signals(found)
