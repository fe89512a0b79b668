"""Messages of channels: sent, edited, deleted, read, reacted to; and the bot typing."""

from __future__ import annotations

from tests.fakes.discord import permissions as may
from tests.fakes.discord.api import Request, channel_of, invalid, route
from tests.fakes.discord.contents import apply_edit, check_not_empty, new_message
from tests.fakes.discord.intents import MESSAGE_CONTENT
from tests.fakes.discord.message_shapes import blanked, message_json, snapshot
from tests.fakes.discord.refusals import (
    DMS_CLOSED,
    MISSING_ACCESS,
    NO_REPLY_WITHOUT_HISTORY,
    NOT_A_TEXT_CHANNEL,
    NOT_YOURS,
    THREAD_ARCHIVED,
    UNKNOWN_EMOJI,
    UNKNOWN_MESSAGE,
    Problem,
    Refused,
    forbidden,
    unknown,
)
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Channel, Json, Message, Typing, User
from tests.fakes.discord.threads import joined, woken

_MESSAGE = "/channels/{channel_id}/messages/{message_id}"
# "in the past few minutes": https://docs.discord.com/developers/resources/message#create-message
_NONCE_S = 300.0


def need(stage: Stage, channel: Channel, *wanted: int) -> None:
    """:raises Refused: 50001 where the bot sees nothing, 50013 where it may not do what is `wanted`."""
    allowed = may.permissions(stage.bot, channel)
    if not may.sees(stage.bot, channel):
        raise forbidden(MISSING_ACCESS)
    if any(not allowed & one for one in wanted):
        raise forbidden()


def message_of(stage: Stage, channel: Channel, identity: int) -> Message:
    """:raises Refused: 10008, also for what only somebody else sees."""
    message = stage.world.messages.get(identity)
    if message is None or message.deleted or message.channel is not channel or message.ephemeral_to is not None:
        raise unknown("Message", UNKNOWN_MESSAGE, ever=message is not None)
    return message


def readable(stage: Stage, message: Message) -> Json:
    """As the bot gets it, with addresses of files that work from now on."""
    for file in message.files:
        file.signed_at = stage.clock.now()
    body = message_json(message, stage.base)
    return body if stage.application.intents & MESSAGE_CONTENT else blanked(body, message, stage.bot)


def need_to_send(stage: Stage, channel: Channel, body: Json, *, with_files: bool) -> None:
    """:raises Refused: for a place where the bot cannot post, or not that."""
    if channel.kind == Channel.FORUM:
        raise Refused(400, NOT_A_TEXT_CHANNEL, "Cannot send messages in a non-text channel")
    wanted = [may.sending(channel)]
    wanted += [may.EMBED_LINKS] if body.get("embeds") else []
    wanted += [may.ATTACH_FILES] if with_files else []
    need(stage, channel, *wanted)
    if channel.archived and channel.locked and not may.permissions(stage.bot, channel) & may.MANAGE_THREADS:
        raise Refused(400, THREAD_ARCHIVED, "Thread is archived", violation=False)
    closed = [user for user in channel.recipients if not user.dms_open and user is not stage.bot]
    if closed:
        raise forbidden(DMS_CLOSED, "Cannot send messages to this user")


@route("POST", "/channels/{channel_id}/messages")
async def create(stage: Stage, request: Request) -> Json:
    channel, body = channel_of(stage, request.id("channel_id")), request.body or {}
    need_to_send(stage, channel, body, with_files=bool(request.files))
    said_before = _said_before(stage, channel, body)
    if said_before is not None:
        return readable(stage, said_before)
    message = new_message(stage, channel, body, request.files)
    _refer(stage, message, body)
    check_not_empty(message)
    stage.note_pings(request.route, body, message.replied.author.id if message.replied else None)
    post(stage, message)
    return readable(stage, message) | ({"nonce": message.nonce} if message.nonce else {})


def post(stage: Stage, message: Message) -> None:
    """The message appears, and wakes its thread."""
    channel = message.channel
    if message.ephemeral_to is None:
        woken(stage, channel)
    if channel.is_thread and message.ephemeral_to is None:
        joined(stage, channel, message.author)
    stage.remember(message)
    stage.announce(message)


def _said_before(stage: Stage, channel: Channel, body: Json) -> Message | None:
    if not body.get("enforce_nonce") or body.get("nonce") is None:
        return None
    since = stage.clock.now() - _NONCE_S
    mine = [one for one in stage.messages(channel, by_bot=True) if one.created > since]
    return next((one for one in mine if one.nonce == str(body["nonce"])), None)


