"""The pages: the web chat, the chat in a frame of another site, and the script that puts it there."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from bots.gateway.headers import content_security_policy
from bots.gateway.parts import keyring_of
from core.access import ApiKey, Permission

STATIC = Path(__file__).parent / "static"
HTML = "text/html"
JAVASCRIPT = "text/javascript"
# Everybody who opens the page has its key, so it must not open more than this.
PUBLIC = frozenset({Permission.ASK, Permission.READ})
# Pages that isolate themselves show only frames that agree to it.
IN_FRAMES = {"Cross-Origin-Resource-Policy": "cross-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
router = APIRouter(include_in_schema=False)


@router.get("/")
async def web_chat() -> FileResponse:
    return FileResponse(STATIC / "index.html", media_type=HTML)


@router.get("/embed")
async def embedded(request: Request, key: str = "") -> FileResponse:
    """The chat for pages of the key's origins and no others."""
    found = (await keyring_of(request).present(key)).valid(key)
    if found is None or not may_be_public(found):
        headers = {"Content-Security-Policy": content_security_policy()}
        return FileResponse(STATIC / "refused.html", HTTPStatus.FORBIDDEN, headers, HTML)
    headers = {"Content-Security-Policy": content_security_policy(found.origins), **IN_FRAMES}
    return FileResponse(STATIC / "embed.html", headers=headers, media_type=HTML)


@router.get("/widget.js")
async def widget() -> FileResponse:
    """The one script that pages of other sites load."""
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-cache"}
    return FileResponse(STATIC / "widget.js", headers=headers, media_type=JAVASCRIPT)


def may_be_public(key: ApiKey) -> bool:
    """Whether the key is one to stand in a web page: for one namespace, bound to pages, and unable to change anything."""
    is_bound = len(key.namespaces) == 1 and bool(key.origins)
    return is_bound and Permission.ASK in key.permissions and key.permissions <= PUBLIC
