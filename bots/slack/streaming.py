"""Which part of an unfinished text can be shown already. Pure."""

from __future__ import annotations

from bots.chat.links import settled
from bots.slack.text import safe_markdown


def next_piece(written: str, streamed: str) -> str | None:
    """What to append to what was streamed; empty while there is nothing, None when it no longer continues it.

    The piece ends at a word's end, and is safe together with everything before it.
    """
    safe = safe_markdown(settled(written))
    if not safe.startswith(streamed):
        return None
    return safe[len(streamed) :]
