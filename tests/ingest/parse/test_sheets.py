"""Tables of one sheet told apart, and the names of their columns."""

from __future__ import annotations

import pytest

from core.types import BlockKind
from ingest.parse.sheet_rows import Row, column_name, kind_of
from ingest.parse.sheets import sheet_blocks

PEOPLE = ["Name|Role", "Bob|Cook", "Eve|Pilot"]


def heads(lines: list[str]) -> list[str]:
    """The first lines of the tables; cells are parted by bars, empty ones are not there."""
    rows = []
    for number, line in enumerate(lines, 1):
        cells = [(column, text) for column, text in enumerate(line.split("|"), 1) if text]
        if cells:
            columns, texts = zip(*cells, strict=True)
            rows.append(Row(number, columns, texts, bytes(kind_of(text) for text in texts)))
    tables = [block.text for block in sheet_blocks(rows, 2) if block.kind is BlockKind.TABLE]
    return [text.split("\n")[0].strip("| ").replace(" | ", "|") for text in tables]


@pytest.mark.parametrize(
    "second",
    [
        ["City|Land", "Bonn|Germany"],
        ["Name|Capital", "Germany|Berlin", "France|Paris"],
        [
            "Word|Meaning",
            "leave|The days on which a person does not work, but is paid.",
            "sick|" + "The days of it. " * 3,
        ],
        ["Place|Wing", "Room 1|East 3", "Room 2|West 4"],
        ["Key|Answers", *["a|yes", "b|no"] * 4],
    ],
    ids=["usual words", "a name again", "long texts", "numbers in texts", "few values"],
)
def test_another_table_of_texts_below_an_empty_row_has_its_own_names(second: list[str]) -> None:
    assert heads([*PEOPLE, "", *second]) == ["Name|Role", second[0]]


def test_two_empty_rows_part_tables() -> None:
    group = ["Dog|Hund", "Cat|Katze"]
    assert heads([*PEOPLE, "", "", *group]) == ["Name|Role", "Dog|Hund"]
    assert heads([*PEOPLE, "", *group]) == ["Name|Role", "Name|Role"]


def test_a_title_announces_another_table() -> None:
    assert heads([*PEOPLE, "", "Animals", "", "Dog|Hund", "Cat|Katze"]) == ["Name|Role", "Dog|Hund"]


def test_a_table_that_begins_farther_right_is_another() -> None:
    wide = ["Name|Role|Town", "Bob|Cook|Bonn"]
    assert heads([*wide, "", "|Dog|Hund", "|Cat|Katze"]) == ["Name|Role|Town", "Dog|Hund"]


@pytest.mark.parametrize(
    "group",
    [
        ["Anna|Pilot", "Cleo|Nurse"],
        ["Anna|Nurse", "Cleo|Nurse"],
        ["Land|Cook", "City|Nurse"],
        ["Anna|Driver"],
        ["City manager|", "|Land owner"],
    ],
    ids=["like the rows above", "a value twice", "a value from above", "one row", "gaps"],
)
def test_rows_below_an_empty_one_go_on_otherwise(group: list[str]) -> None:
    assert heads([*PEOPLE, "", *group]) == ["Name|Role", "Name|Role"]


def test_columns_have_letters() -> None:
    assert [column_name(number) for number in (1, 26, 27, 703)] == ["A", "Z", "AA", "AAA"]
