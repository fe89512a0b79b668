from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.chat.split import regions, split_markdown

FENCE = "```python\nprint('one')\n\nprint('two')\n```"
TABLE = "| Day | Hours |\n|---|---|\n| Monday | 8 |\n| Friday | 6 |"
WORDS = "word " * 30


def _in_order(words: list[str], pieces: list[str]) -> bool:
    """Whether the words are in the pieces in this order, with others between them allowed."""
    there = iter(" ".join(pieces).split())
    return all(word in there for word in words)


def _is_whole(piece: str) -> bool:
    """No block of code is left open."""
    last, is_code = list(regions(piece))[-1]
    return not (last and is_code)


@pytest.mark.parametrize("text", ["", "  \n \n"])
def test_nothing_gives_no_pieces(text: str) -> None:
    assert split_markdown(text, 10) == []


def test_what_fits_stays_as_it_is() -> None:
    assert split_markdown(f"{WORDS}\n\n{FENCE}\n", 2000) == [f"{WORDS}\n\n{FENCE}\n"]


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("one two\n\nthree four", 12, ["one two", "three four"]),
        ("one two\nthree four", 12, ["one two", "three four"]),
        ("One two. Three four", 12, ["One two.", "Three four"]),
        ("One two [1]. Three", 14, ["One two [1].", "Three"]),
        ("我们有三十天假。请问主管。", 9, ["我们有三十天假。", "请问主管。"]),
        ("one two three four", 9, ["one two", "three", "four"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("# Leave\n\n" + "a" * 9, 12, ["# Leave", "a" * 9]),
        ("text\n\n# Leave\n\nthirty", 16, ["text", "# Leave\n\nthirty"]),
        ("some text\n\nAs such:\n- a\n- b\n\n- c", 24, ["some text", "As such:\n- a\n- b\n\n- c"]),
    ],
)
def test_cut_at_the_best_place(text: str, limit: int, pieces: list[str]) -> None:
    assert split_markdown(text, limit) == pieces


@pytest.mark.parametrize("block", [FENCE, TABLE])
@pytest.mark.parametrize("before", range(0, 160, 7))
def test_block_that_fits_is_never_cut(block: str, before: int) -> None:
    pieces = split_markdown(f"{'x ' * before}\n\n{block}\n\n{WORDS}", 120)
    assert sum(block in piece for piece in pieces) == 1


def test_long_code_is_closed_and_opened_again_with_its_language() -> None:
    lines = [f"    step({number})" for number in range(50)]
    pieces = split_markdown("\n".join(["As follows:", "~~~python title=x", *lines, "~~~", "Done."]), 200)
    assert len(pieces) > 3
    assert pieces[0].startswith("As follows:\n~~~python title=x\n    step(0)\n")
    assert all(piece.startswith("~~~python\n    step(") for piece in pieces[1:])
    assert all(_is_whole(piece) for piece in pieces)
    assert [line for piece in pieces for line in piece.split("\n") if "step" in line] == lines
    assert pieces[-1].endswith("~~~\nDone.")


def test_long_table_repeats_its_header() -> None:
    rows = [f"| {number} | {'h' * 9} |" for number in range(40)]
    pieces = split_markdown("\n".join(["| Day | Hours |", "|---|---|", *rows]), 150)
    assert len(pieces) > 4
    assert all(piece.startswith("| Day | Hours |\n|---|---|\n| ") for piece in pieces)
    assert [line for piece in pieces for line in piece.split("\n")[2:]] == rows


@pytest.mark.parametrize(
    "text",
    [
        "```\n" + "x" * 500 + "\n```",
        "```" + "language" * 30 + "\ncode here\n```",
        "> ```sh\n" + "> run it\n" * 60 + "> ```",
        "- item\n  ```sh\n" + "  run it\n" * 60,
        "| a |\n|---|\n| " + "cell " * 90 + "|\n| b |",
        "| " + "head " * 30 + "|\n|---|\n" + "| cell |\n" * 20,
    ],
)
def test_blocks_of_unusual_form(text: str) -> None:
    pieces = split_markdown(text, 100)
    assert all(0 < len(piece) <= 100 for piece in pieces)
    letters = re.sub(r"[^a-z]", "", text)
    assert len(re.sub(r"[^a-z]", "", "".join(pieces))) >= len(letters)


_PARTS = st.sampled_from(
    ["word", "two words.", "\n", "\n\n", "# Title", "```", "```py\n", "~~~", "| a | b |\n|---|---|\n", "| c | d |\n",
     "> ", "- ", " ", "\t", "x" * 40, "`", "[1]", "。", ":\n"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_PARTS, max_size=60).map("".join), st.integers(30, 90))
def test_any_text(text: str, limit: int) -> None:
    pieces = split_markdown(text, limit)
    assert all(piece.strip() and len(piece) <= limit for piece in pieces)
    plain = [word for word in text.split() if word.isalpha() and len(word) < 20]
    assert _in_order(plain, pieces) or "x" * 20 in text


@settings(max_examples=200, deadline=None)
@given(st.lists(_PARTS, max_size=40).map("".join))
def test_regions_joined_are_the_text(text: str) -> None:
    assert "".join(part for part, _ in regions(text)) == text


def test_long_text_takes_no_long_time() -> None:
    for text in ("a" * 100_000, " " * 100_000 + "b", "|-" * 50_000, "> " * 50_000, "```\n" * 25_000):
        assert all(len(piece) <= 2000 for piece in split_markdown(text, 2000))


def test_limit_must_be_possible() -> None:
    with pytest.raises(ValueError, match="limit"):
        split_markdown("text", 0)
