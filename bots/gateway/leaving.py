"""Clients that leave before their answer."""

from __future__ import annotations

from fastapi import Request

# Not in the standard; nginx's word for it. Nobody reads it but a log in between.
CLIENT_LEFT = 499


async def disconnected(request: Request) -> None:
    """Returns when the client has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
