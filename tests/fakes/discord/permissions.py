"""Who may do what where: https://docs.discord.com/developers/topics/permissions."""

from __future__ import annotations

from tests.fakes.discord.state import Channel, Guild, User

ADD_REACTIONS = 1 << 6
ADMINISTRATOR = 1 << 3
MANAGE_GUILD = 1 << 5
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
MENTION_EVERYONE = 1 << 17
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
CREATE_PUBLIC_THREADS = 1 << 35
CREATE_PRIVATE_THREADS = 1 << 36
SEND_MESSAGES_IN_THREADS = 1 << 38
ALL = (1 << 53) - 1

# What @everyone has in a new guild, of what matters here.
EVERYONE = (
    ADD_REACTIONS
    | VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | CREATE_PUBLIC_THREADS
    | SEND_MESSAGES_IN_THREADS
)
# In a direct message nobody's permissions are looked up.
DIRECT = EVERYONE & ~(CREATE_PUBLIC_THREADS | SEND_MESSAGES_IN_THREADS)


def permissions_in(guild: Guild, user: User, channel: Channel | None = None) -> int:
    """As a bit set; 0 for somebody who is not a member. A thread has those of its parent."""
    member = guild.members.get(user.id)
    if member is None:
        return 0
    base = guild.everyone.permissions
    for role in member.roles:
        base |= role.permissions
    if guild.owner is user or base & ADMINISTRATOR:
        return ALL
    place = channel.parent if channel is not None and channel.is_thread else channel
    return base if place is None else _overwritten(base, guild, place, [role.id for role in member.roles], user.id)


def _overwritten(base: int, guild: Guild, place: Channel, roles: list[int], user: int) -> int:
    everyone = place.overwrites.get(guild.id)
    if everyone is not None:
        base = base & ~everyone.deny | everyone.allow
    own = [place.overwrites[role] for role in roles if role in place.overwrites]
    allow = deny = 0
    for overwrite in own:
        allow, deny = allow | overwrite.allow, deny | overwrite.deny
    base = base & ~deny | allow
    personal = place.overwrites.get(user)
    if personal is not None:
        base = base & ~personal.deny | personal.allow
    return base if base & VIEW_CHANNEL else 0


def permissions(user: User, channel: Channel) -> int:
    """What somebody may do in a channel, a thread or a direct message."""
    if channel.guild is None:
        return DIRECT if user in channel.recipients else 0
    return permissions_in(channel.guild, user, channel)


def sees(user: User, channel: Channel) -> bool:
    if channel.kind == Channel.PRIVATE_THREAD and user.id not in channel.members:
        return bool(permissions(user, channel) & MANAGE_THREADS)
    return bool(permissions(user, channel) & VIEW_CHANNEL)


def sending(channel: Channel) -> int:
    """The permission that it takes to post there."""
    return SEND_MESSAGES_IN_THREADS if channel.is_thread else SEND_MESSAGES
