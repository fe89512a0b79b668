"""The parts that messages and views of Slack are made of, and their limits. Pure."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# https://docs.slack.dev/reference/block-kit/blocks and …/block-elements, in characters and pieces.
SECTION_TEXT = 3000
MARKDOWN = 12_000
"""All `markdown` blocks of one message together, and one `markdown_text`."""
MESSAGE_BLOCKS = 50
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
HEADER_TEXT = 150
# https://docs.slack.dev/reference/views/modal-views and …/block-elements/plain-text-input-element, in characters.
VIEW_TITLE = 24
INPUT_TEXT = 3000
_CONTEXT = 2000


def context(text: str) -> Json:
    """Small text, shown as it is; it must not be empty."""
    element = {"type": "plain_text", "text": clipped(text, _CONTEXT), "emoji": False}
    return {"type": "context", "elements": [element]}


def mrkdwn_context(text: str) -> Json:
    """Small text in mrkdwn."""
    return {"type": "context", "elements": [_mrkdwn(text)]}


def section(text: str) -> Json:
    """Text in mrkdwn."""
    return {"type": "section", "text": _mrkdwn(text)}


def plain(text: str, limit: int) -> Json:
    """A text object in which nothing is interpreted."""
    return {"type": "plain_text", "text": clipped(text, limit), "emoji": False}


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters."""
    text = text.strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def actions(*buttons: Json) -> Json:
    return {"type": "actions", "elements": list(buttons)}


def button(text: str, action: str, value: str) -> Json:
    return {"type": "button", "text": plain(text, BUTTON_TEXT), "action_id": action, "value": value}


def _mrkdwn(text: str) -> Json:
    # Verbatim: addresses and names in it do not become links and mentions by themselves.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
