"""Installing the bot in a workspace by OAuth, for several workspaces: the two pages, and the exchange of tokens.

Only workspaces that the settings name may install it: whoever has the bot can ask for documents.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import structlog
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.slack.calls import Calls
from bots.slack.manifest import REDIRECT_PATH, SCOPES
from core.errors import LorekeeperError
from core.log import reference
from core.store.installations import Installation, Installations

AUTHORIZE_URL = "https://slack.com/oauth/v2/authorize"
COOKIE = "lorekeeper_slack_install"
COOKIE_SECONDS = 600
EXCHANGE_SECONDS = 20.0
# Slack's tokens that rotate live for twelve hours: https://docs.slack.dev/authentication/using-token-rotation
RENEW_BEFORE_SECONDS = 2 * 3600.0
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
}
log = structlog.get_logger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """What Slack knows the app by."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Client(id={self.id!r})"


class Exchange:
    """Codes and refresh tokens to tokens."""

    def __init__(self, client: AsyncWebClient, app: Client) -> None:
        self._client = client
        self._calls = Calls(client, "")
        self._app = app

    async def code(self, code: str, redirect_uri: str) -> Installation:
        """Raises `Refused`, `Unknown`, `bots.chat.desk.Retry`."""
        return await self._exchange(code=code, redirect_uri=redirect_uri)

    async def refresh(self, installation: Installation) -> Installation:
        """The workspace with its next token. Raises as `code` does."""
        refresh_token = installation.details["refresh_token"]
        return await self._exchange(grant_type="refresh_token", refresh_token=refresh_token)

    async def revoke(self, installation: Installation) -> None:
        """Give a token back."""
        with suppress(Refused, Unknown, Retry):
            await Calls(self._client, installation.details["token"]).call("auth.revoke", patience=EXCHANGE_SECONDS)

    async def _exchange(self, **arguments: Any) -> Installation:
        given = {"client_id": self._app.id, "client_secret": self._app.secret, **arguments}
        access = await self._calls.call("oauth.v2.access", patience=EXCHANGE_SECONDS, **given)
        details: Json = {"token": access["access_token"], "scopes": access.get("scope", "")}
        if access.get("refresh_token"):
            details |= {
                "refresh_token": access["refresh_token"],
                "expires_at": time.time() + float(access["expires_in"]),
            }
        return Installation(str(access["team"]["id"]), details)


def is_due(installation: Installation, now: float) -> bool:
    """Whether its token should be exchanged for the next. `now`: seconds since the epoch."""
    expires_at = installation.details.get("expires_at")
    return expires_at is not None and now > float(expires_at) - RENEW_BEFORE_SECONDS


class InstallPage:
    """Sends a person to Slack, with a secret in a cookie by which they are known when they come back."""

    def __init__(self, client_id: str, public_url: str) -> None:
        self._client_id = client_id
        self._public_url = public_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = secrets.token_urlsafe(32)
        asked = {
            "client_id": self._client_id,
            "scope": ",".join(SCOPES),
            "redirect_uri": f"{self._public_url}{REDIRECT_PATH}",
            "state": state,
        }
        response = RedirectResponse(f"{AUTHORIZE_URL}?{urlencode(asked)}", 302, HEADERS)
        response.set_cookie(
            COOKIE,
            state,
            max_age=COOKIE_SECONDS,
            path="/slack/",
            secure=self._public_url.startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        await response(scope, receive, send)


class RedirectPage:
    """Where Slack sends the person back: exchanges the code, and keeps the installation."""

    def __init__(
        self,
        public_url: str,
        allowed: Collection[str],
        installations: Installations,
        exchange: Callable[[], Exchange | None],
        installed: Callable[[Installation], Awaitable[None]],
    ) -> None:
        self._redirect_uri = f"{public_url.rstrip('/')}{REDIRECT_PATH}"
        self._allowed = frozenset(allowed)
        self._installations = installations
        self._exchange = exchange
        self._installed = installed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        response.delete_cookie(COOKIE, path="/slack/")
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        state, kept = request.query_params.get("state", ""), request.cookies.get(COOKIE, "")
        if not kept or not hmac.compare_digest(state.encode(), kept.encode()):
            return _page(400, "This page was not reached from here, or too late. Please begin again at /slack/install.")
        code = request.query_params.get("code", "")
        if not code:
            return _page(400, "Lorekeeper was not installed: Slack says that it was not allowed.")
        exchange = self._exchange()
        if exchange is None:
            return _page(503, "Slack is not connected yet. Please try again in a moment.")
        try:
            return await self._install(await exchange.code(code, self._redirect_uri))
        except Refused as refused:
            return _page(
                400, f"Slack did not install Lorekeeper ({refused.error}). Please begin again at /slack/install."
            )
        except (Unknown, Retry, LorekeeperError) as error:
            ref = reference()
            log.warning("an installation failed", reference=ref, cause=str(error))
            return _page(503, f"That did not work. Please begin again at /slack/install. (reference {ref})")

    async def _install(self, installation: Installation) -> Response:
        if installation.team not in self._allowed:
            log.warning("a workspace that is not named in the settings wanted to install", team=installation.team)
            exchange = self._exchange()
            if exchange is not None:
                await exchange.revoke(installation)
            return _page(
                403,
                f"This Lorekeeper does not serve your workspace. Its operator can add {installation.team} "
                "to slack.workspaces; then install it again.",
            )
        await asyncio.to_thread(self._installations.put, installation)
        await self._installed(installation)
        log.info("slack is installed", team=installation.team)
        return _page(200, "Lorekeeper is installed. Invite it to a channel in Slack, or send it a direct message.")


def _page(status: int, text: str) -> Response:
    body = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Lorekeeper</title><p>{html.escape(text)}</p></html>'
    return HTMLResponse(body, status, HEADERS)
