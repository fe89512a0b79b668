"""Links and characters that could mislead people, in text that nobody has checked. Pure, and of no platform."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeGuard
from urllib.parse import urlsplit

BREAK = "\u200b"
"""Breaks up what a platform would interpret; it is not seen."""
SCHEME = r"(?:[a-z][a-z0-9+.-]{1,31}:|//|www\.)"
"""How an address begins, as a part of patterns that ignore case."""

# Control characters, and those that are not seen or turn the direction of writing, so that a link reads as another.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")

_LABEL = r"(?P<label>(?>[^\[\]\n]|\n(?![ \t]*\n)|\[[^\[\]\n]*\])*+)"
_TARGET = r"(?:<(?P<angled>[^<>\n]*)>|(?P<target>(?>[^\s()<>]|\([^\s()<>]*\))*+))"
_TITLE = r"""(?:\s++(?:"[^"`\x00]*"|'[^'`\x00]*'|\([^()`\x00]*\)))?"""
_LINK = re.compile(rf"!?\[{_LABEL}\]\(\s*+{_TARGET}{_TITLE}\s*+\)")
_CODE = re.compile(r"(?<![`\\])(`++)(?!`)((?>[^`\n]|\n(?![ \t]*\n)|(?!\1(?!`))`++){0,2000}+)\1(?!`)")
_KEPT = re.compile(r"\x00(\d+)\x00")
# A mention or a link that is not yet complete could not be recognised; what is longer than this is neither.
_OPEN = re.compile(r"(?:<[^<>\n]{0,300}|!?\[[^\[\]\n]{0,300}(?:\](?:\([^()\n]{0,1000})?)?)$")
DEPTH = 5
"""Links in links in links …: what is nested deeper is shown as it is."""

Change = Callable[[str], str]


def visible(text: str) -> str:
    """Without characters that people do not see and that could mislead them."""
    return _HIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def is_web_url(url: str | None, longest: int) -> TypeGuard[str]:
    """Whether it is an address of the web, of at most `longest` characters, in which no platform reads anything else."""
    if not url or len(url) > longest or not url.isprintable() or re.search(r"[\s<>|\\\"]", url) or _HIDDEN.search(url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def beside_code(text: str, change: Change, change_code: Change = str) -> str:
    """The text with `change` made to all but its inline code, which `change` sees as a number between two NULs.

    The text must be `visible`, and without fenced blocks of code.
    """
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(change_code(match[0]))
        return f"\x00{len(kept) - 1}\x00"

    return _KEPT.sub(lambda match: kept[int(match[1])], change(_CODE.sub(keep, text)))


def show_addresses(text: str, others: Sequence[re.Pattern[str]], show: Change = str) -> str:
    """`[label](address)` becomes `label (address)`, without code.

    :param others: other ways to write a link; their groups are `target`, and `label` if they have one.
    :param show: how the platform writes an address.
    """
    for _ in range(DEPTH):
        before = text
        for link in (_LINK, *others):
            text = link.sub(lambda match: _told(match, show), text)
        if text == before:
            break
    return text


def settled(written: str) -> str:
    """As much of a text that is being written as nothing that follows can turn into something else.

    It ends at a word's end, and before a link or code that is not complete.
    """
    cut = max(written.rfind(" "), written.rfind("\n")) + 1
    head = written[:cut]
    line = head.rfind("\n") + 1
    if head.count("`", line) % 2:
        # In code, links stay as they are; whether it is code, its end will tell.
        head = head[: head.rfind("`")]
    opening = _OPEN.search(head.rstrip(" "))
    # Not the space at its end: a full stop may yet go before it, where the model puts it after a citation.
    return (head[: opening.start()] if opening else head).rstrip()


def _told(match: re.Match[str], show: Change) -> str:
    """A link with its address in sight."""
    groups = match.groupdict()
    target = (groups["target"] or groups.get("angled") or "").removeprefix("mailto:")
    label = (groups.get("label") or "").strip()
    if "`" in label + target or label.startswith("~"):
        # Without its brackets it could begin a block of code.
        return match[0]
    if label.isdigit():
        label = f"[{label}]"
    return " ".join(_distinct(label, target, show, is_bare="label" not in groups))


def _distinct(label: str, target: str, show: Change, *, is_bare: bool) -> Iterator[str]:
    if is_bare or label == target:
        yield show(target)
        return
    if label:
        yield label
    if target:
        yield f"({show(target)})"
