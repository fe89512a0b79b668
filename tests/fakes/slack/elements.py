"""Checks the elements inside blocks (https://docs.slack.dev/reference/block-kit/block-elements)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_SELECTS = frozenset(
    f"{many}{kind}_select"
    for many in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
)
_PICKERS = frozenset({"datepicker", "datetimepicker", "timepicker", "checkboxes", "radio_buttons"})
ACTIONS = _SELECTS | _PICKERS | {"button", "overflow", "workflow_button", "rich_text_input"}
ACCESSORIES = ACTIONS - {"rich_text_input"} | {"image"}
CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})
INPUTS = (
    _SELECTS
    | _PICKERS
    | {"plain_text_input", "email_text_input", "url_text_input", "number_input", "file_input", "rich_text_input"}
)


def is_unsafe_url(url: Any) -> bool:
    return not isinstance(url, str) or not url.startswith(("http://", "https://", "mailto:", "slack://"))


def element_problems(element: Any, kinds: frozenset[str]) -> Iterator[str]:
    if not isinstance(element, Mapping):
        yield "must be an object"
        return
    kind = element.get("type")
    if kind not in kinds:
        yield f"unsupported element here: {kind}"
        return
    if len(str(element.get("action_id", ""))) > 255:
        yield "action_id: at most 255 characters"
    if "confirm" in element:
        yield from _confirm(element["confirm"])
    yield from _own(kind, element)


def _own(kind: str, element: Mapping[str, Any]) -> Iterator[str]:
    if kind in _OWN:
        yield from _OWN[kind](element)
    elif kind in ("static_select", "multi_static_select", "overflow", "checkboxes", "radio_buttons"):
        yield from _options(kind, element)
    elif kind in ("plain_text_input", "number_input"):
        yield from _input(kind, element)
    if "placeholder" in element:
        yield from (f"placeholder: {problem}" for problem in _plain(element["placeholder"], 150))


def _feedback(element: Mapping[str, Any]) -> Iterator[str]:
    for name in ("positive_button", "negative_button"):
        yield from (f"{name}: {problem}" for problem in _button(element.get(name), value_needed=True))


def _icon(element: Mapping[str, Any]) -> Iterator[str]:
    if not element.get("icon"):
        yield "icon is required"
    yield from _plain(element.get("text"), 75)


def _image(element: Mapping[str, Any]) -> Iterator[str]:
    if not element.get("alt_text"):
        yield "alt_text is required"


def _button(button: Any, *, value_needed: bool = False) -> Iterator[str]:
    if not isinstance(button, Mapping):
        yield "is required"
        return
    yield from _plain(button.get("text"), 75)
    if len(button.get("value", "")) > 2000:
        yield f"value: at most 2000 characters, is {len(button['value'])}"
    if value_needed and not button.get("value"):
        yield "value is required"
    if "url" in button and (is_unsafe_url(button["url"]) or len(button["url"]) > 3000):
        yield "url: a link of at most 3000 characters"
    if button.get("style", "primary") not in ("primary", "danger"):
        yield f"style: {button['style']!r}"
    if len(button.get("accessibility_label", "")) > 75:
        yield "accessibility_label: at most 75 characters"


def _plain(value: Any, limit: int) -> Iterator[str]:
    if not isinstance(value, Mapping) or value.get("type") != "plain_text":
        yield "text must be plain_text"
    elif not 1 <= len(str(value.get("text", ""))) <= limit:
        yield f"text: 1 to {limit} characters, is {len(str(value.get('text', '')))}"


def _confirm(confirm: Any) -> Iterator[str]:
    for name, limit in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        text = confirm.get(name, {}).get("text", "") if isinstance(confirm, Mapping) else ""
        if not 1 <= len(text) <= limit:
            yield f"confirm/{name}: 1 to {limit} characters"


def _options(kind: str, element: Mapping[str, Any]) -> Iterator[str]:
    most = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}.get(kind, 100)
    groups = element.get("option_groups")
    options = [option for group in groups for option in group.get("options", ())] if groups else element.get("options")
    if not isinstance(options, list) or not options:
        yield "options: at least 1"
        return
    if len(groups or options) > most:
        yield f"options: at most {most}, are {len(groups or options)}"
    for option in options:
        text = option.get("text", {}).get("text", "")
        if not 1 <= len(text) <= 75 and kind != "checkboxes":
            yield f"options/text: 1 to 75 characters, is {len(text)}"
        if not 1 <= len(str(option.get("value", ""))) <= 150:
            yield "options/value: 1 to 150 characters"
    values = [option.get("value") for option in options]
    if len(values) != len(set(values)):
        yield "options/value must be unique"
    initial = element.get("initial_option")
    if initial is not None and initial.get("value") not in values:
        yield "initial_option must be one of the options"


def _input(kind: str, element: Mapping[str, Any]) -> Iterator[str]:
    if kind == "number_input" and "is_decimal_allowed" not in element:
        yield "is_decimal_allowed is required"
    if kind == "plain_text_input":
        if not 0 <= int(element.get("min_length", 0)) <= 3000:
            yield "min_length: 0 to 3000"
        if not 1 <= int(element.get("max_length", 3000)) <= 3000:
            yield "max_length: 1 to 3000"
        if len(element.get("initial_value", "")) > int(element.get("max_length", 3000)):
            yield "initial_value: longer than max_length"


def _files(element: Mapping[str, Any]) -> Iterator[str]:
    if not 1 <= int(element.get("max_files", 10)) <= 10:
        yield "max_files: 1 to 10"
    if any(not isinstance(each, str) or not each for each in element.get("filetypes", ["any"])):
        yield "filetypes: extensions"


_OWN: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "button": _button,
    "feedback_buttons": _feedback,
    "file_input": _files,
    "icon_button": _icon,
    "image": _image,
}
