"""A source in one line of Discord's Markdown. Pure."""

from __future__ import annotations

import re

from bots.discord.render_kit import plain_within
from bots.discord.text import is_safe_url
from core.types import Citation

UNTITLED = "Untitled document"
_TITLE, _LOCATOR, _QUOTE, _UNLINKED = 200, 200, 300, 80
# They would end the address of a link.
_ENCODED = {"(": "%28", ")": "%29"}


def source_line(citation: Citation, limit: int, *, with_quote: bool = False, preview: bool = True) -> str:
    """`[1] Title, page 3` of at most `limit` characters, which must be 300 or more.

    The title leads to the document, where that leaves room; a quote follows in a line of its own.

    :param preview: False in the content of a message, where an address would make one.
    """
    title, linked = _title(citation.title), linked_title(citation, preview=preview)
    where = plain_within(citation.locator, _LOCATOR)
    quote = plain_within(citation.quote, _QUOTE) if with_quote else ""
    forms = (
        _line(citation.number, linked, where, quote),
        _line(citation.number, title, where, quote),
        _line(citation.number, title, where),
        _line(citation.number, plain_within(citation.title, _UNLINKED) or UNTITLED),
    )
    return next((form for form in forms if len(form) <= limit), forms[-1])


def linked_title(citation: Citation, *, preview: bool = True) -> str:
    """The title, which leads to the document if that has an address."""
    title = _title(citation.title)
    if not is_safe_url(citation.url):
        return title
    address = re.sub(r"[()]", lambda match: _ENCODED[match[0]], citation.url)
    shown = address if preview else f"<{address}>"
    if "://" in citation.title or "www." in citation.title:
        # Discord makes no link of words that look like one.
        return f"{title} ({shown})"
    label = plain_within(citation.title.replace("[", "(").replace("]", ")"), _TITLE) or UNTITLED
    return f"[{label}]({shown})"


def _title(title: str) -> str:
    return plain_within(title, _TITLE) or UNTITLED


def _line(number: int, title: str, where: str = "", quote: str = "") -> str:
    line = f"[{number}] {title}, {where}" if where else f"[{number}] {title}"
    return f"{line}\n> {quote}" if quote else line
