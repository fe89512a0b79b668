"""The parts that messages of Discord are made of, and their limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bots.discord.text import escaped, plain

Json = dict[str, Any]

# https://docs.discord.com/developers/resources/message and …/components/reference, in characters and pieces.
ROWS, IN_ROW = 5, 5
CUSTOM_ID = 100
BUTTON_LABEL = 80
MODAL_TITLE = 45
LABEL = 45
TEXT_INPUT = 4000

ACTION_ROW, BUTTON, STRING_SELECT, TEXT_FIELD, LABELLED = 1, 2, 3, 4, 18
PRIMARY, SECONDARY, DANGER = 1, 2, 4

# What buttons and dialogs are called in the interactions that they make.
PASSAGE, UP, DOWN, RETRY, SHARE = "passage", "up", "down", "retry", "share"
REASON = "reason"
RUN, CONFIRM = "run", "confirm"
"""`run` says a command, and `confirm` what is confirmed."""
_NAMES = frozenset({PASSAGE, UP, DOWN, RETRY, SHARE, REASON, RUN, CONFIRM})
_CUSTOM_ID = re.compile(r"lore:([a-z]+)(?:\.\d+)?:(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message, as the REST API takes it."""

    content: str
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    """Rows of buttons."""


def custom_id(name: str, value: str, nth: int = 1) -> str | None:
    """What a button is called; None for a value that is too long. `nth` tells those apart that do the same."""
    made = f"lore:{name}:{value}" if nth == 1 else f"lore:{name}.{nth}:{value}"
    return made if len(made) <= CUSTOM_ID else None


def parse_custom_id(text: str) -> tuple[str, str] | None:
    """The name and the value; None for what is not ours."""
    match = _CUSTOM_ID.fullmatch(text)
    return (match[1], match[2]) if match and match[1] in _NAMES else None


def button(label: str, name: str, value: str, *, style: int = SECONDARY, emoji: str = "") -> Json | None:
    """None where what it does is too long to be kept in it."""
    identity = custom_id(name, value)
    if identity is None:
        return None
    made: Json = {"type": BUTTON, "style": style, "label": clipped(label, BUTTON_LABEL), "custom_id": identity}
    return {**made, "emoji": {"name": emoji}} if emoji else made


def rows(*groups: Sequence[Json | None]) -> tuple[Json, ...]:
    """Buttons in rows; each group begins a row. What does not fit falls away, from the end of the first groups."""
    unique = _unique()
    wanted = [[made for each in group if each is not None and (made := unique(each))] for group in groups]
    shown: list[list[Json]] = []
    for index, group in enumerate(wanted):
        later = sum(-(-len(each) // IN_ROW) for each in wanted[index + 1 :])
        lines = [group[at : at + IN_ROW] for at in range(0, len(group), IN_ROW)]
        shown += lines[: max(0, ROWS - len(shown) - later)]
    return tuple({"type": ACTION_ROW, "components": line} for line in shown)


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters."""
    text = text.strip()
    return text if len(text) <= limit else f"{text[: max(0, limit - 1)].rstrip()}…"


def plain_within(text: str, limit: int) -> str:
    """Words of strangers as they are, on one line of at most `limit` characters."""
    return within(" ".join(text.split()), limit, plain)


def escaped_within(text: str, limit: int) -> str:
    """Text of strangers as it is, of at most `limit` characters."""
    return within(text, limit, escaped)


def within(text: str, limit: int, make: Callable[[str], str]) -> str:
    """What is made of as much of the text as fits, where making can lengthen it."""
    length = limit
    while len(made := make(clipped(text, length))) > limit:
        length = min(length - 1, min(length, len(text)) * limit // len(made))
    return made


def filled(lines: Iterable[str], count: int, limit: int, separator: str = "\n") -> str:
    """As many of the `count` lines as fit, and how many more there are. Lines that do not fit are not made."""
    # So far, and as many of the lines as leave room for saying that there are more.
    text, fits = "", (0, "")
    for shown, line in enumerate(lines, start=1):
        longer = f"{text}{separator}{line}" if text else line
        if len(longer) > limit:
            return separator.join(filter(None, [fits[1], f"… and {count - fits[0]} more"]))
        if len(longer) + len(f"{separator}… and {count} more") <= limit:
            fits = (shown, longer)
        text = longer
    return text


def _unique() -> Callable[[Json], Json | None]:
    """Discord refuses a message in which two buttons have the same name."""
    seen: dict[str, int] = {}

    def renamed(made: Json) -> Json | None:
        identity = str(made["custom_id"])
        seen[identity] = seen.get(identity, 0) + 1
        name, value = parse_custom_id(identity) or ("", "")
        unlike = custom_id(name, value, seen[identity])
        return {**made, "custom_id": unlike} if unlike else None

    return renamed
