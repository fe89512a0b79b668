"""What a message would notify people of, given what it says and its allowed_mentions.

https://docs.discord.com/developers/resources/message#allowed-mentions-object: content and the text of components notify;
embeds, buttons, titles and names never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.fakes.discord.components import TEXT_DISPLAY, walk

_USER = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")


class Ping(NamedTuple):
    """`what` as it was written, as in `<@123>` or `@everyone`; of a reply, `reply:<@123>`."""

    route: str
    what: str


def pings_in(sent: Mapping[str, Any], *, replied_to: int | None = None) -> list[str]:
    """Every mention that goes through, in the body of a message or an edit.

    Mentions in code notify nobody at Discord, which is not looked at here: they count. So does @everyone without the
    permission to use it.

    :param replied_to: the author of the message that it replies to.
    """
    allowed = sent.get("allowed_mentions")
    found = [what for text in _texts(sent) for what in _mentions(text) if _is_allowed(what, allowed)]
    pings_author = allowed is None or bool(allowed.get("replied_user"))
    return found + ([f"reply:<@{replied_to}>"] if replied_to is not None and pings_author else [])


def _texts(sent: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(sent.get("content"), str):
        yield sent["content"]
    for component in walk(sent.get("components") or ()):
        if component.get("type") == TEXT_DISPLAY:
            yield str(component.get("content", ""))


def _mentions(text: str) -> list[str]:
    return [match[0] for pattern in (_USER, _ROLE, _EVERYONE) for match in pattern.finditer(text)]


def _is_allowed(what: str, allowed: Mapping[str, Any] | None) -> bool:
    if allowed is None:
        return True
    parse = allowed.get("parse") or ()
    if role := _ROLE.match(what):
        return "roles" in parse or role[1] in map(str, allowed.get("roles") or ())
    if user := _USER.match(what):
        return "users" in parse or user[1] in map(str, allowed.get("users") or ())
    return "everyone" in parse


def users_in(text: str) -> list[int]:
    return list(dict.fromkeys(int(match[1]) for match in _USER.finditer(text)))


def roles_in(text: str) -> list[int]:
    return list(dict.fromkeys(int(match[1]) for match in _ROLE.finditer(text)))


def calls_everyone(text: str) -> bool:
    return _EVERYONE.search(text) is not None
