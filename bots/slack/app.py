"""Slack's library, told what is ours: every event is written down before Slack hears that it arrived."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltError
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.workspaces import Workspaces
from core.errors import LorekeeperError

Json = dict[str, Any]
NO_TOKEN = "xoxb-of-nobody"  # noqa: S105 - it is none
log = structlog.get_logger(__name__)
Receive = Callable[[Json], Awaitable[None]]


def quiet_logger() -> logging.Logger:
    """Slack's library logs whole messages at debug level, and addresses with tickets in errors, which ours never may."""
    logger = logging.getLogger("lorekeeper.slack")
    logger.setLevel(logging.CRITICAL)
    return logger


def build_app(client: AsyncWebClient, workspaces: Workspaces, receive: Receive, signing_secret: str) -> AsyncApp:
    """The application; listeners for what people press are added to it.

    :param receive: takes an event's body before it is acknowledged. When it raises, Slack sends the event again.
    """

    async def authorize(team_id: str | None = None, **_: Any) -> AuthorizeResult:
        # Asks nobody: the library acknowledges, and loses, events whose authorization fails.
        found = workspaces.find(team_id or "")
        if found is None and workspaces.is_expected(team_id or ""):
            raise BoltError(f"{team_id} is not reached yet")
        if found is None:
            # Acknowledged and ignored: Slack stops sending to an app that refuses too much.
            return AuthorizeResult(enterprise_id=None, team_id=team_id, bot_token=NO_TOKEN)
        return AuthorizeResult(
            enterprise_id=None,
            team_id=found.team,
            bot_token=found.token,
            bot_id=found.bot_id,
            bot_user_id=found.bot_user,
        )

    app = AsyncApp(
        client=client,
        authorize=authorize,
        signing_secret=signing_secret or "unused",
        request_verification_enabled=bool(signing_secret),
        # Decided in bots.slack.events, where it is tested.
        ignoring_self_events_enabled=False,
        ignoring_self_assistant_message_events_enabled=False,
        attaching_conversation_kwargs_enabled=False,
        logger=quiet_logger(),
    )

    @app.middleware
    async def write_down(body: Json, next_: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        if body.get("type") == "event_callback":
            await receive(body)
        return await next_()

    @app.event(re.compile(".*"))
    async def acknowledged() -> None:
        """What there is to do has been written down."""

    @app.error
    async def failed(error: Exception) -> BoltResponse:
        cause = error.message if isinstance(error, LorekeeperError) else type(error).__name__
        log.error("an event was not taken", cause=cause)
        # Not acknowledged: Slack sends it again.
        return BoltResponse(status=503, body="")

    return app
