"""What opens in front of a conversation: a passage, and the reason of a thumb down. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bots.chat.links import visible
from bots.chat.passages import CHANGED, NEIGHBOURS, REASONS, place_of
from bots.slack.kit import HEADER_TEXT, INPUT_TEXT, SECTION_TEXT, VIEW_TITLE, Json, clipped, context, plain, section
from bots.slack.text import is_safe_url
from core.types import Citation, Passage

FEEDBACK_REASON = "feedback_reason"
"""`callback_id` of the feedback's view."""

_LONGEST_PASSAGE, _ELEMENT, _NEIGHBOUR = 12_000, 2900, 700


def passage_view(citation: Citation, passages: Sequence[Passage] = (), place: int | None = None) -> Json:
    """A modal with the passage that a source names, its quote in bold, and those around it.

    `passages` are the document's, in its order, and `place` is where among them the cited one is. Without a place, the
    quote stands alone.
    """
    title = clipped(" ".join(visible(citation.title).split()), HEADER_TEXT) or "Untitled document"
    blocks: list[Json] = [{"type": "header", "text": plain(title, HEADER_TEXT)}]
    if where := visible(citation.locator).strip():
        blocks.append(context(where))
    if place is None:
        blocks += [section(CHANGED), *_quoted(citation.quote, citation.quote)]
    else:
        blocks += _around(passages[max(0, place - NEIGHBOURS) : place], is_before=True)
        blocks += _quoted(passages[place].text, citation.quote)
        blocks += _around(passages[place + 1 : place + 1 + NEIGHBOURS], is_before=False)
    if is_safe_url(citation.url):
        link = f"<{citation.url.replace('&', '&amp;')}|Open the document>"
        blocks += [section(link)] if len(link) <= SECTION_TEXT else []
    return {
        "type": "modal",
        "title": plain(f"Source {citation.number}", VIEW_TITLE),
        "close": plain("Close", VIEW_TITLE),
        "blocks": blocks,
    }


def feedback_view(answer_id: str) -> Json:
    """A modal that asks why an answer was bad; its fields `reason` and `comment` may stay empty.

    Its `private_metadata` is JSON with the answer's id as `a`.
    """
    options = [{"text": plain(words, 75), "value": reason.value} for reason, words in REASONS.items()]
    return {
        "type": "modal",
        "callback_id": FEEDBACK_REASON,
        "private_metadata": json.dumps({"a": answer_id}),
        "title": plain("What was wrong?", VIEW_TITLE),
        "submit": plain("Send feedback", VIEW_TITLE),
        "close": plain("Cancel", VIEW_TITLE),
        "blocks": [
            _input("reason", "What was wrong?", {"type": "radio_buttons", "options": options}),
            _input(
                "comment",
                "In your words, if you like",
                {"type": "plain_text_input", "multiline": True, "max_length": INPUT_TEXT},
            ),
        ],
    }


def _input(name: str, label: str, element: Json) -> Json:
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": plain(label, 75),
        "element": {**element, "action_id": name},
    }


def _around(passages: Sequence[Passage], *, is_before: bool) -> Iterator[Json]:
    if passages:
        yield context("Before it:" if is_before else "After it:")
    for passage in passages:
        text = visible(passage.text).strip()
        if is_before and len(text) > _NEIGHBOUR:
            # Its end is what leads to the passage.
            text = f"…{text[1 - _NEIGHBOUR :].lstrip()}"
        if text:
            yield context(clipped(text, _NEIGHBOUR))


def _quoted(text: str, quote: str) -> list[Json]:
    """Rich text, in which nothing is interpreted, with the quote in bold."""
    shown = clipped(visible(text), _LONGEST_PASSAGE)
    elements = list(_elements(shown, visible(quote)))
    if len(shown) <= _ELEMENT:
        return [_rich_text(elements)] if elements else []
    return [_rich_text([element]) for element in elements]


def _elements(text: str, quote: str) -> Iterator[Json]:
    start, end = place_of(quote, text)
    for begin, stop, is_quote in ((0, start, False), (start, end, True), (end, len(text), False)):
        for at in range(begin, stop, _ELEMENT):
            element: Json = {"type": "text", "text": text[at : min(at + _ELEMENT, stop)]}
            yield {**element, "style": {"bold": True}} if is_quote else element


def _rich_text(elements: list[Json]) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}
