"""Documents are held out in groups that say the same."""

from __future__ import annotations

from tests.tuning.dataset.made import passages
from tuning.dataset.splitting import Division, divide
from tuning.dataset.types import Split

RULES = {
    name: f"The {name} office opens at eight, and everybody who works in {name} has a key, a badge and a desk of their own."
    for name in ("Berlin", "Lisbon", "Ottawa", "Nairobi", "Osaka", "Quito", "Perth", "Tunis", "Malmo", "Lyon")
}


def divided(seed: int = 1, share: float = 0.2, **more: str) -> Division:
    documents = {
        name: passages(
            name, f"{text} Chapter of {name}: {name * 3} has {number} rooms and {number * 7} windows facing the sea."
        )
        for number, (name, text) in enumerate((RULES | more).items())
    }
    return divide(documents, dict.fromkeys(documents, "default"), seed, share)


def test_about_the_share_is_held_out_and_the_seed_decides_which() -> None:
    assert len(divided().held_out) == 2
    assert divided().held_out == divided().held_out
    assert len({divided(seed).held_out for seed in range(8)}) > 3


def test_near_duplicates_are_on_the_same_side() -> None:
    text = "The pool is closed on Mondays, except in July, when it is open all week from six to ten for members and guests."
    for seed in range(6):
        documents = {
            "old": passages("old", text, "Version of 2023."),
            "new": passages("new", text, "A note about lockers and towels."),
            **{name: passages(name, each) for name, each in RULES.items()},
        }
        division = divide(documents, dict.fromkeys(documents, "default"), seed, 0.3)
        assert division.group_of["old"] == division.group_of["new"]
        assert ("old" in division.held_out) == ("new" in division.held_out)
        assert division.group(frozenset({"old"})) == {"old", "new"}


def test_a_shared_disclaimer_makes_no_group_but_is_known_to_stand_on_both_sides() -> None:
    disclaimer = (
        "This document is for information only and gives nobody a right to anything, whatever else it may say about it."
    )
    documents = {
        name: passages(name, disclaimer, *(f"{text} Part {part} of {name} {part * 31}." * 2 for part in range(6)))
        for name, text in RULES.items()
    }
    division = divide(documents, dict.fromkeys(documents, "default"), 1, 0.2)
    assert len(set(division.group_of.values())) == len(RULES)
    assert division.in_both == {f"{name}-0" for name in division.held_out}


def test_one_document_is_never_held_out_and_each_namespace_has_its_share() -> None:
    documents = {name: passages(name, text) for name, text in RULES.items()}
    namespaces = {name: "alone" if name == "Berlin" else "offices" for name in documents}
    division = divide(documents, namespaces, 1, 0.3)
    assert "Berlin" not in division.held_out
    assert division.held_out
    assert not division.others("alone", frozenset({"Berlin"}))
    assert division.others("offices", division.held_out)


def test_an_example_belongs_where_all_of_its_documents_are() -> None:
    division = divided()
    held, other = sorted(division.held_out), sorted(set(RULES) - division.held_out)
    assert division.split_of(frozenset(held), "?") is Split.TEST
    assert division.split_of(frozenset(other), "?") is Split.TRAIN
    assert division.split_of(frozenset({held[0], other[0]}), "?") is None


def test_a_question_without_documents_is_assigned_by_its_words() -> None:
    division = divided()
    drawn = [division.split_of(frozenset(), f"Question {number}?") for number in range(500)]
    assert 0.12 < drawn.count(Split.TEST) / 500 < 0.28
    assert division.split_of(frozenset(), "Who?") is division.split_of(frozenset(), "WHO?")


def test_beside_one_huge_document_half_of_the_others_stay_for_training() -> None:
    documents = {name: passages(name, text) for name, text in RULES.items()}
    documents["huge"] = passages(
        "huge", *(f"Box {number * 7919} holds pallet {number * 104729}." for number in range(400))
    )
    division = divide(documents, dict.fromkeys(documents, "default"), 1, 0.2)
    assert 1 <= len(division.held_out) <= len(documents) / 2
