"""Rows of figures on a terminal: nothing is cut, however narrow it is."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from evals.printing import print_rows

LONG = [{"format": f"format {number}"} | {f"long_name_{key}": 1000 + key for key in range(12)} for number in range(11)]


def printed(rows: list[dict[str, Any]], width: int = 80) -> list[str]:
    output = StringIO()
    print_rows(rows, Console(file=output, width=width))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_few_rows_stand_beside_each_other() -> None:
    lines = printed([{"dataset": "a", "chunks": 5, "ndcg": None}, {"dataset": "b", "chunks": 7, "ndcg": 0.5}])
    assert [line.split() for line in lines] == [["a", "b"], ["chunks", "5", "7"], ["ndcg", "–", "0.5"]]


def test_many_rows_are_lines_where_they_fit() -> None:
    lines = printed([{"dataset": f"d{number}", "chunks": number} for number in range(9)])
    assert lines[0].split() == ["dataset", "chunks"]
    assert lines[9].split() == ["d8", "8"]


@pytest.mark.parametrize("width", [80, 50, 30])
def test_what_does_not_fit_becomes_blocks_and_nothing_is_cut(width: int) -> None:
    lines = printed(LONG, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    blocks = text.split("\n\n")
    assert len(blocks) > 1
    assert all(block.count("long_name_") == 12 for block in blocks)
    assert [text.count(f"format {number}\n") + text.count(f"format {number} ") for number in range(11)] == [1] * 11
    assert text.count("1011") == 11


def test_a_wide_terminal_shows_the_same_rows_as_one_table() -> None:
    lines = printed(LONG, 300)
    assert len(lines) == 1 + len(LONG)
    assert len(lines[1].split()) == 14


def test_seconds_of_stages_are_shown_and_curves_are_not() -> None:
    lines = printed(
        [{"dataset": "a", "stages": {"reading": 1.5}, "stages_ms": {"reading": 3}, "curve": [1], "why": {}}]
    )
    assert [line.split() for line in lines] == [["a"], ["reading", "(s)", "1.5"], ["reading", "(ms)", "3"]]


def test_keys_that_only_later_rows_have_are_shown() -> None:
    lines = printed([{"part": "1"}, {"part": "all", "seconds": 2.0}])
    assert lines[-1].split() == ["seconds", "–", "2.0"]


def test_a_block_leaves_out_what_none_of_its_rows_is_about() -> None:
    rows = [{"format": "all", "memory": 7}, *({"format": "f" * 30, "files": number} for number in range(3))]
    blocks = "\n".join(printed(rows, 60)).split("\n\n")
    assert [("memory" in block, "files" in block) for block in blocks] == [(True, True), (False, True), (False, True)]


def test_names_are_no_markup_and_long_ones_are_folded() -> None:
    lines = printed([{"dataset": "[red]x[/red]", "note": "word" * 30, "in_use": True}], 40)
    assert "[red]x[/red]" in lines[0]
    assert max(map(len, lines)) <= 40
    assert "".join("".join(line.replace("note", "").split()) for line in lines[1:-1]) == "word" * 30
    assert lines[-1].split() == ["in_use", "yes"]
