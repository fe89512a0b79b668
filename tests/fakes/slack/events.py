"""The JSON of people, conversations, messages and events, in the shapes that Slack sends."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.slack.state import Channel, File, Installation, Json, Message, User, View

APP = "A0LORE"
EVENTS = frozenset(
    "app_context_changed app_home_opened app_mention app_uninstalled agent_session_stopped "
    "assistant_thread_context_changed assistant_thread_started file_shared member_joined_channel message.channels "
    "message.groups message.im message.mpim reaction_added reaction_removed tokens_revoked".split()
)
_MENTION = re.compile(r"<@([A-Z0-9]+)>")


def subscription(event: Json) -> str:
    if event["type"] != "message":
        return str(event["type"])
    kind = str(event["channel_type"])
    return "message." + {"channel": "channels", "group": "groups"}.get(kind, kind)


def wrapped(event: Json, installation: Installation, event_id: str, now: float, *, shared: bool) -> Json:
    authorization = {
        "enterprise_id": None,
        "team_id": installation.team,
        "user_id": installation.bot_user,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": "verification-token",
        "team_id": installation.team,
        "context_team_id": installation.team,
        "context_enterprise_id": None,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(now),
        "authorizations": [authorization],
        "is_ext_shared_channel": shared,
        "event_context": f"4-{event_id}",
    }


def rich_text(text: str) -> list[Json]:
    """What Slack makes of a text that somebody typed."""
    elements: list[Json] = []
    for index, part in enumerate(_MENTION.split(text)):
        if part:
            elements.append({"type": "user", "user_id": part} if index % 2 else {"type": "text", "text": part})
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "typed", "elements": [section]}]


def message_json(message: Message) -> Json:
    """As conversations.history gives it."""
    body: Json = {"type": "message", "user": message.user, "text": message.text or message.markdown, "ts": message.ts}
    body["team"] = message.team
    if message.blocks:
        body["blocks"] = message.blocks
    if message.thread_ts:
        body["thread_ts"] = message.thread_ts
    if message.bot_id:
        body |= {"bot_id": message.bot_id, "app_id": APP, "bot_profile": {"id": message.bot_id, "app_id": APP}}
    else:
        body["client_msg_id"] = f"client-{message.channel}-{message.ts}"
    if message.files:
        body |= {"files": [file_stub(file) for file in message.files], "upload": True}
    if message.subtype:
        body["subtype"] = message.subtype
    if message.edits:
        body["edited"] = {"user": message.user, "ts": message.ts}
    if message.metadata:
        body["metadata"] = message.metadata
    if message.reactions:
        body["reactions"] = [
            {"name": name, "users": sorted(users), "count": len(users)} for name, users in message.reactions.items()
        ]
    return body


def message_event(message: Message, channel: Channel) -> Json:
    return message_json(message) | {
        "channel": channel.id,
        "channel_type": channel.channel_type,
        "event_ts": message.ts,
    }


def mention_event(message: Message) -> Json:
    body = message_json(message)
    body.pop("subtype", None)
    return body | {"type": "app_mention", "channel": message.channel, "event_ts": message.ts}


def changed_event(message: Message, before: Json, channel: Channel, ts: str) -> Json:
    after = message_json(message) | {"edited": {"user": message.user, "ts": ts}}
    return _hidden(channel, ts, subtype="message_changed") | {"message": after, "previous_message": before}


def deleted_event(message: Message, channel: Channel, ts: str) -> Json:
    return _hidden(channel, ts, subtype="message_deleted") | {
        "deleted_ts": message.ts,
        "previous_message": message_json(message),
    }


def _hidden(channel: Channel, ts: str, *, subtype: str) -> Json:
    return {
        "type": "message",
        "subtype": subtype,
        "hidden": True,
        "channel": channel.id,
        "channel_type": channel.channel_type,
        "ts": ts,
        "event_ts": ts,
    }


def file_json(file: File, base: str) -> Json:
    """:param base: the server's address, `http://127.0.0.1:PORT`."""
    place = f"{base}/files-pri/{file.team}-{file.id}"
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2],
        "size": len(file.content) if file.announced is None else file.announced,
        "user": file.user,
        "user_team": file.team,
        "mode": file.mode,
        "file_access": "visible",
        "is_external": file.mode == "external",
        "channels": sorted(file.channels),
        "url_private": f"{place}/{_addressed(file.name)}",
        "url_private_download": f"{place}/download/{_addressed(file.name)}",
        "permalink": f"{base}/files/{file.user}/{file.id}/{_addressed(file.name)}",
    }


def _addressed(name: str) -> str:
    """As Slack writes a file's name into addresses."""
    return re.sub(r"[^a-z0-9._-]+", "_", name.lower()).replace("..", "_")


def file_stub(file: File) -> Json:
    """In a message: the server fills in the addresses, see `with_addresses`."""
    if file.connect:
        return {"id": file.id, "created": 0, "timestamp": 0, "file_access": "check_file_info"}
    return file_json(file, "{base}")


def with_addresses(value: Any, base: str) -> Any:
    """`{base}` in the addresses of files becomes the server's address."""
    if isinstance(value, dict):
        return {key: with_addresses(part, base) for key, part in value.items()}
    if isinstance(value, list):
        return [with_addresses(part, base) for part in value]
    return value.replace("{base}", base, 1) if isinstance(value, str) and value.startswith("{base}/") else value


def user_json(user: User) -> Json:
    return {
        "id": user.id,
        "team_id": user.team,
        "name": user.name,
        "real_name": user.name.title(),
        "deleted": user.deleted,
        "tz": user.tz,
        "locale": user.locale,
        "is_admin": user.is_admin or user.is_owner,
        "is_owner": user.is_owner,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": user.is_bot,
        "is_stranger": user.is_stranger,
        "profile": {
            "display_name": user.name,
            "real_name": user.name.title(),
            "email": f"{user.name}@example.com",
            "team": user.team,
        },
    }


def channel_json(channel: Channel, bot_user: str) -> Json:
    body: Json = {
        "id": channel.id,
        "is_channel": channel.kind == "C",
        "is_group": channel.kind == "G",
        "is_im": channel.kind == "D",
        "is_mpim": channel.kind == "M",
        "is_private": channel.kind != "C",
        "is_archived": channel.archived,
        "is_ext_shared": channel.shared,
        "is_member": bot_user in channel.members,
        "num_members": len(channel.members),
        "context_team_id": channel.team,
    }
    if channel.kind == "D":
        return body | {"user": next(iter(sorted(channel.members - {bot_user})), bot_user)}
    return body | {"name": channel.name, "name_normalized": channel.name, "topic": {"value": ""}}


def view_json(view: View, installation: Installation) -> Json:
    return {
        "private_metadata": "",
        "callback_id": "",
        "state": {"values": {}},
        **view.payload,
        "id": view.id,
        "team_id": view.team,
        "hash": view.hash,
        "root_view_id": view.id if view.previous is None else view.previous,
        "previous_view_id": view.previous,
        "app_id": APP,
        "app_installed_team_id": view.team,
        "bot_id": installation.bot_id,
    }
