"""Removes the tags of static-site generators (Jekyll, Eleventy, Hugo) that readers of the site never see."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_COMMENT_TAG = re.compile(r"\{%-?\s*(end)?comment\s*-?%\}")
_TAG = re.compile(r"\{%-?\s*(\w+)([^%]{0,500})%\}")
_SHORTCODE = re.compile(r"\{\{[<%][^{}]{0,500}[>%]\}\}")
_WORD_ARGUMENT = re.compile(r"""^\s*["']([\w #@-]{1,80})["']\s*-?$""")


def strip_tags(text: str) -> str:
    """Markdown without `{% … %}` and `{{< … >}}` outside of fenced code.

    A tag with one plain word in quotes (`{% channel "help" %}`) leaves that word, because it is what the site shows.
    """
    if "{%" not in text and "{{" not in text:
        return text
    return "".join(part if fenced else _strip(part) for part, fenced in _split_at_fences(text))


def _strip(text: str) -> str:
    return _SHORTCODE.sub("", _TAG.sub(_shown, _without_comments(text)))


def _without_comments(text: str) -> str:
    kept: list[str] = []
    position, hidden_from = 0, -1
    for tag in _COMMENT_TAG.finditer(text):
        if not tag[1] and hidden_from < 0:
            hidden_from = tag.start()
        elif tag[1] and hidden_from >= 0:
            kept.append(text[position:hidden_from])
            position, hidden_from = tag.end(), -1
    return "".join([*kept, text[position:]])


def _shown(match: re.Match[str]) -> str:
    word = _WORD_ARGUMENT.match(match[2])
    return word[1] if word else ""


def _split_at_fences(text: str) -> list[tuple[str, bool]]:
    parts: list[tuple[str, bool]] = []
    lines: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if not fence and mark:
            parts.append(("".join(lines), False))
            lines, fence = [line], mark[1]
        elif fence and mark and mark[1].startswith(fence) and line.strip() == mark[1]:
            parts.append(("".join([*lines, line]), True))
            lines, fence = [], ""
        else:
            lines.append(line)
    parts.append(("".join(lines), bool(fence)))
    return parts
