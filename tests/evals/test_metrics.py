"""Metrics against figures worked out by hand."""

from __future__ import annotations

import math

import pytest

from evals.metrics import hit, ndcg, percentile, recall, reciprocal_rank


def test_ndcg_is_one_for_the_best_order_and_discounts_by_rank() -> None:
    assert ndcg(["a", "b", "x"], {"a", "b"}) == 1.0
    assert ndcg(["x", "a"], {"a"}) == pytest.approx(1 / math.log2(3))
    assert ndcg(["x", "y"], {"a"}) == 0.0


def test_ndcg_looks_at_the_first_k_only_and_ideal_is_capped_at_k() -> None:
    gold = {str(number) for number in range(20)}
    assert ndcg([str(number) for number in range(20)], gold, k=10) == 1.0
    assert ndcg([*"abcdefghij", "0"], {"0"}, k=10) == 0.0


def test_recall_is_the_share_of_gold_found() -> None:
    assert recall(["a", "x", "b"], {"a", "b", "c", "d"}, k=5) == 0.5
    assert recall(["x", "a"], {"a"}, k=1) == 0.0


def test_reciprocal_rank_and_hit() -> None:
    assert reciprocal_rank(["x", "y", "a"], {"a"}) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"], {"a"}) == 0.0
    assert hit(["x", "y", "a"], {"a"}, k=3) == 1.0
    assert hit(["x", "y", "z", "a"], {"a"}, k=3) == 0.0


def test_percentile_is_the_nearest_rank() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(1, 101)], 0.95) == 95.0
    assert percentile([], 0.5) == 0.0
