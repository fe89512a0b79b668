"""chat.postMessage and its relatives, and the response_url of commands and interactions."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack import events as shapes
from tests.fakes.slack.api import Arguments, method
from tests.fakes.slack.blocks import MARKDOWN, TEXT, block_problems
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.specs import CONTENTS
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Channel, Installation, Json, Message

# https://docs.slack.dev/reference/methods/chat.update gives 4,000 for the text.
UPDATE_TEXT = 4_000
# https://docs.slack.dev/interactivity/handling-user-interaction: five times, in half an hour.
_RESPONSE_USES = 5


def channel_of(slack: Stage, caller: Installation, identity: Any, *, member: bool = True) -> Channel:
    """:raises Refused: channel_not_found, is_archived, not_in_channel."""
    channel = slack.world.channels.get(str(identity))
    if channel is None and str(identity) in slack.world.users:
        channel = direct_channel(slack, caller, [str(identity)])
    if channel is None or channel.team != caller.team:
        raise Refused("channel_not_found", str(identity))
    if channel.archived:
        raise Refused("is_archived", violation=False)
    if member and caller.bot_user not in channel.members:
        # A private channel is not even known to exist.
        raise Refused("not_in_channel" if channel.kind == "C" else "channel_not_found", channel.id, violation=False)
    return channel


def direct_channel(slack: Stage, caller: Installation, users: list[str]) -> Channel:
    members = {caller.bot_user, *users}
    for channel in slack.world.channels.values():
        if channel.kind in "DM" and channel.members == members:
            return channel
    kind = "D" if len(users) == 1 else "M"
    channel = Channel(slack.world.new_id("D" if kind == "D" else "G"), "", caller.team, kind, members)
    slack.world.channels[channel.id] = channel
    return channel


def check_contents(arguments: Arguments, *, text_limit: int = TEXT) -> None:
    """:raises Refused: for what a message cannot be."""
    if not any(arguments.get(name) for name in CONTENTS):
        raise Refused("no_text")
    markdown, text = arguments.get("markdown_text"), arguments.get("text") or ""
    if markdown and (text or arguments.get("blocks")):
        raise Refused("markdown_text_conflict")
    if len(markdown or "") > MARKDOWN or len(text) > text_limit:
        raise Refused("msg_too_long", f"markdown_text {len(markdown or '')}, text {len(text)}")
    check_blocks(arguments.get("blocks"))


def check_blocks(blocks: Any, surface: str = "message") -> None:
    """:raises Refused: invalid_blocks with every problem."""
    problems = block_problems(blocks or [], surface)
    if problems:
        too_many = any(problem.startswith("blocks: at most") for problem in problems)
        raise Refused(
            "msg_blocks_too_many" if too_many and surface == "message" else "invalid_blocks", "; ".join(problems)
        )


def message_of(slack: Stage, caller: Installation, channel: Channel, ts: Any, error: str) -> Message:
    """One of the bot's own messages.

    :raises Refused: message_not_found, or `error` for somebody else's message.
    """
    message = slack.world.messages.get((channel.id, str(ts)))
    if message is None or message.deleted:
        # Somebody may have deleted it meanwhile.
        raise Refused("message_not_found", str(ts), violation=message is None)
    if message.bot_id != caller.bot_id:
        raise Refused(error, str(ts))
    return message


def new_message(slack: Stage, caller: Installation, channel: Channel, arguments: Arguments) -> Message:
    thread = arguments.get("thread_ts")
    if thread is not None and (channel.id, str(thread)) not in slack.world.messages:
        slack.violate("thread_ts", "thread_not_found", f"{channel.id} {thread}", refused=False)
    return Message(
        channel=channel.id,
        ts=slack.world.new_ts(slack.clock.now()),
        user=caller.bot_user,
        text=arguments.get("text") or "",
        team=caller.team,
        thread_ts=str(thread) if thread else None,
        blocks=list(arguments.get("blocks") or ()),
        markdown=arguments.get("markdown_text") or "",
        bot_id=caller.bot_id,
        broadcast=bool(arguments.get("reply_broadcast")),
        metadata=arguments.get("metadata"),
    )


async def announce(slack: Stage, message: Message) -> None:
    """What the bot says comes back to it as an event."""
    if slack.echo and message.ephemeral_to is None:
        await slack.emit(message.team, shapes.message_event(message, slack.channel_of(message)))


@method("chat.postMessage")
async def post_message(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"])
    check_contents(arguments)
    message = slack.remember(new_message(slack, caller, channel, arguments))
    await announce(slack, message)
    return {"channel": channel.id, "ts": message.ts, "message": shapes.message_json(message)}


@method("chat.postEphemeral")
async def post_ephemeral(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"])
    if arguments["user"] not in channel.members:
        raise Refused("user_not_in_channel", str(arguments["user"]))
    check_contents(arguments)
    message = new_message(slack, caller, channel, arguments)
    message.ephemeral_to = str(arguments["user"])
    slack.remember(message)
    return {"message_ts": message.ts}


@method("chat.update")
async def update(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"])
    message = message_of(slack, caller, channel, arguments["ts"], "cant_update_message")
    if message.ephemeral_to:
        raise Refused("message_not_found", "ephemeral messages change only by their response_url")
    if message.stream is not None and message.stream.state == "streaming":
        raise Refused("streaming_state_conflict")
    check_contents(arguments, text_limit=TEXT if arguments.get("blocks") else UPDATE_TEXT)
    await replace(slack, message, arguments)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shapes.message_json(message)}


async def replace(slack: Stage, message: Message, arguments: Arguments) -> None:
    """Say something else in its place. Blocks stay where only the text is given, as at Slack."""
    before = shapes.message_json(message)
    message.edits.append(message.shown)
    if "blocks" in arguments or "markdown_text" in arguments:
        message.blocks = list(arguments.get("blocks") or ())
        message.chunks = []
        message.markdown = arguments.get("markdown_text") or ""
    elif message.markdown:
        message.markdown = ""
    message.text = arguments.get("text") or ""
    slack.pulse()
    if slack.echo and message.ephemeral_to is None:
        ts = slack.world.new_ts(slack.clock.now())
        await slack.emit(message.team, shapes.changed_event(message, before, slack.channel_of(message), ts))


@method("chat.delete")
async def delete(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"])
    message = message_of(slack, caller, channel, arguments["ts"], "cant_delete_message")
    await forget(slack, message)
    return {"channel": channel.id, "ts": message.ts}


async def forget(slack: Stage, message: Message) -> None:
    message.deleted = True
    slack.pulse()
    if message.ephemeral_to is None and (slack.echo or message.bot_id is None):
        ts = slack.world.new_ts(slack.clock.now())
        await slack.emit(message.team, shapes.deleted_event(message, slack.channel_of(message), ts))


@method("chat.getPermalink")
async def permalink(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"])
    message = slack.world.messages.get((channel.id, str(arguments["message_ts"])))
    if message is None or message.deleted:
        raise Refused("message_not_found", violation=message is None)
    link = f"https://{caller.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


async def respond(slack: Stage, identity: str, body: Json) -> Message | None:
    """What is posted to a response_url: five times in half an hour.

    :raises Refused: used_url, or what chat.postMessage raises.
    """
    if identity not in slack.responses or slack.response_uses.get(identity, 0) >= _RESPONSE_USES:
        raise Refused("used_url", identity)
    slack.response_uses[identity] = slack.response_uses.get(identity, 0) + 1
    channel_id, original, user, thread = slack.responses[identity]
    channel = slack.world.channels[channel_id]
    if body.get("delete_original") and original is not None:
        await forget(slack, original)
        return original
    check_contents(body)
    slack.note_pings("response_url", body)
    if body.get("replace_original") and original is not None:
        await replace(slack, original, body)
        return original
    caller = slack.installation(channel.team)
    message = new_message(slack, caller, channel, {"thread_ts": thread, **body})
    public = body.get("response_type") == "in_channel"
    message.ephemeral_to = None if public else user
    slack.remember(message)
    await announce(slack, message)
    return message
