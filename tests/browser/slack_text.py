"""Text as Slack shows it, as HTML: mrkdwn, Markdown and plain text. Pure; what it cannot draw is an error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from html import escape, unescape
from itertools import groupby

from markdown_it import MarkdownIt

Names = Mapping[str, str]
"""What people are called, by id."""

_BREAK = "\u200b"
_PARTS = re.compile(r"(?P<code>`[^`\n]+`)|<(?P<angled>[^<>\n]*)>")
_EMOJI_NAME = re.compile(r":[a-z][\w+'-]*:")
_SPACE = rf"\s{_BREAK}"
_STYLES = {
    tag: re.compile(rf"(?<!\w){mark}(?![{_SPACE}])([^{mark}\n]+?)(?<![{_SPACE}]){mark}(?!\w)")
    for mark, tag in ((r"\*", "b"), ("_", "i"), ("~", "s"))
}
# Drawn, since a machine that has no font for them would leave them out.
_EMOJI = {
    "✅": '<rect x="1" y="1" width="18" height="18" rx="4" fill="#2eb67d"/>'
    '<path d="M5 10.5l3.4 3.5L15 6.5" stroke="#fff" stroke-width="2.4" fill="none"/>',
    "⚠️": '<path d="M10 1.5L19.3 18H.7z" fill="#ecb22e"/><path d="M10 7v5.5M10 14.3v2" stroke="#1d1c1d" stroke-width="2"/>',
    "📥": '<path d="M2 11v7h16v-7M10 2v10M6 8.5l4 4 4-4" stroke="#1264a3" stroke-width="2.2" fill="none"/>',
    "📖": '<path d="M10 4C7 2 4 2 1 3v13c3-1 6-1 9 1 3-2 6-2 9-1V3c-3-1-6-1-9 1zm0 0v13" stroke="#1264a3" '
    'stroke-width="1.8" fill="#e8f5fa"/>',
    "▫️": '<rect x="6" y="6" width="8" height="8" fill="#fff" stroke="#868686" stroke-width="1.6"/>',
}
_DRAWN = re.compile("|".join(_EMOJI))
_PICTOGRAM = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]")


class UnknownPart(ValueError):
    """Something that would be missing in the picture."""


def plain(text: str) -> str:
    """Text in which nothing is interpreted."""
    return _drawn(escape(text)).replace("\n", "<br>")


def mrkdwn(text: str) -> str:
    """Slack's own markup, see https://docs.slack.dev/messaging/formatting-message-text. Raises `UnknownPart`."""
    return "".join(_lines(text.split("\n")))


def markdown(text: str) -> str:
    """What `markdown` blocks and streams hold. Raises `UnknownPart`."""
    return _drawn(_parser().render(text))


def mention(user: str, names: Names) -> str:
    if user not in names:
        raise UnknownPart(f"nobody is called {user}")
    return f'<span class="mention">@{escape(names[user])}</span>'


def link(url: str, label: str) -> str:
    return f'<a href="{escape(url)}">{plain(label)}</a>'


@cache
def _parser() -> MarkdownIt:
    # Slack shows the end of a line as one.
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


def _lines(lines: Iterable[str]) -> Iterator[str]:
    for is_quote, group in groupby(lines, lambda line: line.startswith((">", "&gt;"))):
        if is_quote:
            quoted = (line.removeprefix("&gt;").removeprefix(">").lstrip() for line in group)
            yield f"<blockquote>{'<br>'.join(map(_inline, quoted))}</blockquote>"
        else:
            yield f"<div>{'<br>'.join(map(_inline, group))}</div>"


def _inline(line: str) -> str:
    """One line. Links, mentions and code stand for themselves; the rest has styles."""
    done, at = "", 0
    for match in _PARTS.finditer(line):
        done += _styled(line[at : match.start()])
        done += _code(match["code"]) if match["code"] else _angled(match["angled"])
        at = match.end()
    return done + _styled(line[at:])


def _code(marked: str) -> str:
    return f"<code>{escape(unescape(marked[1:-1]))}</code>"


def _angled(inside: str) -> str:
    target, _, label = inside.partition("|")
    if not target.startswith(("http://", "https://")):
        raise UnknownPart(f"<{inside}>")
    return link(unescape(target), unescape(label or target))


def _styled(text: str) -> str:
    if name := _EMOJI_NAME.search(text):
        raise UnknownPart(f"no picture for {name[0]}")
    shown = escape(unescape(text), quote=False)
    for tag, style in _STYLES.items():
        shown = style.sub(rf"<{tag}>\1</{tag}>", shown)
    return _drawn(shown)


def _drawn(html: str) -> str:
    """With pictures for emoji."""
    shown = _DRAWN.sub(lambda match: f'<svg class="emoji" viewBox="0 0 20 20">{_EMOJI[match[0]]}</svg>', html)
    if strange := _PICTOGRAM.search(shown):
        raise UnknownPart(f"no picture for {strange[0]!r}")
    return shown
