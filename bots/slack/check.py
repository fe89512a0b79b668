"""`lorekeeper doctor` asks Slack whether the tokens are right, what is granted, and how events come in."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from bots.slack.manifest import SCOPES, events_url
from core.errors import MissingExtra
from core.health import Check, State
from core.settings import Settings
from core.settings_channels import Slack

# Not "slack" alone: a running channel reports itself by that name.
BOT, SCOPES_NAME, EVENTS_NAME, TOKENS = "slack bot", "slack scopes", "slack events", "slack tokens"
PACKAGES = {"slack_bolt": "slack-bolt", "slack_sdk": "slack-sdk", "aiohttp": "aiohttp"}
CALL_SECONDS = 5.0
# Without it, nothing at all can be answered; without the others, something.
ESSENTIAL = "chat:write"
INSTALL = 'Copy the bot user OAuth token, which begins with xoxb-, from "Install App" of the app to SLACK_BOT_TOKEN.'
REINSTALL = 'Install the app again on "Install App", and set SLACK_BOT_TOKEN to the token that it shows then.'
GENERATE = (
    'Generate an app-level token with the scope connections:write on "Basic Information" of the app, and set '
    "SLACK_APP_TOKEN to it; it begins with xapp-."
)
# https://docs.slack.dev/reference/methods/auth.test: code → what happened, what to do.
_BOT_ERRORS: Mapping[str, tuple[str, str]] = {
    "invalid_auth": ("Slack does not know this bot token", INSTALL),
    "not_allowed_token_type": ("SLACK_BOT_TOKEN is a token of another kind", INSTALL),
    "token_revoked": ("the bot token was revoked", REINSTALL),
    "account_inactive": ("the bot was removed from the workspace", REINSTALL),
    "token_expired": (
        "the bot token has expired, because token rotation is on",
        "Create the app anew from the manifest of `lorekeeper init slack`, without token rotation.",
    ),
}
_APP_ERRORS: Mapping[str, tuple[str, str]] = {
    "invalid_auth": ("Slack does not know this app-level token", GENERATE),
    "not_allowed_token_type": ("SLACK_APP_TOKEN is a token of another kind", GENERATE),
    "token_revoked": ("the app-level token was revoked", GENERATE),
    "missing_scope": ("the app-level token lacks the scope connections:write", GENERATE),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """Slack's answer to one call."""

    data: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    """Slack's code, or empty."""
    unreachable: str = ""
    """Why there is no answer, or empty."""
    scopes: frozenset[str] | None = None
    """What the token is granted; None where Slack did not say."""


async def check(settings: Settings) -> Sequence[Check]:
    """One line for the bot token, one for its scopes and one for how events come in; one alone where Slack is off."""
    slack = settings.slack
    bot, app = slack.bot_token.get_secret_value(), slack.app_token.get_secret_value()
    secret = slack.signing_secret.get_secret_value()
    if not (bot or app or secret or slack.client_id):
        return [Check("slack", State.OK, "off (no tokens set)", "")]
    if slack.client_id:
        return [_by_oauth(settings)]
    missing = missing_token(bot, app, secret)
    if missing:
        remedy = "`lorekeeper init slack` says where to find it."
        return [Check(TOKENS, State.DEGRADED, f"off: {missing} is missing", remedy)]
    absent = next((name for module, name in PACKAGES.items() if find_spec(module) is None), "")
    if absent:
        return [Check(TOKENS, State.FAILED, MissingExtra(absent, "slack").message, "")]
    return await _ask_slack(slack, settings.server.public_url)


def _by_oauth(settings: Settings) -> Check:
    public_url = settings.server.public_url.rstrip("/")
    if not public_url or not settings.slack.client_secret.get_secret_value():
        return Check(TOKENS, State.DEGRADED, "off: slack.client_secret or server.public_url is missing", "Set both.")
    allowed = len(settings.slack.workspaces)
    detail = f"workspaces install it at {public_url}/slack/install; {allowed} may (slack.workspaces)"
    remedy = "" if allowed else "Add the ids of your workspaces to slack.workspaces."
    return Check(TOKENS, State.OK if allowed else State.DEGRADED, detail, remedy)


async def _ask_slack(slack: Slack, public_url: str) -> list[Check]:
    bot, app = slack.bot_token.get_secret_value(), slack.app_token.get_secret_value()
    asked = await asyncio.gather(
        _ask(slack.api_url, "auth.test", bot), *([_ask(slack.api_url, "apps.connections.open", app)] if app else [])
    )
    events = [socket_check(reply, app) for reply in asked[1:]] or [door_check(public_url)]
    return [*bot_checks(asked[0], bot), *events]


def missing_token(bot: str, app: str, secret: str) -> str:
    """The variable to set, or empty."""
    if not bot:
        return "SLACK_BOT_TOKEN"
    return "" if app or secret else "SLACK_APP_TOKEN (or, where Slack calls this server, SLACK_SIGNING_SECRET)"


