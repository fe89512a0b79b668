"""conversations.history and conversations.replies: what was said while the application was away."""

from __future__ import annotations

from tests.fakes.slack import events as shapes
from tests.fakes.slack.api import Arguments, method
from tests.fakes.slack.chat import channel_of
from tests.fakes.slack.pages import MOST, next_cursor, page
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Channel, Installation, Json, Message


@method("conversations.history")
async def history(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    """The newest first. Of threads only their beginnings, with `reply_count` and `latest_reply`, and what was also sent
    to the channel.
    """
    channel = channel_of(slack, caller, arguments["channel"])
    said = [m for m in _public(slack, channel) if m.thread_ts in (None, m.ts) or m.broadcast]
    return _answer(slack, _between(said[::-1], arguments), arguments)


@method("conversations.replies")
async def replies(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    """The oldest first, and before them the beginning of the thread, older than `oldest` or not."""
    channel = channel_of(slack, caller, arguments["channel"])
    ts = str(arguments["ts"])
    thread = [m for m in _public(slack, channel) if ts in (m.ts, m.thread_ts)]
    if not thread:
        raise Refused("thread_not_found", ts, violation=False)
    root = [m for m in thread if m.ts == ts]
    later = _between([m for m in thread if m.ts != ts], arguments)
    return _answer(slack, root + later, arguments, usual=MOST)


def _public(slack: Stage, channel: Channel) -> list[Message]:
    return [message for message in slack.messages(channel.id) if message.ephemeral_to is None]


def _between(messages: list[Message], arguments: Arguments) -> list[Message]:
    oldest, latest = _time(arguments, "oldest", 0.0), _time(arguments, "latest", float("inf"))
    inclusive = str(arguments.get("inclusive", "")).lower() in ("1", "true")
    return [
        message
        for message in messages
        if oldest < float(message.ts) < latest or (inclusive and float(message.ts) in (oldest, latest))
    ]


def _time(arguments: Arguments, name: str, otherwise: float) -> float:
    try:
        return float(arguments.get(name) or otherwise)
    except (TypeError, ValueError) as not_a_time:
        raise Refused(f"invalid_ts_{name}", str(arguments[name])) from not_a_time


def _answer(slack: Stage, messages: list[Message], arguments: Arguments, usual: int = 100) -> Json:
    shown, cursor = page(messages, arguments, key=lambda m: m.ts, largest=slack.largest_page, usual=usual)
    listed = [shapes.message_json(message) | _thread(slack, message) for message in shown]
    body: Json = {"messages": shapes.with_addresses(listed, slack.base), "has_more": bool(cursor)}
    return body | (next_cursor(cursor) if cursor else {})


def _thread(slack: Stage, message: Message) -> Json:
    """What only the beginning of a thread carries."""
    said = slack.world.threads.get((message.channel, message.ts), [])
    answers = [m for m in said if not m.deleted and m.ephemeral_to is None]
    if not answers:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(answers),
        "reply_users": sorted({answer.user for answer in answers}),
        "latest_reply": answers[-1].ts,
    }
