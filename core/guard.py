"""What may be asked. Pure."""

from __future__ import annotations

import re
import unicodedata

MAX_QUESTION_CHARACTERS = 4000
# Zero-width and bidirectional controls, which hide text or turn it around.
_INVISIBLE = re.compile(r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_SPACE = re.compile(r"\s+")


def clean_question(text: str) -> str:
    """One line of visible characters."""
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    printable = "".join(
        " " if unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"} else character for character in visible
    )
    return _SPACE.sub(" ", printable).strip()


def refuse_question(text: str) -> str | None:
    """A sentence for the person when a cleaned question cannot be looked up; None when it can."""
    if not text:
        return "There was no question. Ask in your own words, for example: How many days of vacation do I have?"
    if len(text) > MAX_QUESTION_CHARACTERS:
        return (
            f"That is too long for a question ({len(text)} characters, the limit is {MAX_QUESTION_CHARACTERS}). "
            "Please ask in a few sentences."
        )
    if not any(character.isalnum() for character in text):
        return "There were no words in that. Please ask in your own words."
    return None
