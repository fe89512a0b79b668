"""What follows the first answer to an interaction: its webhook, good for fifteen minutes."""

from __future__ import annotations

from tests.fakes.discord.api import Request, route
from tests.fakes.discord.callbacks import say
from tests.fakes.discord.contents import apply_edit
from tests.fakes.discord.message_shapes import message_json
from tests.fakes.discord.messages import removed
from tests.fakes.discord.refusals import (
    INVALID_WEBHOOK_TOKEN,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
    Refused,
    unknown,
)
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import EPHEMERAL, Interaction, Json, Message

TOKEN_S = 900.0
_HOOK = "/webhooks/{webhook_id}/{webhook_token}"
_ORIGINAL = _HOOK + "/messages/@original"
_MESSAGE = _HOOK + "/messages/{message_id}"


def _interaction(stage: Stage, request: Request) -> Interaction:
    """:raises Refused: 50027 for a token that is too old, 10015 for one that never was or is not yet answered."""
    token = request.path["webhook_token"]
    found = next((one for one in stage.world.interactions.values() if one.token == token), None)
    if found is None or request.id("webhook_id") != stage.application.id:
        raise unknown("Webhook", UNKNOWN_WEBHOOK)
    if stage.clock.now() > found.created + TOKEN_S:
        raise Refused(401, INVALID_WEBHOOK_TOKEN, "Invalid Webhook Token", violation=False)
    if found.answer is None:
        late = stage.clock.now() > found.created + 3.0
        raise unknown("Webhook", UNKNOWN_WEBHOOK, ever=late)
    return found


def _message(stage: Stage, request: Request) -> Message:
    interaction = _interaction(stage, request)
    if "message_id" not in request.path:
        found = interaction.response
    else:
        found = stage.world.messages.get(request.id("message_id"))
        if found is not None and found not in (*interaction.followups, interaction.response):
            raise unknown("Message", UNKNOWN_MESSAGE)
    if found is None or found.deleted:
        raise unknown("Message", UNKNOWN_MESSAGE, ever=found is not None)
    return found


@route("POST", _HOOK, with_token=False)
async def follow_up(stage: Stage, request: Request) -> Json:
    """After a deferral the first one takes the place of "is thinking", and is as private as that."""
    interaction, body = _interaction(stage, request), request.body or {}
    waiting = interaction.response
    if waiting is not None and waiting.loading and not waiting.deleted:
        apply_edit(stage, waiting, body | {"flags": (body.get("flags") or 0) & ~EPHEMERAL}, request.files)
        stage.note_pings(request.route, body)
        stage.announce(waiting, "MESSAGE_UPDATE")
        return message_json(waiting, stage.base)
    message = say(stage, interaction, body, request.files, request.route, first=False)
    interaction.followups.append(message)
    return message_json(message, stage.base)


@route("GET", _ORIGINAL, with_token=False)
@route("GET", _MESSAGE, with_token=False)
async def get(stage: Stage, request: Request) -> Json:
    return message_json(_message(stage, request), stage.base)


@route("PATCH", _ORIGINAL, with_token=False)
@route("PATCH", _MESSAGE, with_token=False)
async def edit(stage: Stage, request: Request) -> Json:
    message, body = _message(stage, request), request.body or {}
    apply_edit(stage, message, body, request.files)
    stage.note_pings(request.route, body)
    stage.announce(message, "MESSAGE_UPDATE")
    stage.pulse()
    return message_json(message, stage.base)


@route("DELETE", _ORIGINAL, with_token=False)
@route("DELETE", _MESSAGE, with_token=False)
async def delete(stage: Stage, request: Request) -> None:
    removed(stage, _message(stage, request))
