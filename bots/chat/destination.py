"""Into which namespace documents go that a person sends with a few words. Pure.

A wrong guess could show documents to people who may not see them, so words that name a place that does not exist are
refused instead of being overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from core.errors import InvalidRequest
from core.namespace import check_namespace

_NAME = r"[`'\"“‘]?(?P<name>[A-Za-z0-9][\w.-]*?)[`'\"”’]?(?=[.,;:!)]*(?:\s|$))"
_EXPLICIT = re.compile(rf"(?<![\w-])namespace(?:\s*[:=]\s*|\s+){_NAME}", re.IGNORECASE)
_PLACE = re.compile(rf"(?<![\w-])(?:in|into|to)\s+(?:the\s+)?{_NAME}", re.IGNORECASE)
_WORDS = (
    "please|pls|hi|hello|and|add|put|upload|save|store|index|ingest|new|the|a|this|these|that|it|them|here|files?|"
    "documents?|docs?|pdfs?|pages?|goes|go|belongs?|for"
)
# "Please add this to hr": nothing but the wish.
_WISH = re.compile(rf"\W*(?:(?:{_WORDS})[\s,:]+)*{_PLACE.pattern}\W*(?:please|pls|thanks|thank you)?\W*", re.IGNORECASE)
# A few words beside files; more is no order.
MOST_CHARACTERS = 500
_AFTER_NAMESPACE = frozenset({"is", "for", "of", "and", "or", "to", "in", "with", "the", "that", "which", "please"})


def namespace_in(text: str, known: Collection[str]) -> str | None:
    """The namespace that a text names by `in NAME`, `to NAME` or `namespace NAME`; None where it names none.

    `namespace NAME` may name a new one; `in NAME` and `to NAME` only one of `known`, in any case of letters.
    Raises `InvalidRequest`, with what to do, for a namespace that there is not or cannot be, and for several.
    """
    text = text[:MOST_CHARACTERS]
    explicit = [match["name"] for match in _EXPLICIT.finditer(text) if match["name"].casefold() not in _AFTER_NAMESPACE]
    named = [_known(name, known) or check_namespace(name) for name in explicit]
    places = [match["name"] for match in _PLACE.finditer(text) if match["name"].casefold() != "namespace"]
    named += [found for name in places if (found := _known(name, known)) is not None]
    distinct = list(dict.fromkeys(named))
    if len(distinct) > 1:
        raise InvalidRequest(f"Your message names several namespaces: {', '.join(distinct)}. Name one.")
    if distinct:
        return distinct[0]
    wish = _WISH.fullmatch(text)
    if wish is not None:
        raise InvalidRequest(
            f"There is no namespace {wish['name'][:64]}. There are: {', '.join(sorted(known))}. "
            f"Change your message to name one of them, or write `namespace {wish['name'][:64]}` to make a new one."
        )
    return None


def _known(name: str, known: Collection[str]) -> str | None:
    """As it is written where it is defined."""
    if name in known:
        return name
    alike = [each for each in known if each.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None
