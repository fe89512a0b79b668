"""Block Kit as HTML, as Slack shows it (https://docs.slack.dev/reference/block-kit). Pure.

Every field of a block is either drawn or known to be invisible; all others are errors, so no picture lacks anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from tests.browser.slack_text import Names, UnknownPart, link, markdown, mention, mrkdwn, plain

Json = Mapping[str, Any]
_THUMB = "M2.5 9h3.2v8H2.5zM5.7 9.6 9.2 3c1.6-.3 2.5.8 2.2 2.4L10.8 8h4.9c1.2 0 1.9 1 1.6 2.1l-1.5 5.5c-.2.9-.9 1.4-1.8 1.4H5.7"
_DOWN = ' transform="rotate(180 10 10)"'
_STYLE_TAGS = {"bold": "b", "italic": "i", "strike": "s", "code": "code"}
# What tells the bot which block was used: nobody sees it.
_UNSEEN = frozenset({"type", "block_id", "action_id", "value"})


def blocks_html(blocks: Sequence[Json], names: Names) -> str:
    """All blocks, one below the other. Raises `UnknownPart`."""
    return "".join(f'<div class="block {block["type"]}">{_drawn(_BLOCKS, block, names)}</div>' for block in blocks)


def text_html(value: Json) -> str:
    """A text object. Raises `UnknownPart`."""
    check(value, "text", "emoji", "verbatim")
    if value["type"] not in {"plain_text", "mrkdwn"}:
        raise UnknownPart(f"text of the type {value['type']}")
    return plain(value["text"]) if value["type"] == "plain_text" else mrkdwn(value["text"])


def button(label: str, style: str = "") -> str:
    return f'<span class="button {escape(style)}">{label}</span>'


def check(value: Json, *known: str) -> None:
    """Raises `UnknownPart` for a field that is neither among these nor invisible."""
    if strange := set(value) - _UNSEEN - set(known):
        raise UnknownPart(f"{value.get('type', 'an object')} with {', '.join(sorted(strange))}")


def _drawn(kinds: Mapping[str, Callable[[Json, Names], str]], value: Json, names: Names) -> str:
    kind = str(value.get("type"))
    if kind not in kinds:
        raise UnknownPart(f"no picture for the type {kind}")
    return kinds[kind](value, names)


# Blocks


def _markdown(block: Json, _names: Names) -> str:
    check(block, "text")
    return markdown(block["text"])


def _section(block: Json, names: Names) -> str:
    check(block, "text", "accessory")
    accessory = _drawn(_ELEMENTS, block["accessory"], names) if "accessory" in block else ""
    return f'<div class="words">{text_html(block["text"])}</div>{accessory}'


def _header(block: Json, _names: Names) -> str:
    check(block, "text")
    return text_html(block["text"])


def _context(block: Json, _names: Names) -> str:
    check(block, "elements")
    return "".join(f"<div>{text_html(element)}</div>" for element in block["elements"])


def _actions(block: Json, names: Names) -> str:
    check(block, "elements")
    return "".join(_drawn(_ELEMENTS, element, names) for element in block["elements"])


def _divider(block: Json, _names: Names) -> str:
    check(block)
    return "<hr>"


def _input(block: Json, names: Names) -> str:
    check(block, "label", "element", "optional")
    optional = ' <span class="small">(optional)</span>' if block.get("optional") else ""
    return f'<div class="label">{text_html(block["label"])}{optional}</div>{_drawn(_INPUTS, block["element"], names)}'


def _rich_text(block: Json, names: Names) -> str:
    check(block, "elements")
    return "".join(_rich_section(part, names) for part in block["elements"])


def _rich_section(part: Json, names: Names) -> str:
    check(part, "elements")
    if part["type"] != "rich_text_section":
        raise UnknownPart(f"no picture for the type {part['type']}")
    return f"<div>{''.join(_drawn(_RICH, each, names) for each in part['elements'])}</div>"


_BLOCKS: Mapping[str, Callable[[Json, Names], str]] = {
    "actions": _actions,
    "context": _context,
    "context_actions": _actions,
    "divider": _divider,
    "header": _header,
    "input": _input,
    "markdown": _markdown,
    "rich_text": _rich_text,
    "section": _section,
}


# What they hold


def _rich_words(element: Json, _names: Names) -> str:
    check(element, "text", "style")
    shown = plain(element["text"])
    for name, is_on in element.get("style", {}).items():
        if name not in _STYLE_TAGS:
            raise UnknownPart(f"a style {name}")
        shown = f"<{_STYLE_TAGS[name]}>{shown}</{_STYLE_TAGS[name]}>" if is_on else shown
    return shown


def _rich_user(element: Json, names: Names) -> str:
    check(element, "user_id")
    return mention(element["user_id"], names)


def _rich_link(element: Json, _names: Names) -> str:
    check(element, "url", "text")
    return link(element["url"], element.get("text") or element["url"])


def _button(element: Json, _names: Names) -> str:
    check(element, "text", "style")
    return button(text_html(element["text"]), element.get("style", ""))


def _thumbs(element: Json, _names: Names) -> str:
    check(element, "positive_button", "negative_button")
    return _thumb(element["positive_button"], "") + _thumb(element["negative_button"], _DOWN)


def _thumb(half: Json, turned: str) -> str:
    """Slack shows only the thumb, and its words to who points at it."""
    check(half, "text", "accessibility_label")
    title, label = escape(half["text"]["text"]), escape(half["accessibility_label"])
    return (
        f'<span class="thumb" title="{title}" aria-label="{label}"><svg viewBox="0 0 20 20">'
        f'<path d="{_THUMB}"{turned}/></svg></span>'
    )


def _select(element: Json, _names: Names) -> str:
    check(element, "options", "initial_option")
    chosen = element.get("initial_option")
    shown = text_html(chosen["text"]) if chosen else "Select an item"
    return f'<div class="field select">{shown}<span class="small">▾</span></div>'


def _text_input(element: Json, _names: Names) -> str:
    check(element, "multiline", "max_length")
    return f'<div class="field {"tall" if element.get("multiline") else ""}">&nbsp;</div>'


def _file_input(element: Json, _names: Names) -> str:
    check(element, "max_files")
    return '<div class="field drop"><b>Drag and drop files here</b>or choose them on this computer</div>'


def _radio(element: Json, _names: Names) -> str:
    check(element, "options")
    return "".join(f'<div class="radio"><i></i>{text_html(each["text"])}</div>' for each in element["options"])


_RICH: Mapping[str, Callable[[Json, Names], str]] = {"text": _rich_words, "user": _rich_user, "link": _rich_link}
_ELEMENTS: Mapping[str, Callable[[Json, Names], str]] = {"button": _button, "feedback_buttons": _thumbs}
_INPUTS: Mapping[str, Callable[[Json, Names], str]] = {
    "file_input": _file_input,
    "plain_text_input": _text_input,
    "radio_buttons": _radio,
    "static_select": _select,
}
