"""Rows of a spreadsheet or of delimited text, whatever they were read from. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

TEXT, NUMBER, DATE, BOLD = 0, 1, 2, 4
"""What a cell holds; `BOLD` is added to one of the others."""
_NUMBER = re.compile(
    r"[-+(]?\s?[$€£¥]?\s?(?:\d{1,3}(?:[ ,.'’ ]\d{3})+|\d+)?(?:[.,]\d+)?(?:[eE][-+]?\d+)?\s?[%$€£¥]?\)?"
)
_DATE = re.compile(
    r"(?:\d{4}-\d\d?-\d\d?|\d{4}/\d\d?/\d\d?|\d\d?[./-]\d\d?[./-]\d{2,4})(?:[ T]\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d\d?:\d\d(?::\d\d)?"
)
_LONGEST_VALUE = 40


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells that hold something: their columns (from 1, ascending), texts and kinds, one byte each."""

    number: int
    columns: tuple[int, ...]
    texts: tuple[str, ...]
    kinds: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """What a workbook knows beyond the cells: rows stated to be headers, and how far merged cells reach to the right."""

    header_rows: Collection[int] = ()
    spans: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """The last column of what is merged from a row and column on."""


def kind_of(text: str) -> int:
    """What a cell without a type holds, by how it is written."""
    if len(text) > _LONGEST_VALUE or not any(character.isdigit() for character in text):
        return TEXT
    if _NUMBER.fullmatch(text):
        return NUMBER
    return DATE if _DATE.fullmatch(text) else TEXT


def column_name(number: int) -> str:
    """1 is A, 27 is AA."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
