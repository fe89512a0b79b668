"""Gateway intents: which events a session gets. https://docs.discord.com/developers/events/gateway#gateway-intents."""

from __future__ import annotations

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
GUILD_REACTIONS = 1 << 10
GUILD_TYPING = 1 << 11
DIRECT_MESSAGES = 1 << 12
DIRECT_REACTIONS = 1 << 13
DIRECT_TYPING = 1 << 14
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT
KNOWN = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25

_MESSAGES = "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK".split()
_REACTIONS = "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE".split()
_MEMBERS = "GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE".split()


def needed(event: str, *, direct: bool) -> int:
    """The intents of which one is enough; 0: none is needed."""
    if event in _MESSAGES:
        return DIRECT_MESSAGES if direct else GUILD_MESSAGES
    if event in _REACTIONS:
        return DIRECT_REACTIONS if direct else GUILD_REACTIONS
    if event == "TYPING_START":
        return DIRECT_TYPING if direct else GUILD_TYPING
    if event in _MEMBERS:
        return GUILD_MEMBERS
    if event == "THREAD_MEMBERS_UPDATE":
        return GUILDS | GUILD_MEMBERS
    return GUILDS if event.startswith(("GUILD_", "CHANNEL_", "THREAD_")) else 0
