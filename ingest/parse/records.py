"""Records with named fields, as exports of databases hold them: tables where they are short and alike, else paragraphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.parse.blocks import BlockWriter
from ingest.parse.text import one_line

Record = list[tuple[str, str]]
"""Fields in order; a name may occur again."""

_MAX_COLUMNS, _MAX_ROW, _MAX_CELL = 12, 350, 120
"""Of a table that a model and a person can read: columns, characters in a row with the header, and in a cell."""
_ROWS = 50
"""In one table block."""
_TELLING = (
    "title",
    "name",
    "subject",
    "summary",
    "question",
    "label",
    "heading",
    "headline",
    "displayname",
    "key",
    "id",
)
_LONGEST_HEADING = 120
_WORD = re.compile(r"[^a-z]+")


def write_records(records: Sequence[Record], writer: BlockWriter, level: int) -> None:
    """All records, in order."""
    records = [[(name, value) for name, value in record if value.strip()] for record in records]
    records = [record for record in records if record]
    if len(records) > 1 and (columns := _columns(records)):
        for start in range(0, len(records), _ROWS):
            rows = [dict(record) for record in records[start : start + _ROWS]]
            writer.table([columns, *([row.get(column, "") for column in columns] for row in rows)])
        return
    for record in records:
        write_record(record, writer, level if len(records) > 1 else 0)


def write_record(record: Record, writer: BlockWriter, level: int) -> None:
    """One record as lines of `name: value`, under a heading of its most telling value unless `level` is 0."""
    if level and (heading := telling(record)):
        writer.heading(heading, level)
    writer.paragraph(
        "\n".join(f"{name}: {value.strip()}" if name else value for name, value in record if value.strip())
    )


def telling(record: Record) -> str:
    """The value that a person would call the record by: of a field named so; empty if there is none."""
    plain = {_WORD.sub("", name.rpartition(".")[2].lower()): value for name, value in reversed(record)}
    for wanted in _TELLING:
        value = one_line(plain.get(wanted, ""))
        if value and len(value) <= _LONGEST_HEADING:
            return f"{wanted} {value}" if wanted in {"id", "key"} else value
    return ""


def _columns(records: Sequence[Record]) -> list[str]:
    """The columns of a table for these records; none if they differ, are long, or have a field twice."""
    columns = dict.fromkeys(name for record in records for name, _ in record)
    if not 1 < len(columns) <= _MAX_COLUMNS:
        return []
    filled, names = sum(map(len, records)), sum(map(len, columns))
    if filled * 2 < len(columns) * len(records):
        return []
    for record in records:
        lengths = [len(value) for _, value in record]
        is_bad = (
            max(lengths) > _MAX_CELL
            or sum(lengths) + names > _MAX_ROW
            or len({name for name, _ in record}) < len(record)
        )
        if is_bad:
            return []
    return list(columns)
