"""Routes of channels and threads: looked up, opened, made from messages, posted in forums, archived, labelled."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.fakes.discord import permissions as may
from tests.fakes.discord import shapes, specs, threads
from tests.fakes.discord.api import Reply, Request, channel_of, guild_of, invalid, route
from tests.fakes.discord.contents import check_not_empty, new_message
from tests.fakes.discord.messages import message_of, need, readable
from tests.fakes.discord.refusals import (
    TAG_REQUIRED,
    THREAD_ARCHIVED,
    THREAD_EXISTS,
    UNKNOWN_USER,
    WRONG_CHANNEL_TYPE,
    Problem,
    Refused,
    forbidden,
    unknown,
)
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Channel, Json, Tag, User

_THREADS = "/channels/{channel_id}/threads"
_MEMBER = "/channels/{channel_id}/thread-members"
_MINUTES = (60, 1440, 4320, 10080)
MOST_TAGS = 5


@route("GET", "/channels/{channel_id}")
async def get(stage: Stage, request: Request) -> Json:
    channel = channel_of(stage, request.id("channel_id"))
    need(stage, channel)
    return shapes.channel_json(channel, stage.bot)


def direct_channel(stage: Stage, user: User) -> Channel:
    """Between a person and the bot."""
    for channel in stage.world.channels.values():
        if channel.kind == Channel.DM and user in channel.recipients:
            return channel
    channel = Channel(stage.world.new_id(stage.clock.now()), Channel.DM, recipients=[user, stage.bot])
    stage.world.channels[channel.id] = channel
    return channel


@route("POST", "/users/@me/channels")
async def open_direct(stage: Stage, request: Request) -> Json:
    user = stage.world.users.get(int((request.body or {}).get("recipient_id") or 0))
    if user is None:
        raise unknown("User", UNKNOWN_USER)
    if user.bot:
        raise forbidden(50007, "Cannot send messages to this user")
    return shapes.channel_json(direct_channel(stage, user), stage.bot)


@route("POST", "/channels/{channel_id}/messages/{message_id}/threads")
async def start_from_message(stage: Stage, request: Request) -> Reply:
    channel, body = channel_of(stage, request.id("channel_id")), request.body or {}
    message = message_of(stage, channel, request.id("message_id"))
    if channel.kind not in (Channel.TEXT, Channel.NEWS):
        raise Refused(400, WRONG_CHANNEL_TYPE, "Cannot execute action on this channel type")
    need(stage, channel, may.CREATE_PUBLIC_THREADS, may.READ_MESSAGE_HISTORY)
    if message.thread is not None:
        # Another process of the same application may have been quicker.
        raise Refused(400, THREAD_EXISTS, "A thread has already been created for this message", violation=False)
    if message.type not in (0, 19, 20, 23):
        raise Refused(400, 50068, "Invalid message type")
    _check_thread(body)
    thread = threads.started(
        stage, channel, body["name"], stage.bot, message=message, minutes=body.get("auto_archive_duration")
    )
    return Reply(shapes.channel_json(thread, stage.bot), 201)


@route("POST", _THREADS)
async def start(stage: Stage, request: Request) -> Reply:
    channel, body = channel_of(stage, request.id("channel_id")), request.body or {}
    _check_thread(body)
    if channel.kind == Channel.FORUM:
        return Reply(_posted(stage, channel, body, request), 201)
    specs.check_as("CreateTextThreadWithoutMessageRequest", body)
    kind = body.get("type") or Channel.PRIVATE_THREAD
    if channel.kind != Channel.TEXT or kind not in (Channel.THREAD, Channel.PRIVATE_THREAD):
        raise Refused(400, WRONG_CHANNEL_TYPE, "Cannot execute action on this channel type")
    need(stage, channel, may.CREATE_PUBLIC_THREADS if kind == Channel.THREAD else may.CREATE_PRIVATE_THREADS)
    minutes = body.get("auto_archive_duration")
    thread = threads.started(stage, channel, body["name"], stage.bot, kind=kind, minutes=minutes)
    return Reply(shapes.channel_json(thread, stage.bot), 201)


def _posted(stage: Stage, forum: Channel, body: Json, request: Request) -> Json:
    """A post and its first message, which share their id."""
    specs.check_as("CreateForumThreadRequest", body)
    need(stage, forum, may.SEND_MESSAGES)
    tags = tags_of(stage, forum, body.get("applied_tags") or [])
    thread = Channel(0, Channel.THREAD, guild=forum.guild, parent=forum)
    message = new_message(stage, thread, body["message"], request.files)
    check_not_empty(message)
    stage.note_pings(request.route, body["message"])
    minutes = body.get("auto_archive_duration")
    post = threads.started(stage, forum, body["name"], stage.bot, minutes=minutes, tags=tags)
    message.channel, message.id = post, post.id
    for file in message.files:
        file.place = post.id
    stage.remember(message)
    stage.announce(message)
    return shapes.channel_json(post, stage.bot) | {"message": readable(stage, message)}


def _check_thread(body: Json) -> None:
    if not 1 <= len(body.get("name") or "") <= 100:
        raise invalid(Problem("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length."))
    if body.get("auto_archive_duration") not in (None, *_MINUTES):
        raise invalid(Problem("auto_archive_duration", "BASE_TYPE_CHOICES", f"Must be one of {_MINUTES}."))


def tags_of(stage: Stage, forum: Channel, wanted: list[object]) -> list[Tag]:
    """:raises Refused: unknown tags, too many, or none where one is required."""
    known = {str(tag.id): tag for tag in forum.tags}
    missing = [one for one in wanted if str(one) not in known]
    if missing or len(wanted) > MOST_TAGS:
        raise invalid(Problem("applied_tags", "INVALID_FORUM_TAG", f"Unknown or more than {MOST_TAGS}: {wanted}"))
    if forum.tag_required and not wanted:
        raise Refused(400, TAG_REQUIRED, "A tag is required to create a forum post in this channel")
    tags = [known[str(one)] for one in wanted]
    if any(tag.moderated for tag in tags) and not may.permissions(stage.bot, forum) & may.MANAGE_THREADS:
        raise forbidden()
    return tags


@route("PATCH", "/channels/{channel_id}")
async def change(stage: Stage, request: Request) -> Json:
    channel, body = channel_of(stage, request.id("channel_id")), request.body or {}
    need(stage, channel)
    if not channel.is_thread or channel.parent is None:
        raise Refused(403, 50013, "Missing Permissions")
    specs.check_as("UpdateThreadRequestPartial", body)
    _check_rights(stage, channel, body)
    if "name" in body:
        _check_thread({"name": body["name"]})
        if body["name"] != channel.name:
            stage.limits.check_rename(str(channel.id))
    tags = tags_of(stage, channel.parent, body["applied_tags"]) if body.get("applied_tags") is not None else None
    threads.changed(
        stage,
        channel,
        name=body.get("name"),
        archived=body.get("archived"),
        locked=body.get("locked"),
        minutes=body.get("auto_archive_duration"),
        tags=tags,
    )
    return shapes.channel_json(channel, stage.bot)


def _check_rights(stage: Stage, thread: Channel, body: Json) -> None:
    """Its owner may do most; waking it, whoever may post there; locking it, nobody without MANAGE_THREADS."""
    allowed = may.permissions(stage.bot, thread)
    if allowed & may.MANAGE_THREADS:
        if thread.archived and body.get("archived") is not False:
            raise Refused(400, THREAD_ARCHIVED, "Thread is archived", violation=False)
        return
    if "locked" in body or thread.locked:
        raise forbidden()
    if thread.archived:
        if body.get("archived") is not False or not allowed & may.SEND_MESSAGES_IN_THREADS:
            raise Refused(400, THREAD_ARCHIVED, "Thread is archived", violation=False)
    elif thread.owner is not stage.bot:
        raise forbidden()


@route("DELETE", "/channels/{channel_id}")
async def delete(stage: Stage, request: Request) -> Json:
    channel = channel_of(stage, request.id("channel_id"))
    if channel.guild is not None:
        need(stage, channel, may.MANAGE_THREADS if channel.is_thread else 1 << 4)
        gone(stage, channel)
    return shapes.channel_json(channel, stage.bot)


def gone(stage: Stage, channel: Channel) -> None:
    """Deleted, with its threads."""
    for thread in stage.threads(channel):
        gone(stage, thread)
    body = shapes.channel_json(channel)
    stage.emit("THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE", body, channel.guild, channel=channel)
    channel.deleted = True


@route("PUT", _MEMBER + "/@me")
async def join(stage: Stage, request: Request) -> None:
    thread = _thread(stage, request)
    if thread.archived:
        raise Refused(400, THREAD_ARCHIVED, "Thread is archived", violation=False)
    threads.joined(stage, thread, stage.bot)


@route("DELETE", _MEMBER + "/@me")
async def leave(stage: Stage, request: Request) -> None:
    threads.left(stage, _thread(stage, request), stage.bot)


@route("GET", _MEMBER)
async def members(stage: Stage, request: Request) -> list[Json]:
    thread = _thread(stage, request)
    return [shapes.thread_member_json(thread, user) for user in thread.members]


@route("GET", _MEMBER + "/{user_id}")
async def member(stage: Stage, request: Request) -> Json:
    thread = _thread(stage, request)
    user = stage.bot.id if request.path["user_id"] == "@me" else request.id("user_id")
    if user not in thread.members:
        raise unknown("Member", 10007, ever=True)
    return shapes.thread_member_json(thread, user)


def _thread(stage: Stage, request: Request) -> Channel:
    thread = channel_of(stage, request.id("channel_id"))
    need(stage, thread)
    if not thread.is_thread:
        raise Refused(400, WRONG_CHANNEL_TYPE, "Cannot execute action on this channel type")
    return thread


@route("GET", "/guilds/{guild_id}/threads/active")
async def active(stage: Stage, request: Request) -> Json:
    guild = guild_of(stage, request.id("guild_id"))
    found = [
        one
        for one in stage.world.channels.values()
        if one.guild is guild and one.is_thread and not one.archived and not one.deleted and may.sees(stage.bot, one)
    ]
    return _listed(stage, sorted(found, key=lambda one: -one.id))


@route("GET", _THREADS + "/archived/public")
async def archived(stage: Stage, request: Request) -> Json:
    channel = channel_of(stage, request.id("channel_id"))
    need(stage, channel, may.READ_MESSAGE_HISTORY)
    limit, before = request.number("limit", 50), request.query.get("before")
    found = [one for one in stage.threads(channel) if one.archived and one.kind != Channel.PRIVATE_THREAD]
    found = [one for one in found if before is None or shapes.moment(one.archived_at) < _moment(before)]
    found.sort(key=lambda one: -one.archived_at)
    return _listed(stage, found[:limit]) | {"has_more": len(found) > limit}


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")


def _listed(stage: Stage, found: list[Channel]) -> Json:
    return {
        "threads": [shapes.channel_json(one, stage.bot) for one in found],
        "members": [shapes.thread_member_json(one, stage.bot.id) for one in found if stage.bot.id in one.members],
    }
