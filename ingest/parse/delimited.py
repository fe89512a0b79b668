"""Delimited text: CSV, TSV and their kin with semicolons and pipes, as pieces with the names of the columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from core.types import Block, ParsedDocument
from ingest.parse.delimiter import DELIMITERS, NO_DELIMITER, best, read_rows, sample_of, unified
from ingest.parse.encoding import decode
from ingest.parse.sheet_rows import Row, kind_of
from ingest.parse.sheets import sheet_blocks
from ingest.parse.text import counted, readable_name

MAX_CELLS = 2_000_000
MAX_COLUMNS = 16_384
_LONGEST_CELL = 131_072
_STATED = re.compile(r"\A\s*sep=([,;|:^~\t ])\n", re.IGNORECASE)
_LEVEL = 2


class DelimitedParser:
    """Rows in pieces of some twenty, each with the header and under a heading that says which rows they are."""

    media_types: Iterable[str] = ("text/csv", "text/tab-separated-values")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Never fails: what has no delimiter is a table of one column."""
        decoded = decode(data)
        text, delimiter = _delimited(unified(decoded.text), name)
        reading = _Reading(text, delimiter)
        rows = list(reading.rows())
        blocks: tuple[Block, ...] = tuple(sheet_blocks(rows, _LEVEL, prose=any(len(row.columns) > 1 for row in rows)))
        return ParsedDocument(readable_name(name), blocks, losses=(*decoded.losses, *reading.losses()))


class _Reading:
    def __init__(self, text: str, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._cut = self._dropped = 0
        self._is_whole = True

    def rows(self) -> Iterator[Row]:
        cells = 0
        for number, fields in enumerate(read_rows(self._text, self._delimiter), 1):
            self._dropped += max(0, len(fields) - MAX_COLUMNS)
            found = [(column, self._fitted(field.strip())) for column, field in enumerate(fields[:MAX_COLUMNS], 1)]
            found = [(column, field) for column, field in found if field]
            cells += len(found)
            if cells > MAX_CELLS:
                self._is_whole = False
                return
            if found:
                columns, texts = zip(*found, strict=True)
                yield Row(number, columns, texts, bytes(kind_of(each) for each in texts))

    def losses(self) -> Iterator[str]:
        if not self._is_whole:
            yield f"The table is too large to be read whole: only the first {MAX_CELLS:,} cells were read."
        yield from counted(self._cut, "cell", f"is longer than {_LONGEST_CELL:,} characters and was cut")
        yield from counted(self._dropped, "cell", f"was left out beyond column {MAX_COLUMNS:,}")

    def _fitted(self, field: str) -> str:
        self._cut += len(field) > _LONGEST_CELL
        return field[:_LONGEST_CELL]


def _delimited(text: str, name: str) -> tuple[str, str]:
    """The text and its delimiter, which its first line may state, as Excel has it (`sep=;`)."""
    if stated := _STATED.match(text):
        return text[stated.end() :], stated[1]
    sample = sample_of(text)
    order = ("\t", ",", ";", "|") if name.lower().endswith((".tsv", ".tab")) else DELIMITERS
    return text, best(sample, order) or NO_DELIMITER
