"""Finds what would notify people in what the application sends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# https://docs.slack.dev/messaging/formatting-message-text: special mentions, groups of people, and people.
_MENTION = re.compile(
    r"<(?:!(?:channel|here|everyone|group)|!subteam\^[^<>|]+|@[A-Z0-9]+)(?:\|[^<>]*)?>", re.IGNORECASE
)
# With `link_names`, or `parse=full`, also written as people do.
_BARE = re.compile(r"(?<![\w<])@[\w.-]+")
_TEXTS = ("text", "markdown_text", "initial_comment")
_PARTS = ("blocks", "chunks", "attachments")
# Strings that Slack formats where no text object says how.
_FORMATTED = {
    "markdown": ("text",),
    "markdown_text": ("text",),
    "mrkdwn": ("text",),
    "plan": ("title",),
    "plan_update": ("title",),
    "task_card": ("title",),
    "task_update": ("title", "details", "output"),
}
_ATTACHMENT = ("pretext", "text", "value")


class Ping(NamedTuple):
    """`what` as it was written, as in `<!channel>`; of rich text, `<!here>` and `<!subteam^S1>` for its elements."""

    method: str
    what: str


def pings_in(sent: Mapping[str, Any]) -> list[str]:
    """Every mention in the arguments of a call, or in the body of an acknowledgement or a response_url.

    Text in plain_text objects, in rich text and in table cells is shown as it is and notifies nobody. Rich text mentions
    people on purpose by `user` elements, which are left out.
    """
    texts = [sent[name] for name in _TEXTS if isinstance(sent.get(name), str)]
    for name in _PARTS:
        texts += _formatted(sent.get(name), attachment=name == "attachments")
    found = [match[0] for text in texts for match in _MENTION.finditer(text)]
    if sent.get("link_names") in (True, 1, "1", "true") or sent.get("parse") == "full":
        found += [match[0] for text in texts for match in _BARE.finditer(text)]
    return found


def completed(before: str, added: str) -> list[str]:
    """Mentions that begin in one piece of a stream and end in the next."""
    seam = len(before)
    return [match[0] for match in _MENTION.finditer(before + added) if match.start() < seam < match.end()]


def _formatted(value: Any, *, attachment: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from _formatted(part, attachment=attachment)
    elif isinstance(value, Mapping):
        kind = value.get("type")
        if kind == "broadcast":
            yield f"<!{value.get('range')}>"
        elif kind == "usergroup":
            yield f"<!subteam^{value.get('usergroup_id')}>"
        names = _FORMATTED.get(str(kind), _ATTACHMENT if attachment and kind is None else ())
        yield from (value[name] for name in names if isinstance(value.get(name), str))
        for part in value.values():
            yield from _formatted(part, attachment=attachment)
