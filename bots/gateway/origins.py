"""Who brings a document, as its history tells it."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import Headers

from bots.gateway.access import caller_of, is_own
from bots.gateway.agreed import PERSON_HEADER, person_in
from bots.gateway.parts import keyring_of
from core.types import Origin

API, COMMAND_LINE, WEB = "api", "command line", "web"


async def origin_of(request: Request) -> Origin:
    """With the name of the key, never the key itself. Raises `StorageFailed`."""
    caller = caller_of(request)
    if caller.is_owner:
        return Origin(COMMAND_LINE, person_in(request.headers.get(PERSON_HEADER, "")))
    person = (await keyring_of(request).present()).name_of(caller.key) if caller.key else ""
    return Origin(WEB if is_of_our_page(request.headers) else API, person)


def is_of_our_page(headers: Headers) -> bool:
    """Whether the gateway's own page sent the request: browsers say so, and programs have no reason to."""
    return headers.get("sec-fetch-site") == "same-origin" or is_own(headers.get("origin", ""), headers)