def _refer(stage: Stage, message: Message, body: Json) -> None:
    """Makes it a reply, or a forwarded message."""
    reference = body.get("message_reference")
    if not reference:
        return
    place = message.channel
    if reference.get("type") == 1 and reference.get("channel_id"):
        place = channel_of(stage, int(reference["channel_id"]))
    found = stage.world.messages.get(int(reference["message_id"]))
    if found is None or found.deleted or found.channel is not place or found.ephemeral_to is not None:
        if reference.get("fail_if_not_exists", True) is False:
            return
        unknown_reference = Problem("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        refused = invalid(unknown_reference)
        refused.violation = found is None
        raise refused
    if place.guild is not None and not may.permissions(stage.bot, place) & may.READ_MESSAGE_HISTORY:
        raise forbidden(NO_REPLY_WITHOUT_HISTORY, "Cannot reply without permission to read message history")
    refer(stage, message, found, forward=reference.get("type") == 1)
    if message.type == 19:
        allowed = body.get("allowed_mentions")
        if allowed is None or allowed.get("replied_user"):
            message.mentions = list(dict.fromkeys([*message.mentions, found.author]))


def refer(stage: Stage, message: Message, found: Message, *, forward: bool) -> None:
    guild = found.channel.guild
    message.reference = {
        "type": 1 if forward else 0,
        "message_id": str(found.id),
        "channel_id": str(found.channel.id),
    } | ({"guild_id": str(guild.id)} if guild else {})
    if forward:
        message.snapshots = [snapshot(found, stage.base)]
    else:
        message.type, message.replied = 19, found


@route("GET", "/channels/{channel_id}/messages")
async def history(stage: Stage, request: Request) -> list[Json]:
    """The newest first."""
    channel = channel_of(stage, request.id("channel_id"))
    need(stage, channel)
    if not may.permissions(stage.bot, channel) & may.READ_MESSAGE_HISTORY:
        return []
    limit = request.number("limit", 50)
    if not 1 <= limit <= 100:
        raise invalid(Problem("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100."))
    there = [one for one in stage.messages(channel) if one.ephemeral_to is None]
    chosen = _around(there, request, limit)
    return [readable(stage, one) for one in reversed(chosen)]


def _around(there: list[Message], request: Request, limit: int) -> list[Message]:
    if "after" in request.query:
        after = request.number("after", 0)
        return [one for one in there if one.id > after][:limit]
    if "before" in request.query:
        before = request.number("before", 0)
        return [one for one in there if one.id < before][-limit:]
    if "around" in request.query:
        around = request.number("around", 0)
        older = [one for one in there if one.id <= around][-(limit // 2 + 1) :]
        return (older + [one for one in there if one.id > around][: limit // 2])[:limit]
    return there[-limit:]


@route("GET", _MESSAGE)
async def get(stage: Stage, request: Request) -> Json:
    channel = channel_of(stage, request.id("channel_id"))
    need(stage, channel, may.READ_MESSAGE_HISTORY)
    return readable(stage, message_of(stage, channel, request.id("message_id")))


@route("PATCH", _MESSAGE)
async def edit(stage: Stage, request: Request) -> Json:
    channel, body = channel_of(stage, request.id("channel_id")), request.body or {}
    need(stage, channel)
    message = message_of(stage, channel, request.id("message_id"))
    if message.author is not stage.bot:
        raise Refused(403, NOT_YOURS, "Cannot edit a message authored by another user")
    if channel.archived:
        raise Refused(400, THREAD_ARCHIVED, "Thread is archived", violation=False)
    if body.get("embeds"):
        need(stage, channel, may.EMBED_LINKS)
    apply_edit(stage, message, body, request.files)
    stage.note_pings(request.route, body)
    stage.announce(message, "MESSAGE_UPDATE")
    return readable(stage, message)


@route("DELETE", _MESSAGE)
async def delete(stage: Stage, request: Request) -> None:
    channel = channel_of(stage, request.id("channel_id"))
    need(stage, channel)
    message = message_of(stage, channel, request.id("message_id"))
    if message.author is not stage.bot:
        need(stage, channel, may.MANAGE_MESSAGES)
    removed(stage, message)


def removed(stage: Stage, message: Message) -> None:
    message.deleted = True
    channel = message.channel
    body: Json = {"id": str(message.id), "channel_id": str(channel.id)}
    body |= {"guild_id": str(channel.guild.id)} if channel.guild else {}
    if message.ephemeral_to is None:
        stage.emit("MESSAGE_DELETE", body, channel.guild, channel=channel)


@route("POST", "/channels/{channel_id}/typing")
async def typing(stage: Stage, request: Request) -> None:
    channel = channel_of(stage, request.id("channel_id"))
    need(stage, channel, may.sending(channel))
    stage.world.typing.append(Typing(channel, stage.clock.now()))


@route("PUT", _MESSAGE + "/reactions/{emoji_name}/@me")
async def react(stage: Stage, request: Request) -> None:
    channel = channel_of(stage, request.id("channel_id"))
    message = message_of(stage, channel, request.id("message_id"))
    emoji = request.path["emoji_name"]
    if emoji.isascii() and ":" not in emoji:
        raise Refused(400, UNKNOWN_EMOJI, "Unknown Emoji")
    new = [] if emoji in message.reactions else [may.ADD_REACTIONS]
    need(stage, channel, may.READ_MESSAGE_HISTORY, *new)
    reacted(stage, message, stage.bot, emoji)


@route("DELETE", _MESSAGE + "/reactions/{emoji_name}/@me")
async def unreact(stage: Stage, request: Request) -> None:
    channel = channel_of(stage, request.id("channel_id"))
    message = message_of(stage, channel, request.id("message_id"))
    need(stage, channel, may.READ_MESSAGE_HISTORY)
    emoji = request.path["emoji_name"]
    if stage.bot.id not in message.reactions.get(emoji, set()):
        raise unknown("Emoji", UNKNOWN_EMOJI, ever=True)
    reacted(stage, message, stage.bot, emoji, gone=True)


def reacted(stage: Stage, message: Message, user: User, emoji: str, *, gone: bool = False) -> None:
    channel = message.channel
    there = message.reactions.setdefault(emoji, set())
    there.discard(user.id) if gone else there.add(user.id)
    if not there:
        del message.reactions[emoji]
    body: Json = {
        "user_id": str(user.id),
        "channel_id": str(channel.id),
        "message_id": str(message.id),
        "emoji": {"id": None, "name": emoji},
        "burst": False,
        "type": 0,
    } | ({"guild_id": str(channel.guild.id)} if channel.guild else {})
    name = "MESSAGE_REACTION_REMOVE" if gone else "MESSAGE_REACTION_ADD"
    if not gone:
        body["message_author_id"] = str(message.author.id)
    stage.emit(name, body, channel.guild, channel=channel)
