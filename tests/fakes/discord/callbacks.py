"""Answers to interactions: the first within three seconds, and what follows with the token for fifteen minutes."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tests.fakes.discord import specs
from tests.fakes.discord.api import Reply, Request, invalid, route
from tests.fakes.discord.commands import INTEGER, MOST_CHOICES, NUMBER, choice_problems
from tests.fakes.discord.components import modal_problems
from tests.fakes.discord.contents import apply_edit, check_not_empty, new_message
from tests.fakes.discord.message_shapes import message_json
from tests.fakes.discord.messages import post
from tests.fakes.discord.refusals import (
    ALREADY_ACKNOWLEDGED,
    UNKNOWN_INTERACTION,
    Problem,
    Refused,
    unknown,
)
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import EPHEMERAL, LOADING, File, Interaction, Json, Message, Modal

ANSWER_WITHIN_S = 3.0
PONG, MESSAGE, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 1, 4, 5, 6, 7, 8, 9
# Which answers each kind of interaction takes.
_TAKES = {
    Interaction.PING: {PONG},
    Interaction.COMMAND: {MESSAGE, DEFER, MODAL},
    Interaction.COMPONENT: {MESSAGE, DEFER, DEFER_UPDATE, UPDATE, MODAL},
    Interaction.AUTOCOMPLETE: {CHOICES},
    Interaction.MODAL: {MESSAGE, DEFER, DEFER_UPDATE, UPDATE},
}
_SCHEMAS = {
    MESSAGE: "CreateMessageInteractionCallbackRequest",
    DEFER: "CreateMessageInteractionCallbackRequest",
    DEFER_UPDATE: "UpdateMessageInteractionCallbackRequest",
    UPDATE: "UpdateMessageInteractionCallbackRequest",
    CHOICES: "ApplicationCommandAutocompleteCallbackRequest",
    MODAL: "ModalInteractionCallbackRequest",
}


@route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", with_token=False)
async def callback(stage: Stage, request: Request) -> Reply | None:
    interaction = stage.world.interactions.get(request.id("interaction_id"))
    if interaction is None or interaction.token != request.path["interaction_token"]:
        raise unknown("interaction", UNKNOWN_INTERACTION)
    message = answered(stage, interaction, request.body or {}, request.files, request.route)
    if request.query.get("with_response", "").lower() not in ("1", "true"):
        return None
    return Reply(_response(stage, interaction, message))


def _response(stage: Stage, interaction: Interaction, message: Message | None) -> Json:
    told: Json = {"id": str(interaction.id), "type": interaction.kind}
    resource: Json = {"type": interaction.answer}
    if message is not None:
        told |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.loading,
            "response_message_ephemeral": message.ephemeral_to is not None,
        }
        resource["message"] = message_json(message, stage.base)
    return {"interaction": told, "resource": resource}


def answered(
    stage: Stage, interaction: Interaction, body: Json, files: Mapping[int, File], where: str
) -> Message | None:
    """The first answer, however it came.

    :raises Refused: it is too late, it is the second, or it is wrong.
    """
    if stage.clock.now() > interaction.created + ANSWER_WITHIN_S:
        raise unknown("interaction", UNKNOWN_INTERACTION, ever=True)
    if interaction.answer is not None:
        # Another process of the same application may have been quicker.
        already = "Interaction has already been acknowledged."
        raise Refused(400, ALREADY_ACKNOWLEDGED, already, violation=False)
    kind = body.get("type")
    if kind not in _TAKES[interaction.kind]:
        raise invalid(Problem("type", "INTERACTION_CALLBACK_TYPE", f"{kind} does not answer type {interaction.kind}"))
    if kind in (DEFER_UPDATE, UPDATE) and interaction.message is None:
        raise invalid(Problem("type", "INTERACTION_CALLBACK_TYPE", "There is no message to update"))
    specs.check_as(_SCHEMAS[kind], body)
    message = _carry_out(stage, interaction, kind, body.get("data") or {}, files, where)
    interaction.answer, interaction.acked, interaction.response = kind, time.monotonic(), message
    stage.pulse()
    return message


def _carry_out(
    stage: Stage, interaction: Interaction, kind: int, data: Json, files: Mapping[int, File], where: str
) -> Message | None:
    if kind in (MESSAGE, DEFER):
        return _said(stage, interaction, data, files, where, deferred=kind == DEFER)
    if kind == UPDATE:
        assert interaction.message is not None
        apply_edit(stage, interaction.message, data, files)
        stage.note_pings(where, data)
        stage.announce(interaction.message, "MESSAGE_UPDATE")
    elif kind == CHOICES:
        interaction.choices = _choices(interaction, data.get("choices") or [])
    elif kind == MODAL:
        interaction.modal = _modal(stage, interaction, data)
    return interaction.message if kind in (UPDATE, DEFER_UPDATE) else None


def message_kind(interaction: Interaction, *, first: bool) -> int:
    """20 and 23 for what a command says first, 19 for what answers a component or follows."""
    if first and interaction.kind == Interaction.COMMAND:
        return 20 if interaction.data.get("type", 1) == 1 else 23
    return 19 if interaction.message is not None or not first else 0


def say(
    stage: Stage, interaction: Interaction, data: Json, files: Mapping[int, File], where: str, *, first: bool
) -> Message:
    """A new message in answer.

    :raises Refused: for what a message cannot be.
    """
    kind = message_kind(interaction, first=first)
    message = new_message(stage, interaction.channel, data, files, interaction=interaction, kind=kind)
    check_not_empty(message)
    before = interaction.message if first else interaction.response
    if kind == 19 and before is not None:
        message.replied = before
        message.reference = {"type": 0, "message_id": str(before.id), "channel_id": str(before.channel.id)}
    stage.note_pings(where, data)
    post(stage, message)
    return message


def _said(
    stage: Stage, interaction: Interaction, data: Json, files: Mapping[int, File], where: str, *, deferred: bool
) -> Message:
    if not deferred:
        return say(stage, interaction, data, files, where, first=True)
    flags = LOADING | (data.get("flags") or 0) & EPHEMERAL
    message = Message(
        stage.world.new_id(stage.clock.now()),
        interaction.channel,
        stage.bot,
        "",
        stage.clock.now(),
        type=message_kind(interaction, first=True),
        flags=flags,
        interaction=interaction,
        webhook=stage.application.id,
        ephemeral_to=interaction.user if flags & EPHEMERAL else None,
    )
    if message.type == 19 and interaction.message is not None:
        there = interaction.message
        message.replied = there
        message.reference = {"type": 0, "message_id": str(there.id), "channel_id": str(there.channel.id)}
    post(stage, message)
    return message


def _choices(interaction: Interaction, choices: list[Json]) -> list[Json]:
    problems = [
        problem for number, one in enumerate(choices) for problem in choice_problems(one, f"data.choices.{number}")
    ]
    if len(choices) > MOST_CHOICES:
        problems.append(Problem("data.choices", "BASE_TYPE_BAD_LENGTH", f"Must be {MOST_CHOICES} or fewer in length."))
    kind = _focused(interaction.data.get("options") or [])
    numeric = kind in (INTEGER, NUMBER)
    for number, one in enumerate(choices):
        if isinstance(one.get("value"), str) == numeric:
            problems.append(Problem(f"data.choices.{number}.value", "BASE_TYPE", "Not of the option's type"))
    if problems:
        raise invalid(*problems)
    return choices


def _focused(options: list[Json]) -> int | None:
    for option in options:
        found = int(option["type"]) if option.get("focused") else _focused(option.get("options") or [])
        if found:
            return found
    return None


def _modal(stage: Stage, interaction: Interaction, data: Json) -> Modal:
    problems = modal_problems(data)
    if problems:
        raise invalid(*problems)
    for other in stage.world.modals:
        other.open = other.open and other.user is not interaction.user
    modal = Modal(data["custom_id"], data["title"], data["components"], interaction.user, interaction)
    stage.world.modals.append(modal)
    return modal