def bot_checks(reply: Reply, token: str) -> Iterator[Check]:
    """Who the bot is, and what it may do."""
    if reply.unreachable or reply.error:
        yield _refused(BOT, reply, _BOT_ERRORS, _misfit(token, "SLACK_BOT_TOKEN", "xoxb-"), INSTALL)
        return
    if not reply.data.get("bot_id"):
        yield Check(BOT, State.FAILED, "SLACK_BOT_TOKEN is the token of a person or an app, not of a bot", INSTALL)
        return
    name, team = _shown(reply.data.get("user")), _shown(reply.data.get("team"))
    yield Check(BOT, State.OK, f"{name} in the workspace {team}", "")
    yield scopes_check(reply.scopes)


def scopes_check(granted: frozenset[str] | None) -> Check:
    """Against those of the manifest."""
    if granted is None:
        return Check(
            SCOPES_NAME, State.DEGRADED, "Slack did not say which are granted", "Compare them with docs/slack.md."
        )
    missing = [scope for scope in SCOPES if scope not in granted]
    if not missing:
        return Check(SCOPES_NAME, State.OK, f"all {len(SCOPES)} are granted", "")
    detail = "missing: " + ", ".join(f"{scope} ({SCOPES[scope]})" for scope in missing)
    remedy = (
        'Put the manifest of `lorekeeper init slack --manifest` on "App Manifest" of the app, reinstall the app on '
        '"Install App", and restart Lorekeeper.'
    )
    return Check(SCOPES_NAME, State.FAILED if ESSENTIAL in missing else State.DEGRADED, detail, remedy)


def socket_check(reply: Reply, token: str) -> Check:
    """Socket Mode."""
    if reply.unreachable or reply.error:
        return _refused(EVENTS_NAME, reply, _APP_ERRORS, _misfit(token, "SLACK_APP_TOKEN", "xapp-"), GENERATE)
    return Check(EVENTS_NAME, State.OK, "by Socket Mode", "")


def door_check(public_url: str) -> Check:
    """HTTP mode: nobody but Slack knows whether it gets through, but the address can be wrong already."""
    if not public_url:
        return Check(
            EVENTS_NAME,
            State.DEGRADED,
            "by HTTP, but nothing says at which address Slack reaches this server",
            "Set server.public_url to it, or set SLACK_APP_TOKEN to use Socket Mode, which needs no public address.",
        )
    if not public_url.startswith("https://"):
        detail = f"by HTTP at {events_url(public_url)}, but Slack calls only https addresses"
        return Check(
            EVENTS_NAME, State.DEGRADED, detail, "Put a proxy with TLS in front, and correct server.public_url."
        )
    return Check(EVENTS_NAME, State.OK, f"by HTTP: Slack must call {events_url(public_url)}", "")


def _refused(name: str, reply: Reply, errors: Mapping[str, tuple[str, str]], misfit: str, remedy: str) -> Check:
    if misfit:
        return Check(name, State.FAILED, misfit, remedy)
    if reply.unreachable:
        advice = "Check the connection and slack.api_url, and run the doctor again."
        return Check(name, State.DEGRADED, f"Slack cannot be reached ({reply.unreachable})", advice)
    if reply.error in {"ratelimited", "rate_limited"}:
        return Check(name, State.DEGRADED, "Slack asks for patience", "Run the doctor again in a minute.")
    detail, known = errors.get(reply.error, (f"Slack refuses: {_shown(reply.error)}", remedy))
    return Check(name, State.FAILED, detail, known)


def _misfit(token: str, variable: str, prefix: str) -> str:
    """What is plainly wrong with a token that Slack does not take; never the token itself."""
    if token.startswith(prefix) and re.fullmatch(r"[\w.-]+", token, re.ASCII):
        return ""
    if not re.fullmatch(r"[\w.-]+", token, re.ASCII):
        return f"{variable} holds spaces or other characters that no token has"
    return f"{variable} must begin with {prefix}"


async def _ask(api_url: str, method: str, token: str) -> Reply:
    import aiohttp
    from slack_sdk.errors import SlackApiError, SlackClientError
    from slack_sdk.web.async_client import AsyncWebClient

    # The library logs requests at debug level, and what went wrong is told here.
    logger = logging.getLogger("lorekeeper.slack.check")
    logger.setLevel(logging.CRITICAL)
    client = AsyncWebClient(base_url=api_url.rstrip("/") + "/", retry_handlers=[], logger=logger)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            response = await client.api_call(method, headers={"Authorization": f"Bearer {token}"})
    except SlackApiError as error:
        return _failed(error.response)
    except TimeoutError:
        return Reply(unreachable=f"no answer within {CALL_SECONDS:.0f} s")
    except (aiohttp.ClientError, OSError, SlackClientError, ValueError) as error:
        return Reply(unreachable=type(error).__name__)
    data = response.data if isinstance(response.data, dict) else {}
    return Reply(data=data, scopes=_scopes(response.headers))


def _failed(response: Any) -> Reply:
    """`response` is the library's, or where that could not read it, that of the connection."""
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    status = getattr(response, "status_code", None) or getattr(response, "status", None)
    return Reply(error=code) if code else Reply(unreachable=f"status {status}, and not the words of Slack's API")


def _scopes(headers: Mapping[str, Any]) -> frozenset[str] | None:
    for name, value in headers.items():
        if name.lower() == "x-oauth-scopes":
            return frozenset(scope.strip() for scope in str(value).split(",") if scope.strip())
    return None


def _shown(name: Any) -> str:
    """A name that comes from outside, for a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in str(name or "?"))[:80]
