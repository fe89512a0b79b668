"""What Discord is told at once about an interaction, and what is done after that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.discord.board import body_of
from bots.discord.calls import Calls
from bots.discord.invocation import DEFERRED, DEFERRED_UPDATE, MESSAGE, Invoked
from bots.discord.private import EPHEMERAL, HOOKED, ORIGINAL, WEBHOOK
from bots.discord.render import Rendered, sentence

Json = dict[str, Any]
Then = Callable[[], Awaitable[None]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Response:
    """What Discord is told at once, and what is done after that."""

    body: Json
    then: Then | None = None
    is_lasting: bool = False
    """What was asked for is written down: it is done even if Discord did not take the response."""


def privately(text: str, then: Then | None = None) -> Response:
    """A sentence that only the person sees."""
    return Response({"type": MESSAGE, "data": {**body_of(sentence(text)), "flags": EPHEMERAL}}, then)


def soon(then: Then, *, private: bool = True) -> Response:
    """The answer comes later, in a message of its own."""
    return Response({"type": DEFERRED, "data": {"flags": EPHEMERAL} if private else {}}, then)


async def nothing() -> None:
    """What was asked for is in the inbox, and done from there."""


async def tell(calls: Calls, invoked: Invoked, message: Rendered) -> None:
    """In the message that was promised, or that the button is on."""
    hook: dict[str, Any] = {"webhook_id": invoked.app, "webhook_token": invoked.token}
    try:
        await calls.call("PATCH", HOOKED, json=body_of(message), **hook, message_id=ORIGINAL)
    except (Refused, Unknown, Retry) as error:
        log.warning("a person could not be told", cause=str(error))


async def apologise(calls: Calls, invoked: Invoked, response: Response, text: str) -> None:
    """Not in the place of the message that a button is on."""
    if response.body["type"] != DEFERRED_UPDATE:
        await tell(calls, invoked, sentence(text))
        return
    body = {**body_of(sentence(text)), "flags": EPHEMERAL}
    hook: dict[str, Any] = {"webhook_id": invoked.app, "webhook_token": invoked.token}
    try:
        await calls.call("POST", WEBHOOK, json=body, **hook)
    except (Refused, Unknown, Retry) as error:
        log.warning("a person could not be told", cause=str(error))
