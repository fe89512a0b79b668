"""What Discord has to know of the bot: the one source of its permissions, intents, commands and addresses. Imports nothing of Discord's."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

APP_NAME = "Lorekeeper"
ASK, MANAGE, MENU = "ask", "lore", "Answer this"
INTERACTIONS_PATH = "/discord/interactions"
NEW_APP_URL = "https://discord.com/developers/applications"
INVITE_URL = "https://discord.com/oauth2/authorize"
SCOPES = ("bot", "applications.commands")
NO_CLIENT_ID = "CLIENT_ID"


@dataclass(frozen=True, slots=True)
class Permission:
    """One of a bot's rights in a server."""

    bit: int
    label: str
    """As Discord's own pages call it."""
    purpose: str


# https://docs.discord.com/developers/topics/permissions#permissions-bitwise-permission-flags
PERMISSIONS: Mapping[str, Permission] = {
    "VIEW_CHANNEL": Permission(1 << 10, "View Channels", "to see what is asked"),
    "SEND_MESSAGES": Permission(1 << 11, "Send Messages", "answers"),
    "CREATE_PUBLIC_THREADS": Permission(1 << 35, "Create Public Threads", "a thread for each answer in a channel"),
    "SEND_MESSAGES_IN_THREADS": Permission(1 << 38, "Send Messages in Threads", "answers in threads and forums"),
    "EMBED_LINKS": Permission(1 << 14, "Embed Links", "the sources below an answer"),
    "READ_MESSAGE_HISTORY": Permission(1 << 16, "Read Message History", "replies, and what was missed"),
    "MANAGE_THREADS": Permission(1 << 34, "Manage Threads", "to mark posts in forums as answered"),
}
PERMISSION_BITS = sum(permission.bit for permission in PERMISSIONS.values())
# Has all others, without their bits.
ADMINISTRATOR = 1 << 3
# Whoever has it manages documents.
MANAGE_GUILD = 1 << 5

# https://docs.discord.com/developers/events/gateway#list-of-intents
INTENTS: Mapping[str, int] = {"guilds": 1 << 0, "guild_messages": 1 << 9, "dm_messages": 1 << 12}
MESSAGE_CONTENT = 1 << 15
"""The intent that has to be switched on; the others need not."""
# https://docs.discord.com/developers/resources/application#application-object-application-flags
_CONTENT_FLAGS = 1 << 18 | 1 << 19
_SNOWFLAKE = re.compile(r"[0-9]{15,20}", re.ASCII)


def has_message_content(flags: int) -> bool:
    """Whether an application with these flags may use the intent, reviewed or in its limited form."""
    return bool(flags & _CONTENT_FLAGS)


def missing(permissions: int) -> list[str]:
    """The names of the permissions that somebody with these bits lacks."""
    if permissions & ADMINISTRATOR:
        return []
    return [name for name, permission in PERMISSIONS.items() if not permissions & permission.bit]


def client_id(token: str) -> str:
    """The application's id, which a bot token begins with; empty for what is no bot token.

    Bots made before 2016 have an application with another id, which only Discord knows.
    """
    head = token.strip().partition(".")[0]
    try:
        text = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return text if _SNOWFLAKE.fullmatch(text) else ""


def invite_url(application_id: str = "") -> str:
    """Where somebody who manages a server adds the bot to it, with exactly the permissions that it needs."""
    query = {
        "client_id": application_id or NO_CLIENT_ID,
        "scope": " ".join(SCOPES),
        "permissions": str(PERMISSION_BITS),
    }
    return f"{INVITE_URL}?{urlencode(query)}"


def interactions_url(public_url: str) -> str:
    """Where Discord sends commands and buttons in HTTP mode."""
    return public_url.rstrip("/") + INTERACTIONS_PATH
