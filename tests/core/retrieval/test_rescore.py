"""Candidates scored again on their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from core.retrieval.fuse import Fused
from core.retrieval.rescore import (
    WEIGHTS,
    Weights,
    inverse_document_frequency,
    is_statement,
    rescored,
    stems_of_passage,
)
from core.store.words import query_stems
from core.types import Passage

QUERY = "How does annual leave accrue?"


def passage(name: str, text: str, dense: float | None = 0.5, **more: str) -> Passage:
    return Passage(name, name, more.get("title", ""), text, text, 0.0, dense=dense, keywords=more.get("keywords", ""))


def rescore(
    query: str,
    stems: Sequence[str],
    rarity: Mapping[str, float],
    passages: Sequence[Passage],
    weight: float,
    weights: Weights = WEIGHTS,
) -> list[Fused]:
    by_id = {each.chunk_id: stems_of_passage(each) for each in passages}
    candidates = [Fused(each.chunk_id, each.score, each.dense, each.lexical) for each in passages]
    return rescored(query, stems, rarity, candidates, by_id.__getitem__, weight, weights)


def order(query: str, *passages: Passage, weight: float = 0.2, rarity: dict[str, float] | None = None) -> list[str]:
    stems = query_stems(query)
    known = dict.fromkeys(stems, 2.0) if rarity is None else rarity
    return [each.chunk_id for each in rescore(query, stems, known, passages, weight)]


def test_a_passage_that_only_the_dense_index_found_gets_its_words_counted_too() -> None:
    (found,) = rescore(QUERY, ["annual"], {"annual": 2.0}, [passage("a", "Annual leave accrues.")], 0.2)
    assert found.lexical is not None
    assert found.score == pytest.approx(0.8 * 0.5 + 0.2)


def test_equal_meanings_are_told_apart_by_words() -> None:
    assert order(QUERY, passage("a", "Travel is paid."), passage("b", "Leave accrues.")) == ["b", "a"]


def test_a_rare_word_decides_over_a_common_one() -> None:
    rarity = {"sabbat": 5.0, "leav": 0.1}
    passages = [passage("a", "Leave and leave."), passage("b", "Sabbaticals.")]
    assert order("sabbatical leave", *passages, rarity=rarity) == ["b", "a"]


def test_words_that_stand_together_as_in_the_question_count_more() -> None:
    apart = passage("a", "Annual reports are due in May. " + "Other things are said here. " * 3 + "Leave is paid.")
    together = passage("b", "Reports are due in May. " + "Other things are said here. " * 3 + "Annual leave is paid.")
    stems = ["annual", "leav"]
    best, other = rescore("annual leave?", stems, dict.fromkeys(stems, 2.0), [apart, together], 0.2)
    assert (best.chunk_id, other.chunk_id) == ("b", "a")
    assert best.score - other.score == pytest.approx(WEIGHTS.adjacent + WEIGHTS.near, abs=0.005)


def test_near_but_in_another_order_counts_half() -> None:
    stems = ["annual", "leav"]
    near = passage("a", "Leave that is annual. " + "Other things. " * 8)
    far = passage("b", "Leave. " + "Other things. " * 8 + "Annual.")
    best, other = rescore("annual leave?", stems, dict.fromkeys(stems, 2.0), [far, near], 0.2)
    assert best.chunk_id == "a"
    assert best.score - other.score == pytest.approx(WEIGHTS.near, abs=0.005)


def test_title_and_keywords_are_read_too() -> None:
    plain = passage("a", "It accrues.")
    titled = passage("b", "It accrues.", title="Annual leave")
    tagged = passage("c", "It accrues.", keywords="annual leave")
    assert set(order(QUERY, plain, titled, tagged)[:2]) == {"b", "c"}


def test_a_statement_is_matched_more_by_its_words_than_a_question() -> None:
    near, literal = passage("a", "Holidays are earned.", 0.75), passage("b", "Vacation accrues monthly.", 0.4)
    assert order("How is vacation accrued monthly?", near, literal)[0] == "a"
    assert order("Vacation accrues monthly", near, literal)[0] == "b"


def test_each_weight_can_be_left_out() -> None:
    found = passage("a", "Annual leave accrues.", 0.5)
    stems, rarity = ["annual", "leav"], {"annual": 1.0, "leav": 1.0}
    (plain,) = rescore("annual leave", stems, rarity, [found], 0.2, Weights(adjacent=0, near=0, statement=1))
    assert plain.score == pytest.approx(0.8 * 0.5 + 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "Vitamin D prevents fractures.",
        "annual leave policy",
        "Release notes of version 4",
        "Urlaub",
        "World War I casualties",
        "US sanctions",
    ],
)
def test_claims_titles_and_keywords_are_statements(text: str) -> None:
    assert is_statement(text)


@pytest.mark.parametrize(
    "text",
    [
        "how do I log in",
        "Where?",
        "I want to change my plan",
        "Our printer is broken",
        "Please list them",
        "年休?",
        "x？",
        "كم عدد أيام الإجازة؟",
        "I’m looking for the form",
    ],
)
def test_questions_and_requests_are_not(text: str) -> None:
    assert not is_statement(text)


def test_without_words_cosines_decide() -> None:
    assert order("?!", passage("a", "x", 0.1), passage("b", "y", 0.2), passage("c", "z", None)) == ["b", "a", "c"]
    assert order(QUERY) == []


def test_words_that_occur_nowhere_change_nothing() -> None:
    assert order("blockchain leave", passage("a", "Leave."), rarity={"leav": 1.0, "blockchain": 0.0}) == ["a"]


def test_rarity_falls_with_frequency_and_is_never_negative() -> None:
    found = inverse_document_frequency({"common": 100, "some": 10, "none": 0, "out of step": 120}, 100)
    assert found["none"] > found["some"] > found["common"] >= 0
    assert found["out of step"] >= 0
