"""Text from Slack and to Slack. Pure.

Neither documents nor models are trusted: what goes out can notify nobody, and every link shows where it leads. Whatever
could be taken for a mention is broken up by a zero-width space, which is not seen.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from bots.chat.links import BREAK, DEPTH, SCHEME, beside_code, is_web_url, show_addresses, visible
from bots.chat.split import regions

URL = 3000
"""Characters of a link: https://docs.slack.dev/reference/block-kit/block-elements/button-element."""

# https://docs.slack.dev/messaging/formatting-message-text
_ANGLES = re.compile(r"<([^<>\n]*)>")
_TAG = re.compile(r"<(?:@|!subteam\^)([A-Za-z0-9]+)(?:\|[^<>\n]*)?>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))

# Of what may stay, for emoji and for languages that need it: joiners and variation selectors.
_UNSEEN = r"[\s\u180b-\u180f\u200b-\u200f\ufe00-\ufe0f]*"
# `<!--` and `<!DOCTYPE` are no mentions, and may be in code that people copy.
_MENTION = re.compile(
    rf"(?:<|&lt;|&#0*60;|&#x0*3c;)(?!{BREAK})(?={_UNSEEN}(?:[@#]|!{_UNSEEN}(?!doctype\b)[a-z]))", re.IGNORECASE
)
# Not the @ of an address of mail.
_BROADCAST = re.compile(
    rf"[@＠﹫](?!{BREAK})(?={_UNSEEN}(?:channel|here|everyone|group)(?![a-z0-9]))"
    r"(?!(?<=[a-z0-9].)\w+\.[a-z0-9])",
    re.IGNORECASE,
)

_AUTOLINK = re.compile(rf"<(?P<target>{SCHEME}[^<>|\s]*)>", re.IGNORECASE)
_SLACK_LINK = re.compile(rf"<(?P<target>{SCHEME}[^<>|\n]*)\|(?P<label>[^<>|\n]*)>", re.IGNORECASE)
_MAIL_LINK = re.compile(r"<(?P<target>[\w.+-]+@[\w.-]+)>")
_LINKS = (_SLACK_LINK, _AUTOLINK, _MAIL_LINK)
# What the rules above left: a link, the definition of one, Slack's link.
_LEFT = re.compile(rf"\](?=[(:])|<(?={SCHEME})", re.IGNORECASE)
_LEFT_IN_CODE = re.compile(rf"\](?=[(:]\s*<?{SCHEME})|<(?={SCHEME}[^<>\n]*\|)", re.IGNORECASE)

_FORMATTING = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])")
_EMOJI = re.compile(r":(?=[\w+'-]+:)")


def question_of(text: str, bot_user: str) -> str:
    """A message as Slack sends it to plain text, without the mention of the bot itself."""
    own = rf"<@{re.escape(bot_user)}(?:\|[^<>\n]*)?>" if bot_user else r"(?!)"
    text = re.sub(rf"^\s*+{own}[,:;]?(?=\s|$)", "", text)
    text = re.sub(rf"(?<![ \t])[ \t]*+{own}[ \t]*", _gap, text)
    shown = _ANGLES.sub(lambda match: _shown(match[1]), text)
    return _ENTITY.sub(lambda match: _ENTITIES[match[0]], shown).strip()


def mentioned(text: str) -> frozenset[str]:
    """The ids of the people and groups that a message as Slack sends it tags."""
    return frozenset(_TAG.findall(text))


def safe_markdown(text: str) -> str:
    """Markdown of a model or a document for `markdown` blocks and `markdown_text`.

    `[label](url)` becomes `label (url)`, and so do all other ways to write a link; marks of sources such as `[1]` stay.
    Code stays as it is, but for what would notify people. Applying it again changes nothing.
    """
    text = visible(text)
    for _ in range(DEPTH):
        before, text = text, _mute("".join(_linkless(part, is_code) for part, is_code in regions(text)))
        if text == before:
            break
    return text


def escape(text: str) -> str:
    """Text for `mrkdwn` and `text` fields; its formatting marks stay."""
    entities = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _BROADCAST.sub(_broken, entities)


def mrkdwn_plain(text: str) -> str:
    """Text for `mrkdwn` that is shown as it is, on one line: no bold, no code, no emoji."""
    line = escape(" ".join(text.split())).replace("`", "ˋ")
    # On both sides, so that it neither opens nor closes, whether Slack takes the break for a space or for a letter.
    return _EMOJI.sub(f":{BREAK}", _FORMATTING.sub(lambda match: f"{BREAK}{match[0]}{BREAK}", line))


def is_safe_url(url: str | None) -> TypeGuard[str]:
    """Whether people may be offered this as a link: of the web, and nothing in it that Slack would read otherwise."""
    return is_web_url(url, URL)


def _gap(match: re.Match[str]) -> str:
    """What stays between the words on both sides."""
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return "" if before in {"", "\n"} or after in {"", *"\n,.;:!?)"} else " "


def _shown(inside: str) -> str:
    """What Slack shows people for `<inside>`."""
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return f"@{label.removeprefix('@') or target[1:]}"
    if target.startswith("#"):
        return f"#{label.removeprefix('#') or target[1:]}"
    if target.startswith("!date^"):
        return label
    if target.startswith("!"):
        name = label or target[1:].removeprefix("subteam^")
        return name if name.startswith("@") else f"@{name}"
    url = re.sub(r"^(?:mailto|tel):", "", target)
    bare = re.sub(r"^https?://", "", url).rstrip("/")
    return url if not label or label.rstrip("/") in {url.rstrip("/"), bare} else f"{label} ({url})"


def _mute(text: str) -> str:
    """Nothing in it notifies people."""
    return _BROADCAST.sub(_broken, _MENTION.sub(_broken, text))


def _broken(match: re.Match[str]) -> str:
    return match[0] + BREAK


def _linkless(part: str, is_code: bool) -> str:
    if is_code:
        return _code_linkless(part)
    return beside_code(part, lambda text: _LEFT.sub(_broken, show_addresses(text, _LINKS)), _code_linkless)


def _code_linkless(code: str) -> str:
    return _LEFT_IN_CODE.sub(_broken, code)
