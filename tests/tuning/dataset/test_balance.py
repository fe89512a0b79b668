"""How examples are shared out."""

from __future__ import annotations

from collections import Counter

import pytest

from tuning.dataset.balance import in_turn, quotas, unanswerable_quota
from tuning.dataset.types import Draft, Kind


@pytest.mark.parametrize(
    ("available", "most", "given"),
    [
        ({"a": 1000, "b": 1000}, 100, {"a": 50, "b": 50}),
        ({"a": 10, "b": 1000}, 100, {"a": 10, "b": 90}),
        ({"a": 10, "b": 20}, 100, {"a": 10, "b": 20}),
        ({"a": 5, "b": 5, "c": 5}, 2, {"a": 0, "b": 1, "c": 1}),
        ({}, 10, {}),
    ],
)
def test_namespaces_get_the_same_as_far_as_they_can(
    available: dict[str, int], most: int, given: dict[str, int]
) -> None:
    assert quotas(available, most) == given


def test_no_answers_are_their_share_of_all() -> None:
    assert unanswerable_quota(80, 0.2) == 20
    assert unanswerable_quota(80, 0.0) == 0


def draft(document: str, origin: str, number: int) -> Draft:
    return Draft(Kind.DOCUMENT, "hr", f"{document} {origin} {number}?", "A.", frozenset({document}), origin=origin)


def test_documents_and_rules_take_turns() -> None:
    many = [draft("long", "gap", number) for number in range(30)] + [
        draft("long", "heading", 0),
        draft("short", "gap", 0),
    ]
    ordered = in_turn(many, 1, 10)
    assert {each.documents for each in ordered[:2]} == {frozenset({"long"}), frozenset({"short"})}
    assert "heading" in {each.origin for each in ordered[:3]}
    assert len(ordered) == 11


def test_the_seed_draws_and_the_order_given_does_not_matter() -> None:
    many = [draft("long", "gap", number) for number in range(30)]
    assert in_turn(many, 1, 10) == in_turn(many[::-1], 1, 10)
    assert in_turn(many, 1, 10) != in_turn(many, 2, 10)


def test_where_there_are_more_documents_than_turns_the_rules_are_drawn_by_lot() -> None:
    many = [draft(f"d{number}", origin, 0) for number in range(40) for origin in ("gap", "heading", "title")]
    first = Counter(each.origin for each in in_turn(many, 1, 10)[:40])
    assert min(first[origin] for origin in ("gap", "heading", "title")) >= 6
