"""Words about where files belong."""

from __future__ import annotations

import pytest

from bots.chat.destination import namespace_in
from core.errors import InvalidRequest

KNOWN = ["default", "hr", "it", "board-2026", "HR-old"]


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("in hr", "hr"),
        ("to hr", "hr"),
        ("Into HR, please!", "hr"),
        ("in `board-2026`", "board-2026"),
        ("Please add this to hr.", "hr"),
        ("The new travel rules, to be found in hr", "hr"),
        ("namespace hr", "hr"),
        ("in the namespace hr", "hr"),
        ("namespace: new-one", "new-one"),
        ("Namespace=Board", "Board"),
        ("to hr-OLD", "HR-old"),
        ("", None),
        ("Our new travel rules", None),
        ("This was agreed in March with the works council", None),
        ("What the namespace is for will be said to all of you tomorrow", None),
        ("I will come to you with it", None),
        ("within hr", None),
    ],
)
def test_a_namespace_is_named_by_a_few_words(text: str, namespace: str | None) -> None:
    assert namespace_in(text, KNOWN) == namespace


@pytest.mark.parametrize("text", ["in hr-privat", "Please add this to handbook", "add these files to the boards."])
def test_a_wish_for_a_namespace_that_there_is_not_is_no_wish_for_the_usual_one(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"There is no namespace .* There are: .*hr"):
        namespace_in(text, KNOWN)


def test_two_namespaces_are_one_too_many() -> None:
    with pytest.raises(InvalidRequest, match="hr, it"):
        namespace_in("Put it in hr and in it", KNOWN)


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="letters, digits"):
        namespace_in(f"namespace {'x' * 65}", KNOWN)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["to ", "in the ", "add this ", "namespace ", "a, ", "`", "x.", "in a-"])
def test_a_long_text_is_read_at_once(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    for end in ("", "!", "é?"):
        try:
            namespace_in(text + end, KNOWN)
        except InvalidRequest:
            continue
