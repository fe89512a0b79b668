"""Text from Discord and to Discord. Pure.

Neither documents nor models are trusted: what goes out can notify nobody, every link shows where it leads, and none makes
a preview. Whatever could be taken for a mention is broken up by a zero-width space, which is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeGuard

from bots.chat.links import BREAK, DEPTH, SCHEME, beside_code, is_web_url, settled, show_addresses, visible
from bots.chat.split import regions
from bots.discord.tables import unfinished_table, without_tables

URL = 2000
"""Characters of a link; Discord takes 2048 in embeds."""
_NAME = 100
RULE = "─" * 16
"""Stands for a horizontal rule, which Discord does not have."""

# https://docs.discord.com/developers/reference#message-formatting
_TAG = re.compile(r"<@[!&]?(\d{1,20})>")
_MARK = re.compile(
    r"<(?:(?P<sign>@[!&]?|#)(?P<id>\d{1,20})|a?(?P<emoji>:\w{1,40}:)\d{1,20}|t:(?P<time>-?\d{1,13})(?::(?P<style>\w))?"
    r"|(?P<command>/[^<>\n:]{1,110}):\d{1,20}|id:(?P<page>[a-z-]{1,20})(?::\d{1,20})?|(?P<url>https?://[^<>\s]+))>"
)
_PAGES = {
    "browse": "Browse Channels",
    "customize": "Channels & Roles",
    "guide": "Server Guide",
    "linked-roles": "Linked Roles",
}
_TIMES = {"t": "%H:%M", "T": "%H:%M:%S", "d": "%Y-%m-%d", "D": "%Y-%m-%d"}

# Discord looks for these in code, too, before it lets a message notify anybody.
_BROADCAST = re.compile(r"@(?=everyone|here(?![a-z0-9]))", re.IGNORECASE)
_PERSON = re.compile(r"<(?=@[!&]?\d)")
_INTERPRETED = re.compile(r"<(?=#\d|a?:\w+:\d|t:-?\d|/[^<>\n:]{1,110}:\d|id:[a-z])")
_AUTOLINK = re.compile(r"<(?P<target>(?:https?://|mailto:)[^<>\s\x00]*)>", re.IGNORECASE)
_MAIL_LINK = re.compile(r"<(?P<target>[\w.+-]+@[\w.-]+)>")
_LINKS = (_AUTOLINK, _MAIL_LINK)
_ADDRESS = re.compile(r"https?://[^\s<>\x00]++", re.IGNORECASE)
_BARE = re.compile(r"(?P<slash>\\?)(?P<address><https?://[^\s<>\x00]++>|https?://[^\s<>\x00]*+)", re.IGNORECASE)
# What does not belong to an address at whose end it stands.
_AFTER = f".,:;!?\"'*_~|]{BREAK}"
_LEFT = re.compile(r"\](?=\()")
_LEFT_IN_CODE = re.compile(rf"\](?=\(\s*<?{SCHEME})", re.IGNORECASE)
_TICKS = re.compile(r"`{3,}")

_FENCE = re.compile(r"([ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)(`{3,}|~{3,})[ \t]*+([^\s`]*)")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+\-.#]+")
_HEADING = re.compile(r"^ {0,3}#{4,6}(?:[ \t]+|$)")
_LINE = re.compile(r"^ {0,3}([-*_])(?:[ \t]*+\1){2,}+[ \t]*+$")
_QUOTES = re.compile(r"^ {0,3}>(?:[ \t]*+>)++[ \t]*+")
_SUBTEXT = re.compile(r"^((?:[ \t]|>|[-*+][ \t])*+-)(?=#)")

_FORMATTING = re.compile(r"[\\*`\[<]|[|~](?=[|~])|(?<=:)/(?=/)|(?<![^\W_])_|_(?![^\W_])")
_LINE_START = re.compile(r"^([ \t]*)([#>+-]|\d{1,9}(?=[.)](?:\s|$)))", re.MULTILINE)


def question_of(text: str, bot_id: str, own_role: str, names: Mapping[str, str]) -> str:
    """A message as Discord sends it to plain text, without the mention of the bot itself.

    :param own_role: id of the role that stands for the bot; empty where it has none.
    :param names: of people, roles and channels, by their ids; who is not in it is shown by the id.
    """
    ids = [rf"!?{re.escape(bot_id)}" if bot_id else "", rf"&{re.escape(own_role)}" if own_role else ""]
    own = rf"<@(?:{'|'.join(filter(None, ids)) or '(?!)'})>"
    text = re.sub(rf"^\s*+{own}[,:;]?(?=\s|$)", "", text)
    text = re.sub(rf"(?<![ \t])[ \t]*+{own}[ \t]*", _gap, text)
    return _MARK.sub(lambda match: _read(match, names), text).strip()


def mentioned(text: str) -> frozenset[str]:
    """The ids of the people and roles that a message as Discord sends it tags."""
    return frozenset(_TAG.findall(text))


def safe_markdown(text: str) -> str:
    """Markdown of a model or a document for the content of messages and for embeds.

    `[label](url)` becomes `label (<url>)`; marks of sources such as `[1]` stay. What Discord does not have becomes what it
    has: tables blocks of code, headings below the third level bold, `~~~` and longer fences the one that it knows. Applying
    it again changes nothing.
    """
    text = visible(text)
    for _ in range(DEPTH):
        before, text = text, "".join(_safe(part, is_code) for part, is_code in regions(text))
        if text == before:
            break
    return text


def safe_so_far(written: str) -> str:
    """What can be shown of a text that is being written: no incomplete mention, link or table, and code is closed."""
    head = settled(written)
    *_, (last, is_code) = regions(head)
    if not is_code and (held_back := unfinished_table(last.split("\n"))):
        head = "\n".join(head.split("\n")[:-held_back]).rstrip()
    return safe_markdown(head).rstrip()


def plain(text: str) -> str:
    """Words of strangers that are shown as they are, on one line."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    """Text of strangers that is shown as it is, line by line: no bold, no links, no headings."""
    marked = _FORMATTING.sub(r"\\\g<0>", visible(text).replace(BREAK, ""))
    return _mute(_LINE_START.sub(_unlisted, marked))


def is_safe_url(url: str | None) -> TypeGuard[str]:
    """Whether people may be offered this as a link: of the web, and nothing in it that Discord would read otherwise."""
    return is_web_url(url, URL)


def _gap(match: re.Match[str]) -> str:
    """What stays between the words on both sides."""
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return "" if before in {"", "\n"} or after in {"", *"\n,.;:!?)"} else " "


def _read(match: re.Match[str], names: Mapping[str, str]) -> str:
    """What Discord shows people for `<…>`."""
    if match["id"]:
        name = " ".join(names.get(match["id"], match["id"]).split())[:_NAME]
        return f"{match['sign'][0]}{name}"
    if match["time"]:
        return _time(int(match["time"]), match["style"] or "f") or match[0]
    if match["page"]:
        return _PAGES.get(match["page"], match["page"])
    return str(match["emoji"] or match["command"] or match["url"])


def _time(seconds: int, style: str) -> str:
    """In UTC, since a message does not say where its readers are; empty for a time that there is not."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return ""
    shown = when.strftime(_TIMES.get(style, "%Y-%m-%d %H:%M"))
    return shown if style in {"d", "D"} else f"{shown} UTC"


