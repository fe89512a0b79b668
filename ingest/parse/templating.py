"""Removes the tags of static-site generators (Jekyll, Eleventy, Hugo) that readers of the site never see."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_COMMENT_TAG = re.compile(r"\{%-?\s*(end)?comment\s*-?%\}")
_TAG = re.compile(r"\{%-?\s*(\w{1,40}+)([^%]{0,500}+)%\}")
_SHORTCODE = re.compile(r"\{\{[<%][^{}]{0,500}[>%]\}\}")
_OUTPUT = re.compile(r"""\{\{-?\s*["']([^"'{}]{0,500}|\{%[^"'{}]{0,500}%\})["']\s*-?\}\}""")
"""A text in quotes that is put out, which is how documentation shows a tag."""
_RAW_TAG = re.compile(r"\{%-?\s*(end)?raw\s*-?%\}")
_WORD_ARGUMENT = re.compile(r"""^\s*["']([\w #@-]{1,80})["']\s*-?$""")


def strip_tags(text: str) -> str:
    """Markdown without `{% … %}` and `{{< … >}}` outside of fenced code; what is marked as raw stays.

    A tag with one plain word in quotes (`{% channel "help" %}`) leaves that word, because it is what the site shows.
    """
    if "{%" not in text and "{{" not in text:
        return text
    return "".join(_RAW_TAG.sub("", part) if fenced else _strip(part) for part, fenced in _split_at_fences(text))


def _strip(text: str) -> str:
    shown = "".join(part for part, is_comment in _split_at_tags(text, _COMMENT_TAG) if not is_comment)
    return "".join(part if is_raw else _without_tags(part) for part, is_raw in _split_at_tags(shown, _RAW_TAG))


def _without_tags(text: str) -> str:
    # Splitting by a pattern with one group gives the pieces around the matches, and the groups between them.
    pieces = _OUTPUT.split(text)
    return "".join(
        piece if index % 2 else _SHORTCODE.sub("", _TAG.sub(_shown, piece)) for index, piece in enumerate(pieces)
    )


def _split_at_tags(text: str, tags: re.Pattern[str]) -> list[tuple[str, bool]]:
    """The pieces of `text`, with whether each stood between a tag and its end; a tag without an end counts as text."""
    pieces: list[tuple[str, bool]] = []
    position, inside_from, opened_at = 0, -1, -1
    for tag in tags.finditer(text):
        if not tag[1] and inside_from < 0:
            opened_at, inside_from = tag.start(), tag.end()
        elif tag[1] and inside_from >= 0:
            pieces += [(text[position:opened_at], False), (text[inside_from : tag.start()], True)]
            position, inside_from = tag.end(), -1
    return [*pieces, (text[position:], False)]


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
