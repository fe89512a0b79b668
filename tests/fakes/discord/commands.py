"""Application commands: listed, overwritten, added, changed, removed; of everywhere and of one guild."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.fakes.discord.api import Reply, Request, guild_of, invalid, route
from tests.fakes.discord.refusals import UNKNOWN_COMMAND, Problem, Refused, too_long, unknown
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Json

CHAT, USER, MESSAGE = 1, 2, 3
SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, NUMBER, ATTACHMENT = 1, 2, 3, 4, 5, 10, 11
# https://docs.discord.com/developers/interactions/application-commands#registering-a-command
MOST = {CHAT: 100, USER: 15, MESSAGE: 15}
MOST_OPTIONS, MOST_CHOICES, MOST_TEXT = 25, 25, 8_000
_NAME = re.compile(r"[-_'\w]{1,32}")
_ALL = "/applications/{application_id}/commands"
_ONE = _ALL + "/{command_id}"
_GUILD_ALL = "/applications/{application_id}/guilds/{guild_id}/commands"
_GUILD_ONE = _GUILD_ALL + "/{command_id}"


def command_problems(command: Json, path: str = "") -> list[Problem]:
    """What Discord would refuse of a command."""
    here = f"{path}." if path else ""
    found = list(_naming(command, here))
    if command.get("type", CHAT) == CHAT:
        found += _options(command.get("options") or [], f"{here}options")
        if _text(command) > MOST_TEXT:
            message = f"Command exceeds maximum size ({MOST_TEXT})"
            found.append(Problem(path, "APPLICATION_COMMAND_TOO_LARGE", message))
    return found


def _naming(command: Json, here: str) -> Iterator[Problem]:
    name, description = str(command.get("name") or ""), str(command.get("description") or "")
    if command.get("type", CHAT) == CHAT:
        if not _NAME.fullmatch(name) or name != name.lower():
            yield Problem(f"{here}name", "APPLICATION_COMMAND_INVALID_NAME", f"Command name is invalid: {name!r}")
        if not 1 <= len(description) <= 100:
            yield Problem(f"{here}description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    else:
        if not 1 <= len(name) <= 32:
            yield Problem(f"{here}name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")
        if description or command.get("options"):
            yield Problem(here, "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", "Has neither description nor options.")


def _options(options: list[Json], path: str, depth: int = 0) -> Iterator[Problem]:
    if len(options) > MOST_OPTIONS:
        yield Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_OPTIONS} or fewer in length.")
    names = [option.get("name") for option in options]
    if len(set(names)) < len(names):
        yield Problem(path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Names are not unique")
    needed = [bool(option.get("required")) for option in options]
    if needed != sorted(needed, reverse=True):
        yield Problem(path, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options come first")
    for number, option in enumerate(options):
        yield from _option(option, f"{path}.{number}", depth)


def _option(option: Json, here: str, depth: int) -> Iterator[Problem]:
    yield from _naming({**option, "type": CHAT, "options": None}, f"{here}.")
    kind, choices = option.get("type"), option.get("choices") or []
    if kind in (SUBCOMMAND, GROUP):
        if depth >= (1 if kind == GROUP else 2):
            yield Problem(f"{here}.type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deeply")
        yield from _options(option.get("options") or [], f"{here}.options", depth + 1)
    if len(choices) > MOST_CHOICES:
        yield Problem(f"{here}.choices", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_CHOICES} or fewer in length.")
    if choices and option.get("autocomplete"):
        yield Problem(f"{here}.autocomplete", "APPLICATION_COMMAND_AUTOCOMPLETE_WITH_CHOICES", "Not with choices")
    for number, choice in enumerate(choices):
        yield from choice_problems(choice, f"{here}.choices.{number}")


def choice_problems(choice: Json, path: str) -> Iterator[Problem]:
    if not 1 <= len(str(choice.get("name") or "")) <= 100:
        yield Problem(f"{path}.name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    if len(str(choice.get("value", ""))) > 100:
        yield too_long(f"{path}.value", 100)


def _text(command: Any) -> int:
    if isinstance(command, list):
        return sum(map(_text, command))
    if not isinstance(command, dict):
        return 0
    own = sum(len(str(command.get(name) or "")) for name in ("name", "description"))
    values = sum(len(str(choice.get("value", ""))) for choice in command.get("choices") or ())
    return own + values + _text(command.get("options")) + _text(command.get("choices"))


def check(commands: list[Json]) -> None:
    """:raises Refused: 50035 with every problem."""
    problems = [problem for number, one in enumerate(commands) for problem in command_problems(one, str(number))]
    for kind, most in MOST.items():
        names = [one.get("name") for one in commands if one.get("type", CHAT) == kind]
        if len(names) > most:
            raise Refused(400, 30032, f"Maximum number of application commands reached ({most})")
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        problems += [Problem("", "APPLICATION_COMMANDS_DUPLICATE_NAME", name) for name in twice]
    if problems:
        raise invalid(*problems)


def stored(stage: Stage, command: Json, guild: int | None, before: Json | None = None) -> Json:
    """As Discord gives it back."""
    now = stage.clock.now()
    body: Json = {
        "id": before["id"] if before else str(stage.world.new_id(now)),
        "application_id": str(stage.application.id),
        "version": str(stage.world.new_id(now)),
        "type": command.get("type") or CHAT,
        "name": command["name"],
        "name_localizations": command.get("name_localizations"),
        "description": command.get("description") or "",
        "description_localizations": command.get("description_localizations"),
        "default_member_permissions": _permissions(command.get("default_member_permissions")),
        "dm_permission": command.get("dm_permission", True),
        "contexts": command.get("contexts"),
        "integration_types": command.get("integration_types") or [0],
        "nsfw": bool(command.get("nsfw")),
    }
    if command.get("options"):
        body["options"] = command["options"]
    if before and {**before, "version": ""} == {**body, "version": ""} | ({"guild_id": str(guild)} if guild else {}):
        body["version"] = before["version"]
    return body | ({"guild_id": str(guild)} if guild else {})


def _permissions(given: object) -> str | None:
    return None if given is None else str(given)


def _place(stage: Stage, request: Request) -> tuple[int | None, dict[int, Json]]:
    if request.id("application_id") != stage.application.id:
        raise Refused(403, 20012, "You are not authorized to perform this action on this application")
    guild = guild_of(stage, request.id("guild_id")).id if "guild_id" in request.path else None
    return guild, stage.world.commands.setdefault(guild, {})


def _found(stage: Stage, request: Request) -> tuple[int | None, dict[int, Json], Json]:
    guild, there = _place(stage, request)
    if request.id("command_id") not in there:
        raise unknown("application command", UNKNOWN_COMMAND)
    return guild, there, there[request.id("command_id")]


@route("GET", _ALL)
@route("GET", _GUILD_ALL)
async def listed(stage: Stage, request: Request) -> list[Json]:
    return list(_place(stage, request)[1].values())


@route("PUT", _ALL)
@route("PUT", _GUILD_ALL)
async def overwrite(stage: Stage, request: Request) -> list[Json]:
    guild, there = _place(stage, request)
    wanted = request.body or []
    check(wanted)
    known = {(one["type"], one["name"]): one for one in there.values()}
    new = [stored(stage, one, guild, known.get((one.get("type") or CHAT, one["name"]))) for one in wanted]
    there.clear()
    there.update({int(one["id"]): one for one in new})
    return new


@route("POST", _ALL)
@route("POST", _GUILD_ALL)
async def add(stage: Stage, request: Request) -> Reply:
    guild, there = _place(stage, request)
    body = request.body or {}
    same = [one for one in there.values() if (one["type"], one["name"]) == (body.get("type") or CHAT, body["name"])]
    check([*(one for one in there.values() if one not in same), body])
    command = stored(stage, body, guild, same[0] if same else None)
    there[int(command["id"])] = command
    return Reply(command, 200 if same else 201)


@route("GET", _ONE)
@route("GET", _GUILD_ONE)
async def get(stage: Stage, request: Request) -> Json:
    return _found(stage, request)[2]


@route("PATCH", _ONE)
@route("PATCH", _GUILD_ONE)
async def change(stage: Stage, request: Request) -> Json:
    guild, there, before = _found(stage, request)
    changed = before | (request.body or {})
    check([*(one for one in there.values() if one is not before), changed])
    there[int(before["id"])] = stored(stage, changed, guild, before)
    return there[int(before["id"])]


@route("DELETE", _ONE)
@route("DELETE", _GUILD_ONE)
async def remove(stage: Stage, request: Request) -> None:
    _, there, command = _found(stage, request)
    del there[int(command["id"])]