def _safe(part: str, is_code: bool) -> str:
    if is_code:
        return _mute_code(_fenced(part))
    parts = without_tables(part, lambda cell: show_addresses(cell, _LINKS))
    return "".join(_mute_code(text) if is_table else _prose(text) for text, is_table in parts)


def _prose(text: str) -> str:
    return beside_code(text, _unlinked, lambda code: _mute_code(_TICKS.sub("``", code)))


def _unlinked(text: str) -> str:
    text = _LEFT.sub(_broken, show_addresses(text, _LINKS, _bracketed))
    text = _BARE.sub(_wrapped, text)
    # Discord pairs them in another way than Markdown does, also over empty lines.
    text = text.replace("`", "ˋ")
    text = "\n".join(map(_known, text.split("\n")))
    # Two of them hide what is between them and the next two.
    return _mute(re.sub(r"\|(?=\|)", _broken, text))


def _known(line: str) -> str:
    """A line of Markdown as Discord knows it."""
    if heading := _HEADING.match(line):
        words = line[heading.end() :].strip().rstrip("#").rstrip().replace("**", "")
        return f"**{words}**" if words else ""
    if _LINE.match(line):
        return RULE
    # `>>>` would quote all that follows.
    return _SUBTEXT.sub(_broken, _QUOTES.sub("> ", line))


def _fenced(part: str) -> str:
    """A block of code as Discord knows it, closed; it ends as the part does."""
    first, *body = part.removesuffix("\n").split("\n")
    fence = _FENCE.match(first)
    if fence is None:
        return part
    prefix, marks, language = fence.groups()
    end = "\n" if part.endswith("\n") else ""
    if body and set(bare := body[-1].strip(" \t>")) == {marks[0]} and len(bare) >= len(marks):
        body = body[:-1]
    if not any(line.strip(" \t>") for line in body):
        return end
    indent = re.sub(r"[^ \t>]", " ", prefix)
    opening = f"{prefix}```{language if _LANGUAGE.fullmatch(language) else ''}"
    inside = re.sub(r"``(?=`)", _broken, "\n".join(body))
    return f"{opening}\n{inside}\n{indent}```{end}"


def _bracketed(target: str) -> str:
    """An address of the web without its preview."""
    return f"<{target}>" if _ADDRESS.fullmatch(target) else target


def _wrapped(match: re.Match[str]) -> str:
    address = match["address"]
    # Discord would take the bracket for an escaped one.
    slash = match["slash"] and match["slash"] + BREAK
    if address.startswith("<"):
        return slash + address
    end = len(address)
    while end and (address[end - 1] in _AFTER or _is_unopened(address, end)):
        end -= 1
    bare = address[:end]
    # Without a name of a server it is no address, which Discord may not notice.
    return f"{slash}<{bare}>{address[end:]}" if bare.partition("//")[2] else match[0].replace(":", f":{BREAK}", 1)


def _is_unopened(address: str, end: int) -> bool:
    return address[end - 1] == ")" and address.count("(", 0, end) < address.count(")", 0, end)


def _unlisted(match: re.Match[str]) -> str:
    mark = match[2]
    return f"{match[1]}{mark}\\" if mark.isdigit() else f"{match[1]}\\{mark}"


def _mute_code(code: str) -> str:
    return _LEFT_IN_CODE.sub(_broken, _PERSON.sub(_broken, _BROADCAST.sub(_broken, code)))


def _mute(text: str) -> str:
    """Nothing in it notifies people, or is shown as something else than it says."""
    return _INTERPRETED.sub(_broken, _PERSON.sub(_broken, _BROADCAST.sub(_broken, text)))


def _broken(match: re.Match[str]) -> str:
    return match[0] + BREAK
