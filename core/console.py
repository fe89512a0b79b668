"""What is written to a terminal, and how."""

from __future__ import annotations

import io
import sys


def plain(text: str) -> str:
    """Without control characters: a document must not be able to drive the reader's terminal."""
    spaced = (" " if character.isspace() and character not in "\n\t" else character for character in text)
    return "".join(character for character in spaced if character in "\n\t" or character.isprintable())


def forgive_encodings() -> None:
    """An answer with a few wrong characters is better than none, on a terminal that knows no Unicode."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
