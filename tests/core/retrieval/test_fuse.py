"""Two ranked lists to one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.retrieval.fuse import fuse, without_near_duplicates
from core.text import known_terms
from core.types import Hit


def hits(**scores: float) -> list[Hit]:
    return [Hit(name, score) for name, score in scores.items()]


def test_a_chunk_that_both_indexes_like_comes_first() -> None:
    rows = fuse(hits(a=0.9, b=0.8, c=0.1), hits(b=9.0, d=8.0), 0.4)
    assert rows[0].chunk_id == "b"
    assert {row.chunk_id for row in rows} == {"a", "b", "c", "d"}


def test_scores_are_weighted_sums_and_keep_where_they_came_from() -> None:
    rows = {row.chunk_id: row for row in fuse(hits(a=0.9, b=0.5), hits(b=12.0, c=3.0), 0.4)}
    assert rows["a"].score == pytest.approx(0.6 * 0.9)
    assert rows["b"].score == pytest.approx(0.6 * 0.5 + 0.4)
    assert rows["c"].score == pytest.approx(0.4 * 3 / 12)
    assert (rows["a"].dense, rows["a"].lexical, rows["b"].lexical) == (0.9, None, 12.0)


@pytest.mark.parametrize(("weight", "first"), [(0.0, "a"), (1.0, "b")])
def test_the_weight_decides_between_the_indexes(weight: float, first: str) -> None:
    assert fuse(hits(a=0.9, b=0.1), hits(a=1.0, b=5.0), weight)[0].chunk_id == first


def test_one_index_alone_is_enough() -> None:
    assert [row.chunk_id for row in fuse([], hits(a=2.0, b=1.0), 0.4)] == ["a", "b"]
    assert [row.chunk_id for row in fuse(hits(a=0.5), [], 0.4)] == ["a"]
    assert fuse([], [], 0.4) == []


def test_equal_scores_have_a_fixed_order() -> None:
    assert [row.chunk_id for row in fuse(hits(b=0.5, a=0.5), [], 0.4)] == ["a", "b"]


def test_near_duplicates_of_a_better_one_are_dropped() -> None:
    text = "Annual leave accrues every pay period for all employees of the agency"
    items = [text, f"{text}.", "Travel expenses are reimbursed within thirty days", "Annual leave"]
    assert without_near_duplicates(items, known_terms, 0.9, 9) == [items[0], items[2], items[3]]


def test_no_more_than_asked_for_are_kept() -> None:
    assert without_near_duplicates(["Annual leave", "Annual leave", "Travel", "Sabbatical"], known_terms, 0.9, 2) == [
        "Annual leave",
        "Travel",
    ]


def test_texts_without_words_are_not_all_the_same() -> None:
    assert without_near_duplicates(["Annual leave", "Travel"], known_terms, 0.9, 9) == ["Annual leave", "Travel"]


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=14).map(tuple), max_size=12),
    st.sampled_from([0.5, 0.8, 0.9, 1.0]),
)
def test_the_items_that_are_kept_are_those_that_comparing_all_of_them_keeps(
    items: list[tuple[str, ...]], threshold: float
) -> None:
    def triples(item: tuple[str, ...]) -> set[tuple[str, ...]]:
        return {item[start : start + 3] for start in range(max(1, len(item) - 2))}

    kept: list[tuple[str, ...]] = []
    for item in items:
        shares = [len(triples(item) & triples(other)) / len(triples(item) | triples(other)) for other in kept]
        if all(share < threshold for share in shares):
            kept.append(item)
    assert without_near_duplicates(items, lambda item: item, threshold, len(items)) == kept
