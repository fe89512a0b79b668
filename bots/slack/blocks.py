"""Answers as messages of Slack. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bots.chat.split import split_markdown
from bots.slack.kit import (
    BUTTON_TEXT,
    SECTION_TEXT,
    Json,
    actions,
    button,
    clipped,
    context,
    mrkdwn_context,
    plain,
    section,
)
from bots.slack.text import escape, is_safe_url, mrkdwn_plain, safe_markdown
from core import wording
from core.types import Answer, Citation, Outcome

# The rest is left for what Slack itself may add when it translates Markdown.
PIECE = 11_000
NOTIFICATION = 3000
"""Of the text that stands for the blocks in notifications: within what both posting and updating take."""

# What buttons are called in the payloads of their presses.
PASSAGE, FEEDBACK, RETRY, SHARE = "passage", "feedback", "retry", "share"

WITH_BUTTON = 5
"""Sources that have their own button; a message would be mostly buttons otherwise."""
_MORE_BLOCKS = 20
_TITLE, _LOCATOR, _QUOTE, _UNLINKED = 150, 150, 240, 80


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message: `text` for notifications and screen readers, in mrkdwn, and the blocks that people see."""

    text: str
    blocks: tuple[Json, ...]


def answer_messages(answer: Answer, *, private: bool) -> list[Rendered]:
    """The final form of an answer, at least one message; what follows the text is on the last."""
    pieces = split_markdown(safe_markdown(answer.text), PIECE) or [wording.UNEXPECTED]
    messages = [_message(piece) for piece in pieces]
    last = messages[-1]
    closing = closing_blocks(answer, private=private)
    return [*messages[:-1], Rendered(last.text, (*last.blocks, *closing))]


def closing_blocks(answer: Answer, *, private: bool) -> list[Json]:
    """What follows the text of an answer: sources, notice, buttons. Empty where there is nothing to be done."""
    if answer.outcome is Outcome.FAILED:
        return [actions(button("Try again", RETRY, answer.id))]
    if answer.outcome not in {Outcome.ANSWERED, Outcome.NO_EVIDENCE}:
        return []
    is_answered = answer.outcome is Outcome.ANSWERED
    sources = answer.citations if is_answered else answer.nearest
    buttons = [button("Try again", RETRY, answer.id)]
    if private and is_answered:
        buttons.append(button("Share with the channel", SHARE, answer.id))
    return [
        *_sources(answer.id, sources, with_quotes=not is_answered),
        *([context(answer.notice)] if answer.notice and answer.notice.strip() else []),
        _feedback(answer.id),
        actions(*buttons),
    ]


def sentence(text: str) -> Rendered:
    """A few words of the bot itself, or an unfinished answer with them; Markdown. What does not fit falls away."""
    pieces = split_markdown(safe_markdown(text), PIECE)
    return _message(pieces[0] if pieces else wording.UNEXPECTED)


def source_line(citation: Citation, limit: int = SECTION_TEXT, *, with_quote: bool = False) -> str:
    """`[1] Title, page 3` in mrkdwn of at most `limit` characters, which must be 500 or more.

    The title leads to the document, where that leaves room; a quote follows in a line of its own.
    """
    title = mrkdwn_plain(clipped(citation.title, _TITLE)) or "Untitled document"
    where = mrkdwn_plain(clipped(citation.locator, _LOCATOR))
    quote = mrkdwn_plain(clipped(citation.quote, _QUOTE)) if with_quote else ""
    linked = f"<{citation.url.replace('&', '&amp;')}|{title}>" if is_safe_url(citation.url) else title
    short = mrkdwn_plain(clipped(citation.title, _UNLINKED)) or "Untitled document"
    forms = (
        _line(citation.number, linked, where, quote),
        _line(citation.number, title, where, quote),
        _line(citation.number, title, where),
        _line(citation.number, short),
    )
    return next((form for form in forms if len(form) <= limit), forms[-1])


def _message(piece: str) -> Rendered:
    return Rendered(_notification(piece), ({"type": "markdown", "text": piece},))


def _notification(piece: str) -> str:
    length = NOTIFICATION
    while len(text := escape(clipped(piece.replace("**", ""), length))) > NOTIFICATION:
        # Entities take up to five characters.
        length -= max(1, (len(text) - NOTIFICATION) // 5)
    return text


def _sources(answer_id: str, sources: Sequence[Citation], *, with_quotes: bool) -> Iterator[Json]:
    if sources and not with_quotes:
        yield context("Sources")
    for position, citation in enumerate(sources[:WITH_BUTTON], start=1):
        value = json.dumps({"a": answer_id, "n": citation.number}, separators=(",", ":"))
        show = button("Show passage", PASSAGE, value)
        line = source_line(citation, with_quote=with_quotes)
        yield {**section(line), "block_id": f"source-{position}", "accessory": show}
    yield from _more(sources[WITH_BUTTON:])


def _more(sources: Sequence[Citation]) -> Iterator[Json]:
    """The lines of all others, several to a block, since contexts show their elements side by side."""
    texts: list[str] = []
    for position, line in enumerate(source_line(citation, SECTION_TEXT // 2) for citation in sources):
        if texts and len(texts[-1]) + 1 + len(line) <= SECTION_TEXT:
            texts[-1] += f"\n{line}"
        elif len(texts) < _MORE_BLOCKS:
            texts.append(line)
        else:
            texts.append(f"… and {len(sources) - position} more")
            break
    yield from map(mrkdwn_context, texts)


def _line(number: int, title: str, where: str = "", quote: str = "") -> str:
    line = f"[{number}] {title}, {where}" if where else f"[{number}] {title}"
    return f"{line}\n> {quote}" if quote else line


def _feedback(answer_id: str) -> Json:
    element = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": {
            "text": plain("Good answer", BUTTON_TEXT),
            "accessibility_label": "This answer was good",
            "value": f"up:{answer_id}",
        },
        "negative_button": {
            "text": plain("Bad answer", BUTTON_TEXT),
            "accessibility_label": "This answer was bad",
            "value": f"down:{answer_id}",
        },
    }
    return {"type": "context_actions", "elements": [element]}
