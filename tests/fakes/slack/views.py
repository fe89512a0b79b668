"""Dialogs and the Home tab."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.slack import events as shapes
from tests.fakes.slack.api import Arguments, method
from tests.fakes.slack.blocks import block_problems
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Installation, Json, View

# https://docs.slack.dev/reference/views: characters.
_LIMITS = {"callback_id": 255, "external_id": 255, "private_metadata": 3000}
_TITLES = 24
_VIEW_BYTES = 250_000
_STACK = 3


def check_view(payload: Any, kind: str) -> None:
    """:raises Refused: invalid_arguments with every problem."""
    if not isinstance(payload, dict):
        raise Refused("invalid_arguments", "view must be an object")
    problems = block_problems(payload.get("blocks"), "home" if kind == "home" else "modal")
    if payload.get("type") != kind:
        problems.append(f"type must be {kind}")
    problems += [
        f"{name}: at most {most} characters" for name, most in _LIMITS.items() if len(payload.get(name) or "") > most
    ]
    if kind == "modal":
        problems += _modal_problems(payload)
    if len(json.dumps(payload)) > _VIEW_BYTES:
        raise Refused("view_too_large")
    if problems:
        raise Refused("invalid_arguments", "; ".join(problems))


def _modal_problems(payload: Json) -> list[str]:
    problems = []
    for name in ("title", "submit", "close"):
        part = payload.get(name)
        if part is None and name != "title":
            continue
        text = part.get("text", "") if isinstance(part, dict) and part.get("type") == "plain_text" else ""
        if not 1 <= len(text) <= _TITLES:
            problems.append(f"{name}: plain_text of 1 to {_TITLES} characters")
    if not payload.get("submit") and any(block.get("type") == "input" for block in payload.get("blocks") or ()):
        problems.append("submit is required with input blocks")
    return problems


def _trigger(slack: Stage, arguments: Arguments) -> tuple[str, str]:
    """Whose, and of which workspace."""
    trigger = str(arguments.get("trigger_id") or arguments.get("interactivity_pointer") or "")
    if trigger in slack.used_triggers:
        raise Refused("exchanged_trigger_id")
    if trigger not in slack.triggers:
        raise Refused("invalid_trigger_id", trigger)
    until, user, team = slack.triggers[trigger]
    if until <= slack.clock.now():
        raise Refused("expired_trigger_id")
    slack.used_triggers.add(trigger)
    return user, team


def new_view(slack: Stage, user: str, team: str, payload: Json, previous: str | None = None) -> View:
    external = payload.get("external_id")
    if external and any(
        view.open and view.payload.get("external_id") == external for view in slack.world.views.values()
    ):
        raise Refused("duplicate_external_id")
    view = View(slack.world.new_id("V"), team, user, payload, slack.world.new_id("hash."), previous=previous)
    slack.world.views[view.id] = view
    slack.pulse()
    return view


@method("views.open")
async def open_view(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    check_view(arguments["view"], "modal")
    user, team = _trigger(slack, arguments)
    view = new_view(slack, user, team, arguments["view"])
    return {"view": shapes.view_json(view, caller)}


@method("views.push")
async def push_view(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    check_view(arguments["view"], "modal")
    user, team = _trigger(slack, arguments)
    return {"view": shapes.view_json(pushed(slack, user, team, arguments["view"]), caller)}


def pushed(slack: Stage, user: str, team: str, payload: Json) -> View:
    stack = slack.views(user)
    if len(stack) >= _STACK:
        raise Refused("push_limit_reached")
    return new_view(slack, user, team, payload, stack[-1].id if stack else None)


@method("views.update")
async def update_view(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    view = _existing(slack, arguments)
    check_view(arguments["view"], "modal" if view.id in slack.world.views else "home")
    if arguments.get("hash") not in (None, "", view.hash):
        raise Refused("hash_conflict", violation=False)
    replaced(slack, view, arguments["view"])
    return {"view": shapes.view_json(view, caller)}


def _existing(slack: Stage, arguments: Arguments) -> View:
    if not arguments.get("view_id") and not arguments.get("external_id"):
        raise Refused("invalid_arguments", "view_id or external_id is required")
    for view in [*slack.world.views.values(), *slack.world.homes.values()]:
        external = view.payload.get("external_id")
        if view.id == arguments.get("view_id") or (external and external == arguments.get("external_id")):
            if view.open:
                return view
            raise Refused("not_found", "closed by its user", violation=False)
    raise Refused("not_found", str(arguments.get("view_id")))


def replaced(slack: Stage, view: View, payload: Json) -> None:
    view.payload = payload
    view.hash = slack.world.new_id("hash.")
    view.errors = {}
    slack.pulse()


@method("views.publish")
async def publish_view(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    check_view(arguments["view"], "home")
    user = slack.world.users.get(str(arguments["user_id"]))
    if user is None:
        raise Refused("invalid_user_id", str(arguments["user_id"]))
    home = slack.world.homes.get(user.id)
    if home is None:
        home = View(slack.world.new_id("V"), caller.team, user.id, {}, "")
        slack.world.homes[user.id] = home
    elif arguments.get("hash") not in (None, "", home.hash):
        raise Refused("hash_conflict", violation=False)
    replaced(slack, home, arguments["view"])
    return {"view": shapes.view_json(home, caller)}
