"""Components of messages and modals: what is in them, and what Discord would refuse of them.

After https://docs.discord.com/developers/components/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.fakes.discord.refusals import Problem, too_long

Json = dict[str, Any]

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SELECTS = frozenset({3, 5, 6, 7, 8})
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 9, 10, 11, 12, 13, 14, 17
LABEL, FILE_UPLOAD = 18, 19
V2_TOP = frozenset({ROW, SECTION, TEXT_DISPLAY, GALLERY, FILE, SEPARATOR, CONTAINER})
LINK, PREMIUM = 5, 6
MOST, MOST_TEXT, MOST_ROWS, MOST_IN_ROW, MOST_OPTIONS, MOST_ID = 40, 4_000, 5, 5, 25, 100
MODAL_TITLE, MODAL_PARTS = 45, 5


def walk(components: Sequence[Json]) -> Iterator[Json]:
    """All of them, in the order in which people see them."""
    for component in components:
        yield component
        yield from walk(component.get("components") or ())
        inner = [component[name] for name in ("accessory", "component") if component.get(name)]
        yield from walk(inner)


def find(components: Sequence[Json], custom_id: str = "", label: str = "") -> Json:
    """:raises LookupError: with what there is."""
    present = [one for one in walk(components) if "custom_id" in one]
    for one in present:
        if (custom_id and one["custom_id"] == custom_id) or (label and one.get("label") == label):
            return one
    there = [(one["custom_id"], one.get("label")) for one in present]
    raise LookupError(f"nothing with custom_id {custom_id!r} or label {label!r}; there are {there}")


def words_of(components: Sequence[Json]) -> str:
    """The text that people read; not what is written on buttons."""
    texts = [_words(one) for one in walk(components)]
    return "\n".join(text for text in texts if text)


def _words(component: Json) -> str:
    if component.get("type") == TEXT_DISPLAY:
        return str(component.get("content", ""))
    if component.get("type") == LABEL:
        return "\n".join(str(component[name]) for name in ("label", "description") if component.get(name))
    return str(component.get("label", "")) if component.get("type") == TEXT_INPUT else ""


def numbered(components: Sequence[Json]) -> list[Json]:
    """As Discord gives them back: each with an id."""
    taken = {one["id"] for one in walk(components) if one.get("id")}
    free = (number for number in range(1, 1000) if number not in taken)

    def fill(component: Json) -> Json:
        body = {**component, "id": component.get("id") or next(free)}
        if "components" in body:
            body["components"] = [fill(one) for one in body["components"]]
        return body | {name: fill(body[name]) for name in ("accessory", "component") if body.get(name)}

    return [fill(one) for one in components]


def message_problems(components: Sequence[Json], files: set[str], *, v2: bool) -> list[Problem]:
    """:param files: names of the attachments that are there to be shown."""
    found = list(_v2(components, files) if v2 else _v1(components))
    return found + _ids(components) + list(_each(components, "components"))


def _v1(components: Sequence[Json]) -> Iterator[Problem]:
    if len(components) > MOST_ROWS:
        yield Problem("components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MOST_ROWS} in length.")
    for number, one in enumerate(components):
        if one.get("type") != ROW:
            yield Problem(f"components.{number}.type", "UNION_TYPE_CHOICES", "Value of field must be one of (1,).")


def _v2(components: Sequence[Json], files: set[str]) -> Iterator[Problem]:
    everything = list(walk(components))
    if not components:
        yield Problem("components", "BASE_TYPE_REQUIRED", "This field is required")
    if len(everything) > MOST:
        yield Problem("components", "BASE_TYPE_BAD_LENGTH", f"The total number of components exceeds {MOST}.")
    if sum(len(str(one.get("content", ""))) for one in everything if one.get("type") == TEXT_DISPLAY) > MOST_TEXT:
        yield Problem("components", "COMPONENT_MAX_TOTAL_TEXT", f"The total text exceeds {MOST_TEXT} characters.")
    for number, one in enumerate(components):
        if one.get("type") not in V2_TOP:
            yield Problem(f"components.{number}.type", "UNION_TYPE_CHOICES", f"Not at the top: {one.get('type')}.")
    for one in everything:
        for media in [one.get("file"), one.get("media"), *(item.get("media") for item in one.get("items") or ())]:
            name = str((media or {}).get("url", ""))
            if name.startswith("attachment://") and name.removeprefix("attachment://") not in files:
                yield Problem("components", "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", name)


def _ids(components: Sequence[Json]) -> list[Problem]:
    found = []
    for name, code in (("custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED"), ("id", "COMPONENT_ID_DUPLICATED")):
        present = [one[name] for one in walk(components) if one.get(name) is not None]
        twice = sorted({str(value) for value in present if present.count(value) > 1})
        found += [Problem("components", code, f"Component {name} cannot be duplicated: {value}") for value in twice]
    return found


def _each(components: Sequence[Json], path: str) -> Iterator[Problem]:
    for number, one in enumerate(components):
        here = f"{path}.{number}"
        yield from _one(one, here)
        yield from _each(one.get("components") or (), f"{here}.components")
        for name in ("accessory", "component"):
            if one.get(name):
                yield from _one(one[name], f"{here}.{name}")


def _one(component: Json, path: str) -> Iterator[Problem]:
    kind = component.get("type")
    if "custom_id" in component and not 1 <= len(str(component["custom_id"])) <= MOST_ID:
        yield Problem(f"{path}.custom_id", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MOST_ID} in length.")
    if kind == ROW:
        yield from _row(component, path)
    elif kind == BUTTON:
        yield from _button(component, path)
    elif kind in SELECTS:
        yield from _select(component, path)
    elif kind == SECTION:
        if not 1 <= len(component.get("components") or ()) <= 3 or not component.get("accessory"):
            yield Problem(path, "BASE_TYPE_BAD_LENGTH", "A section has 1 to 3 texts and an accessory.")
    elif kind == TEXT_DISPLAY and not str(component.get("content", "")).strip():
        yield Problem(f"{path}.content", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 4000 in length.")


def _row(row: Json, path: str) -> Iterator[Problem]:
    inner = row.get("components") or []
    kinds = [one.get("type") for one in inner]
    alone = len(inner) == 1 and (kinds[0] in SELECTS or kinds[0] == TEXT_INPUT)
    if not alone and not (1 <= len(inner) <= MOST_IN_ROW and set(kinds) == {BUTTON}):
        yield Problem(f"{path}.components", "BASE_TYPE_BAD_LENGTH", "1 to 5 buttons, or one select or text input.")


def _button(button: Json, path: str) -> Iterator[Problem]:
    if len(button.get("label") or "") > 80:
        yield too_long(f"{path}.label", 80)
    if button.get("style") == LINK:
        if not button.get("url") or "custom_id" in button:
            yield Problem(path, "BUTTON_COMPONENT_INVALID", "A link button has a url and no custom_id.")
        elif not str(button["url"]).startswith(("http://", "https://", "discord://")) or len(button["url"]) > 512:
            yield Problem(f"{path}.url", "URL_TYPE_INVALID_SCHEME", "Scheme must be one of http, https, discord.")
    elif button.get("style") != PREMIUM:
        if not button.get("custom_id"):
            yield Problem(f"{path}.custom_id", "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required")
        if not button.get("label") and not button.get("emoji"):
            yield Problem(path, "BUTTON_COMPONENT_INVALID", "A button has a label or an emoji.")


def _select(select: Json, path: str) -> Iterator[Problem]:
    if not select.get("custom_id"):
        yield Problem(f"{path}.custom_id", "BASE_TYPE_REQUIRED", "This field is required")
    if len(select.get("placeholder") or "") > 150:
        yield too_long(f"{path}.placeholder", 150)
    if select.get("type") != STRING_SELECT:
        return
    options = select.get("options") or []
    if not 1 <= len(options) <= MOST_OPTIONS:
        yield Problem(f"{path}.options", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MOST_OPTIONS} in length.")
    values = [option.get("value") for option in options]
    if len(set(values)) < len(values):
        yield Problem(f"{path}.options", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The values are not unique")
    if not int(select.get("min_values") or 0) <= int(select.get("max_values") or 1) <= max(len(options), 1):
        yield Problem(f"{path}.max_values", "SELECT_COMPONENT_MAX_VALUES_TOO_LARGE", "More than there are options")
    for number, option in enumerate(options):
        for name in ("label", "value", "description"):
            if len(str(option.get(name) or "")) > 100:
                yield too_long(f"{path}.options.{number}.{name}", 100)


def modal_problems(modal: Json) -> list[Problem]:
    components = modal.get("components") or []
    found = list(_each(components, "components")) + _ids(components)
    if not 1 <= len(modal.get("title") or "") <= MODAL_TITLE:
        found.append(Problem("title", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MODAL_TITLE} in length."))
    if not 1 <= len(modal.get("custom_id") or "") <= MOST_ID:
        found.append(Problem("custom_id", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MOST_ID} in length."))
    if not 1 <= len(components) <= MODAL_PARTS:
        found.append(Problem("components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MODAL_PARTS} in length."))
    for number, one in enumerate(components):
        found += _modal_part(one, f"components.{number}")
    return found


def _modal_part(part: Json, path: str) -> Iterator[Problem]:
    if part.get("type") not in (ROW, LABEL, TEXT_DISPLAY):
        yield Problem(f"{path}.type", "UNION_TYPE_CHOICES", "Value of field must be one of (1, 10, 18).")
    if part.get("type") == LABEL:
        if not 1 <= len(part.get("label") or "") <= 45:
            yield Problem(f"{path}.label", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")
        if len(part.get("description") or "") > 100:
            yield too_long(f"{path}.description", 100)
    for one in walk([part]):
        if one.get("type") == BUTTON:
            yield Problem(path, "UNION_TYPE_CHOICES", "No buttons in a modal.")
        if one.get("type") == TEXT_INPUT:
            yield from _text_input(one, path, in_row=part.get("type") == ROW)


def _text_input(one: Json, path: str, *, in_row: bool) -> Iterator[Problem]:
    if in_row and not 1 <= len(one.get("label") or "") <= 45:
        yield Problem(f"{path}.label", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")
    if len(one.get("placeholder") or "") > 100:
        yield too_long(f"{path}.placeholder", 100)
    if len(one.get("value") or "") > int(one.get("max_length") or 4000):
        yield too_long(f"{path}.value", int(one.get("max_length") or 4000))
