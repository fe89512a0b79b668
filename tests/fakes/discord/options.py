"""A slash command as a person fills it in: checked as Discord's own input checks it, and as it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.discord import shapes
from tests.fakes.discord.commands import ATTACHMENT, BOOLEAN, GROUP, INTEGER, NUMBER, STRING, SUBCOMMAND
from tests.fakes.discord.message_shapes import file_json
from tests.fakes.discord.permissions import permissions
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Channel, File, Json, Role, User

_USER, _CHANNEL, _ROLE, _MENTIONABLE = 6, 7, 8, 9
_TYPES: dict[int, tuple[type, ...]] = {
    STRING: (str,),
    INTEGER: (int,),
    BOOLEAN: (bool,),
    NUMBER: (int, float),
    ATTACHMENT: (File,),
    _USER: (User,),
    _CHANNEL: (Channel,),
    _ROLE: (Role,),
    _MENTIONABLE: (User, Role),
}


def chosen(stage: Stage, command: Json, inner: Sequence[str], values: dict[str, Any], *, focused: str = "") -> Json:
    """The `data` of an interaction.

    :raises LookupError: for what Discord's input would not let through.
    """
    resolved: Json = {}
    leaf, wrap = command.get("options") or [], []
    for name in inner:
        found = next((one for one in leaf if one["name"] == name and one["type"] in (SUBCOMMAND, GROUP)), None)
        if found is None:
            raise LookupError(f"no subcommand {name!r} of {[one['name'] for one in leaf]}")
        wrap.append(found)
        leaf = found.get("options") or []
    if any(one["type"] in (SUBCOMMAND, GROUP) for one in leaf):
        raise LookupError(f"a subcommand is needed, of {[one['name'] for one in leaf]}")
    given = _given(stage, leaf, values, resolved, focused)
    for one in reversed(wrap):
        given = [{"name": one["name"], "type": one["type"], "options": given}]
    data: Json = {"id": command["id"], "name": command["name"], "type": 1, "options": given}
    data |= {"resolved": resolved} if resolved else {}
    return data | ({"guild_id": command["guild_id"]} if "guild_id" in command else {})


def _given(stage: Stage, known: list[Json], values: dict[str, Any], resolved: Json, focused: str) -> list[Json]:
    names = [option["name"] for option in known]
    if strange := sorted(set(values) - set(names)):
        raise LookupError(f"no options {strange}, of {names}")
    given = []
    for option in known:
        name = option["name"]
        if name not in values:
            # What is typed in one option is completed before the others are filled in.
            if option.get("required") and not focused:
                raise LookupError(f"{name} is required")
            continue
        if name == focused:
            if not option.get("autocomplete"):
                raise LookupError(f"{name} offers nothing")
            given.append({"name": name, "type": option["type"], "value": values[name], "focused": True})
        else:
            value = _value(stage, option, values[name], resolved)
            given.append({"name": name, "type": option["type"], "value": value})
    return given


def _value(stage: Stage, option: Json, value: Any, resolved: Json) -> Any:
    kind, name = option["type"], option["name"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != BOOLEAN):
        raise LookupError(f"{name} takes no {type(value).__name__}")
    choices = option.get("choices")
    if choices and value not in [one["value"] for one in choices]:
        raise LookupError(f"{name} is one of {[one['value'] for one in choices]}")
    if isinstance(value, str) and not option.get("min_length", 0) <= len(value) <= option.get("max_length", 6000):
        raise LookupError(f"{name} is too short or too long")
    if kind in (INTEGER, NUMBER) and not option.get("min_value", value) <= value <= option.get("max_value", value):
        raise LookupError(f"{name} is too small or too large")
    return _resolved(stage, value, resolved) if kind in (ATTACHMENT, _USER, _CHANNEL, _ROLE, _MENTIONABLE) else value


def _resolved(stage: Stage, value: Any, resolved: Json) -> str:
    identity = str(value.id)
    if isinstance(value, File):
        uploaded(stage, value)
        resolved.setdefault("attachments", {})[identity] = file_json(value, stage.base)
    elif isinstance(value, User):
        resolved.setdefault("users", {})[identity] = shapes.user_json(value)
    elif isinstance(value, Role):
        resolved.setdefault("roles", {})[identity] = shapes.role_json(value)
    else:
        allowed = {"permissions": str(permissions(stage.bot, value))}
        resolved.setdefault("channels", {})[identity] = shapes.channel_json(value, stage.bot) | allowed
    return identity


def uploaded(stage: Stage, file: File) -> None:
    """Sent along with a command or a dialog, it is nobody's message, and kept for a while only."""
    file.ephemeral, file.place, file.signed_at = True, stage.application.id, stage.clock.now()
