"""Methods about conversations, people, reactions and the application itself."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack import events as shapes
from tests.fakes.slack.api import Arguments, method
from tests.fakes.slack.chat import channel_of, direct_channel
from tests.fakes.slack.methods import SPECS
from tests.fakes.slack.pages import next_cursor, page
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.specs import check_scope
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Channel, Installation, Json, User

# Access tokens that rotate live so long: https://docs.slack.dev/authentication/using-token-rotation.
ROTATION_S = 43_200
_KINDS = {"public_channel": "C", "private_channel": "G", "im": "D", "mpim": "M"}


@method("apps.connections.open")
async def open_connection(slack: Stage, _caller: Installation, _arguments: Arguments) -> Json:
    base = slack.base.replace("http://", "ws://", 1)
    return {"url": f"{base}/link/?ticket={slack.sockets.ticket()}&app_id={shapes.APP}"}


@method("api.test")
async def api_test(_slack: Stage, _caller: Installation, arguments: Arguments) -> Json:
    if arguments.get("error"):
        raise Refused(str(arguments["error"]), violation=False)
    return {"args": arguments}


@method("auth.test")
async def auth_test(slack: Stage, caller: Installation, _arguments: Arguments) -> Json:
    return {
        "url": f"https://{caller.domain}.slack.com/",
        "team": caller.domain,
        "user": slack.world.users[caller.bot_user].name,
        "team_id": caller.team,
        "user_id": caller.bot_user,
        "bot_id": caller.bot_id,
        "is_enterprise_install": False,
    }


@method("auth.revoke")
async def auth_revoke(_slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    revoked = str(arguments.get("test", "")).lower() not in ("1", "true")
    caller.revoked = caller.revoked or revoked
    return {"revoked": revoked}


@method("oauth.v2.access")
async def oauth(slack: Stage, _caller: Installation, arguments: Arguments) -> Json:
    """Exchange a code of `slack.offer_install()`, or a refresh token for the next pair of tokens."""
    if arguments.get("grant_type") == "refresh_token":
        refresh = str(arguments.get("refresh_token", ""))
        install = next(
            (one for one in slack.world.installations.values() if refresh and one.refresh_token == refresh), None
        )
        if install is None:
            raise Refused("invalid_refresh_token")
        install.token, install.refresh_token = slack.world.new_id("xoxe.xoxb-"), slack.world.new_id("xoxe-1-")
        install.expires_at = slack.clock.now() + ROTATION_S
        return _access(install)
    team = slack.codes.pop(str(arguments.get("code", "")), None)
    if team is None:
        raise Refused("invalid_code")
    install = slack.installation(team)
    install.revoked = False
    return _access(install) | {"authed_user": {"id": _first_person(slack, team)}}


def _access(install: Installation) -> Json:
    body: Json = {
        "app_id": shapes.APP,
        "scope": ",".join(sorted(install.scopes)),
        "token_type": "bot",
        "access_token": install.token,
        "bot_user_id": install.bot_user,
        "team": {"id": install.team, "name": install.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }
    if install.refresh_token:
        body |= {"refresh_token": install.refresh_token, "expires_in": ROTATION_S}
    return body


def _first_person(slack: Stage, team: str) -> str:
    return next((user.id for user in slack.world.users.values() if user.team == team and not user.is_bot), "")


@method("team.info")
async def team_info(_slack: Stage, caller: Installation, _arguments: Arguments) -> Json:
    return {"team": {"id": caller.team, "name": caller.domain.title(), "domain": caller.domain, "icon": {}}}


@method("bots.info")
async def bots_info(_slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    if arguments.get("bot") not in (None, caller.bot_id):
        raise Refused("bot_not_found")
    bot = {
        "id": caller.bot_id,
        "app_id": shapes.APP,
        "user_id": caller.bot_user,
        "name": "lorekeeper",
        "deleted": False,
    }
    return {"bot": bot}


def _user(slack: Stage, identity: Any) -> User:
    user = slack.world.users.get(str(identity))
    if user is None:
        raise Refused("user_not_found", str(identity))
    return user


@method("users.info")
async def users_info(slack: Stage, _caller: Installation, arguments: Arguments) -> Json:
    return {"user": shapes.user_json(_user(slack, arguments["user"]))}


@method("users.list")
async def users_list(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    users = [shapes.user_json(user) for user in slack.world.users.values() if user.team == caller.team]
    return _listed(slack, "members", users, arguments)


@method("usergroups.users.list")
async def group_users(slack: Stage, _caller: Installation, arguments: Arguments) -> Json:
    group = str(arguments["usergroup"])
    if group not in slack.world.groups:
        raise Refused("no_such_subteam", group)
    return {"users": slack.world.groups[group]}


@method("usergroups.list")
async def groups(slack: Stage, caller: Installation, _arguments: Arguments) -> Json:
    known = slack.world.groups.items()
    return {
        "usergroups": [
            {"id": group, "team_id": caller.team, "handle": group.lower(), "name": group, "users": users}
            for group, users in known
        ]
    }


def _listed(slack: Stage, name: str, items: list[Json], arguments: Arguments) -> Json:
    shown, cursor = page(items, arguments, key=lambda item: str(item["id"]), largest=slack.largest_page)
    return {name: shown} | next_cursor(cursor)


def _channels(slack: Stage, caller: Installation, arguments: Arguments) -> list[Channel]:
    """Of the `types` asked for, each of which needs its own scope."""
    kinds = [_KINDS.get(kind.strip(), "") for kind in str(arguments.get("types") or "public_channel").split(",")]
    if "" in kinds:
        raise Refused("invalid_types", str(arguments["types"]))
    for kind in kinds:
        check_scope(SPECS["conversations.list"], caller.scopes, kind)
    return [
        channel
        for channel in slack.world.channels.values()
        if channel.team == caller.team
        and channel.kind in kinds
        and (channel.kind == "C" or caller.bot_user in channel.members)
        and not (channel.archived and str(arguments.get("exclude_archived")).lower() in ("true", "1"))
    ]


@method("conversations.list")
async def conversations_list(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channels = [shapes.channel_json(channel, caller.bot_user) for channel in _channels(slack, caller, arguments)]
    return _listed(slack, "channels", channels, arguments)


@method("users.conversations")
async def users_conversations(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    member = str(arguments.get("user") or caller.bot_user)
    channels = [channel for channel in _channels(slack, caller, arguments) if member in channel.members]
    return _listed(
        slack, "channels", [shapes.channel_json(channel, caller.bot_user) for channel in channels], arguments
    )


@method("conversations.info")
async def conversations_info(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"], member=False)
    if channel.kind != "C" and caller.bot_user not in channel.members:
        raise Refused("channel_not_found", violation=False)
    return {"channel": shapes.channel_json(channel, caller.bot_user)}


@method("conversations.members")
async def conversations_members(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"], member=False)
    shown, cursor = page(sorted(channel.members), arguments, key=str, largest=slack.largest_page)
    return {"members": shown} | next_cursor(cursor)


@method("conversations.open")
async def conversations_open(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    if arguments.get("channel"):
        channel = channel_of(slack, caller, arguments["channel"])
    else:
        users = [user for user in str(arguments.get("users", "")).split(",") if user]
        if not users:
            raise Refused("users_list_not_supplied")
        for user in users:
            _user(slack, user)
        channel = direct_channel(slack, caller, users)
    return {"channel": {"id": channel.id}, "no_op": False, "already_open": False}


@method("reactions.add")
async def add_reaction(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    users = _reaction(slack, caller, arguments)
    if caller.bot_user in users:
        raise Refused("already_reacted", violation=False)
    users.add(caller.bot_user)
    slack.pulse()
    return {}


@method("reactions.remove")
async def remove_reaction(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    users = _reaction(slack, caller, arguments)
    if caller.bot_user not in users:
        raise Refused("no_reaction", violation=False)
    users.discard(caller.bot_user)
    slack.pulse()
    return {}


def _reaction(slack: Stage, caller: Installation, arguments: Arguments) -> set[str]:
    if not arguments.get("channel") or not arguments.get("timestamp"):
        raise Refused("no_item_specified")
    channel = channel_of(slack, caller, arguments["channel"])
    message = slack.world.messages.get((channel.id, str(arguments["timestamp"])))
    if message is None or message.deleted:
        raise Refused("message_not_found", violation=message is None)
    name = str(arguments["name"])
    if not name or name.startswith(":") or " " in name:
        raise Refused("invalid_name", name)
    return message.reactions.setdefault(name, set())
