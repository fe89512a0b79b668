"""Lists page by page, as https://docs.slack.dev/apis/web-api/pagination has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tests.fakes.slack.refusals import Refused

# Without a `limit`, and the largest that may be asked for.
USUAL = 100
MOST = 1000
T = TypeVar("T")


def page(
    items: Sequence[T], arguments: Mapping[str, Any], *, key: Callable[[T], str], largest: int, usual: int = USUAL
) -> tuple[list[T], str]:
    """The items from `cursor` on, and the next cursor, empty at the end.

    A cursor names the item that comes next by its `key`, so what is added in between shifts no page.

    :raises Refused: invalid_limit, invalid_cursor.
    """
    start = _start([key(item) for item in items], str(arguments.get("cursor") or ""))
    end = start + min(_limit(arguments, usual), largest)
    return list(items[start:end]), _cursor(key(items[end])) if end < len(items) else ""


def next_cursor(cursor: str) -> dict[str, Any]:
    return {"response_metadata": {"next_cursor": cursor}}


def _limit(arguments: Mapping[str, Any], usual: int) -> int:
    asked = str(arguments.get("limit") or usual)
    if not asked.isdecimal() or not 1 <= int(asked) <= MOST:
        raise Refused("invalid_limit", asked)
    return int(asked)


def _cursor(key: str) -> str:
    return base64.b64encode(f"next:{key}".encode()).decode()


def _start(keys: list[str], cursor: str) -> int:
    if not cursor:
        return 0
    try:
        key = base64.b64decode(cursor, validate=True).decode().removeprefix("next:")
        return keys.index(key)
    except (binascii.Error, ValueError) as unknown:
        raise Refused("invalid_cursor", cursor) from unknown
