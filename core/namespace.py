"""What a namespace may be called. Pure."""

from __future__ import annotations

import re

from core.errors import InvalidRequest

NAMESPACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def check_namespace(name: str) -> str:
    """The name itself. Raises `InvalidRequest` for one that could not be used in an address."""
    if re.fullmatch(NAMESPACE_PATTERN, name) is None:
        raise InvalidRequest(
            "A namespace's name is made of 1 to 64 letters, digits, dots, underscores and hyphens, and begins with a "
            f"letter or a digit; {name[:80]!r} is not."
        )
    return name
