"""Which part of an unfinished text can be shown already. Pure."""

from __future__ import annotations

import re

from bots.slack.text import safe_markdown

# A mention or a link that is not yet complete could not be recognised; what is longer than this is neither.
_OPEN = re.compile(r"(?:<[^<>\n]{0,300}|!?\[[^\[\]\n]{0,300}(?:\](?:\([^()\n]{0,1000})?)?)$")


def next_piece(written: str, streamed: str) -> str | None:
    """What to append to what was streamed; empty while there is nothing, None when it no longer continues it.

    The piece ends at a word's end, and is safe together with everything before it.
    """
    safe = safe_markdown(_complete(written))
    if not safe.startswith(streamed):
        return None
    return safe[len(streamed) :]


def _complete(written: str) -> str:
    cut = max(written.rfind(" "), written.rfind("\n")) + 1
    head = written[:cut]
    line = head.rfind("\n") + 1
    if head.count("`", line) % 2:
        # In code, links stay as they are; whether it is code, its end will tell.
        head = head[: head.rfind("`")]
    opening = _OPEN.search(head.rstrip(" "))
    # Not the space at its end: a full stop may yet go before it, where the model puts it after a citation.
    return (head[: opening.start()] if opening else head).rstrip()
