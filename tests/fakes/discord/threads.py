"""Threads and forum posts: how they come to be, sleep, wake and are labelled. Used by routes and by people."""

from __future__ import annotations

from tests.fakes.discord import shapes
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import HAS_THREAD, Channel, Json, Message, Tag, User


def started(
    stage: Stage,
    parent: Channel,
    name: str,
    owner: User,
    *,
    message: Message | None = None,
    kind: int = Channel.THREAD,
    minutes: int | None = None,
    tags: list[Tag] | None = None,
) -> Channel:
    """A new thread, announced. Made from a message it has the message's id."""
    now = stage.clock.now()
    if parent.kind == Channel.NEWS and kind == Channel.THREAD:
        kind = Channel.NEWS_THREAD
    thread = Channel(
        id=message.id if message else stage.world.new_id(now),
        kind=kind,
        name=name,
        guild=parent.guild,
        parent=parent,
        owner=owner,
        created=now,
        active_at=now,
        archive_minutes=minutes or parent.archive_minutes,
        applied_tags=list(tags or ()),
    )
    stage.world.channels[thread.id] = thread
    thread.members[owner.id] = now
    told = shapes.channel_json(thread, stage.bot) | {"newly_created": True}
    stage.emit("THREAD_CREATE", told, parent.guild, channel=thread)
    if message is not None:
        _hung_on(stage, message, thread, owner)
    elif parent.kind != Channel.FORUM and kind == Channel.THREAD:
        _said_in_parent(stage, parent, thread, owner)
    return thread


def _hung_on(stage: Stage, message: Message, thread: Channel, owner: User) -> None:
    message.thread = thread
    message.flags |= HAS_THREAD
    stage.announce(message, "MESSAGE_UPDATE")
    starter = Message(stage.world.new_id(stage.clock.now()), thread, owner, "", stage.clock.now(), type=21)
    starter.reference, starter.replied = _reference(message), message
    stage.remember(starter)
    stage.announce(starter)


def _said_in_parent(stage: Stage, parent: Channel, thread: Channel, owner: User) -> None:
    said = Message(stage.world.new_id(stage.clock.now()), parent, owner, thread.name, stage.clock.now(), type=18)
    said.reference = {"type": 0, "channel_id": str(thread.id)} | _guild(thread)
    stage.remember(said)
    stage.announce(said)


def _reference(message: Message) -> Json:
    return {"type": 0, "message_id": str(message.id), "channel_id": str(message.channel.id)} | _guild(message.channel)


def _guild(channel: Channel) -> Json:
    return {"guild_id": str(channel.guild.id)} if channel.guild else {}


def joined(stage: Stage, thread: Channel, user: User) -> None:
    """Whoever speaks in a thread is in it."""
    if user.id in thread.members:
        return
    thread.members[user.id] = stage.clock.now()
    body: Json = {
        "id": str(thread.id),
        "member_count": len(thread.members),
        "added_members": [shapes.thread_member_json(thread, user.id)],
        "removed_member_ids": [],
    }
    stage.emit("THREAD_MEMBERS_UPDATE", body | _guild(thread), thread.guild, channel=thread)


def left(stage: Stage, thread: Channel, user: User) -> None:
    if thread.members.pop(user.id, None) is None:
        return
    body: Json = {"id": str(thread.id), "member_count": len(thread.members), "removed_member_ids": [str(user.id)]}
    stage.emit("THREAD_MEMBERS_UPDATE", body | {"added_members": []} | _guild(thread), thread.guild, channel=thread)


def woken(stage: Stage, channel: Channel) -> None:
    """A message in an archived thread takes it out of the archive."""
    if channel.is_thread and channel.archived:
        changed(stage, channel, archived=False)


def changed(
    stage: Stage,
    thread: Channel,
    *,
    name: str | None = None,
    archived: bool | None = None,
    locked: bool | None = None,
    minutes: int | None = None,
    tags: list[Tag] | None = None,
) -> None:
    """Announced as THREAD_UPDATE; None leaves a thing as it is."""
    if archived is not None and archived != thread.archived:
        thread.archived, thread.archived_at = archived, stage.clock.now()
        thread.active_at = stage.clock.now()
    thread.name = name if name is not None else thread.name
    thread.locked = thread.locked if locked is None else locked
    thread.archive_minutes = minutes or thread.archive_minutes
    thread.applied_tags = thread.applied_tags if tags is None else tags
    stage.emit("THREAD_UPDATE", shapes.channel_json(thread, stage.bot), thread.guild, channel=thread)


def archive_idle(stage: Stage) -> list[Channel]:
    """Archive the threads in which nothing happened for as long as they are set to. Discord does so by itself."""
    now = stage.clock.now()
    idle = [
        one
        for one in stage.world.channels.values()
        if one.is_thread and not one.archived and not one.deleted and now > one.active_at + one.archive_minutes * 60
    ]
    for thread in idle:
        changed(stage, thread, archived=True)
    return idle
