"""How the cells of delimited text are separated: told by how evenly a character cuts the lines."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator

DELIMITERS = (",", "\t", ";", "|")
NO_DELIMITER = "\x1f"
"""For lines that nothing cuts: ASCII's own separator, which no text holds."""
_SAMPLE, _SAMPLE_ROWS = 65_536, 100
_CLEAR_ROWS, _CLEAR_COLUMNS, _CLEAR_SHARE = 3, 3, 0.95
"""What a text without a telling name must have to be taken for a table."""


def delimiter_of(text: str) -> str | None:
    """The delimiter of a text that is clearly a table, whatever its name; None otherwise."""
    sample = sample_of(unified(text))
    delimiter = best(sample, DELIMITERS)
    widths = [len(row) for row in read_rows(sample, delimiter) if row][:_SAMPLE_ROWS] if delimiter else []
    if len(widths) < _CLEAR_ROWS:
        return None
    width, times = Counter(widths).most_common(1)[0]
    return delimiter if width >= _CLEAR_COLUMNS and times >= _CLEAR_SHARE * len(widths) else None


def unified(text: str) -> str:
    """One kind of line end, and no zeros, which the csv module does not take."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def sample_of(text: str) -> str:
    """Whole lines from the start."""
    return text if len(text) <= _SAMPLE else text[:_SAMPLE].rpartition("\n")[0] or text[:_SAMPLE]


def best(sample: str, order: Iterable[str]) -> str | None:
    """The delimiter that gives most rows the same number of cells, and more than one; the first of equals."""
    best, score = None, 0.0
    for delimiter in order:
        if delimiter not in sample:
            continue
        widths = [len(row) for row in read_rows(sample, delimiter) if row][:_SAMPLE_ROWS]
        cut = [width for width in widths if width > 1]
        if cut and 2 * len(cut) >= len(widths):
            width, times = Counter(cut).most_common(1)[0]
            # Consistency decides; among equals, the delimiter that cuts more is hardly one by accident.
            value = times / len(widths) + 0.02 * min(width, 10)
            if value > score:
                best, score = delimiter, value
    return best


def read_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Rows by the csv module, which takes all that follows a quote that nobody closes for one cell: then not by quotes."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    # Quotes are pairs in a sound table, and an odd one among them may still be a sign for inches.
    if text.count('"') % 2:
        last = deque(csv.reader(_lines(text), delimiter=delimiter), maxlen=1)
        if last and any("\n" in cell for cell in last[0][-1:]):
            return csv.reader(_lines(text), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(_lines(text), delimiter=delimiter)


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end
