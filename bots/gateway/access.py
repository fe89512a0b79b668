"""The owner's token: it proves that a request comes from this user's own command line."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException


def is_owner(request: Request) -> bool:
    """Whether the request brings the token that stands, readable by this user only, in the data folder."""
    token: str = request.app.state.owner_token
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


def require_owner(request: Request) -> None:
    """A dependency for routes that reach into this machine's file system."""
    if not is_owner(request):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "Only the lorekeeper command of the user who runs this server may do that."
        )
