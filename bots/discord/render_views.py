"""What one person sees: a passage, and the dialog about a bad answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bots.chat.links import visible
from bots.chat.passages import CHANGED, NEIGHBOURS, REASONS, place_of
from bots.discord.render_kit import (
    LABEL,
    LABELLED,
    MODAL_TITLE,
    REASON,
    STRING_SELECT,
    TEXT_FIELD,
    TEXT_INPUT,
    Json,
    Rendered,
    clipped,
    custom_id,
    escaped_within,
)
from bots.discord.render_sources import source_line
from bots.discord.text import escaped
from core.types import Citation, Passage, Reason

_HEAD = 1500
# Together within the 6000 characters of all embeds.
_PASSAGE, _NEIGHBOUR = 3600, 500
_COMMENT = "comment"
_PARAGRAPH = 2


def passage_message(citation: Citation, passages: Sequence[Passage] = (), place: int | None = None) -> Rendered:
    """The passage that a source names, its quote in bold, and those around it.

    `passages` are the document's, in its order, and `place` is where among them the cited one is. Without a place, the
    quote stands alone.
    """
    head = source_line(citation, _HEAD, preview=False)
    if place is None:
        quote = _quoted(citation.quote, citation.quote)
        return Rendered(f"{head}\n{CHANGED}", ({"description": quote},) if quote else ())
    before = _around("Before it:", passages[max(0, place - NEIGHBOURS) : place], is_before=True)
    after = _around("After it:", passages[place + 1 : place + 1 + NEIGHBOURS], is_before=False)
    shown = (before, _quoted(passages[place].text, citation.quote), after)
    return Rendered(head, tuple({"description": text} for text in shown if text))


def feedback_modal(answer_id: str) -> Json:
    """A dialog that asks why an answer was bad; its fields may stay empty. Raises `ValueError` for an id that is too long."""
    identity = custom_id(REASON, answer_id)
    if identity is None:
        raise ValueError("the answer's id is too long")
    options = [{"label": words, "value": reason.value} for reason, words in REASONS.items()]
    reason = {"type": STRING_SELECT, "custom_id": REASON, "options": options, "required": False, "min_values": 0}
    comment = {
        "type": TEXT_FIELD,
        "custom_id": _COMMENT,
        "style": _PARAGRAPH,
        "required": False,
        "max_length": TEXT_INPUT,
    }
    return {
        "custom_id": identity,
        "title": "What was wrong?"[:MODAL_TITLE],
        "components": [_labelled("What was wrong?", reason), _labelled("In your words, if you like", comment)],
    }


def feedback_of(data: Json) -> tuple[Reason | None, str]:
    """What was filled in, from the `data` of the dialog's interaction."""
    entered = {str(each.get("custom_id")): each for each in _fields(data.get("components") or ())}
    chosen = entered.get(REASON, {}).get("values") or [None]
    comment = str(entered.get(_COMMENT, {}).get("value") or "").strip()
    return next((reason for reason in Reason if reason.value == chosen[0]), None), comment[:TEXT_INPUT]


def _labelled(label: str, component: Json) -> Json:
    return {"type": LABELLED, "label": clipped(label, LABEL), "component": component}


def _fields(components: Sequence[Json]) -> Iterator[Json]:
    for each in components:
        yield each
        yield from _fields(each.get("components") or ())
        yield from _fields([each["component"]] if each.get("component") else ())


def _around(words: str, passages: Sequence[Passage], *, is_before: bool) -> str:
    texts = [visible(passage.text).strip() for passage in passages]
    shown = [escaped_within(_end_of(text) if is_before else text, _NEIGHBOUR) for text in texts if text]
    return f"-# {words}\n" + "\n\n".join(shown) if shown else ""


def _end_of(text: str) -> str:
    """Its end is what leads to the passage."""
    most = _NEIGHBOUR * 2 // 3
    return text if len(text) <= most else f"…{text[1 - most :].lstrip()}"


def _quoted(text: str, quote: str) -> str:
    """As much of the text as fits, around the quote, which is in bold."""
    text = visible(text).strip()
    start, end = place_of(quote, text)
    size = _PASSAGE
    while len(made := _window(text, start, end, size)) > _PASSAGE:
        size -= max(1, (len(made) - _PASSAGE) // 3)
    return made


def _window(text: str, start: int, end: int, size: int) -> str:
    end = min(end, start + size)
    first = max(0, min(start - size // 3, len(text) - size))
    last = max(end, first + size)
    before, quoted, after = text[first:start], text[start:end], text[end:last]
    if first:
        before = f"…{before.lstrip()}"
    if last < len(text):
        after = f"{after.rstrip()}…"
    bold = f"**{escaped(quoted)}**" if quoted.strip() else ""
    return f"{escaped(before)}{bold}{escaped(after)}"
