"""What people are told of a passage, and asked about an answer, the same on every platform. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.types import Reason

REASONS: Mapping[Reason, str] = {
    Reason.WRONG: "It is wrong",
    Reason.INCOMPLETE: "Something is missing",
    Reason.OUTDATED: "It is out of date",
    Reason.WRONG_SOURCE: "The source does not say this",
    Reason.NOT_FOUND: "The documents do answer this",
    Reason.OTHER: "Something else",
}
NEIGHBOURS = 2
"""Passages that are shown on each side."""
CHANGED = "The document has changed since this answer. This is what the answer quoted:"


def place_of(quote: str, text: str) -> tuple[int, int]:
    """Begin and end of the quote in the text, whose white space may differ; an empty span where it is not found."""
    words = quote.strip().removesuffix("…").split()
    match = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
    return match.span() if match else (0, 0)
