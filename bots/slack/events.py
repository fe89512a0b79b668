"""Slack's events to what they mean for the bot. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bots.chat.files import FILES
from bots.chat.incoming import Incoming
from bots.slack.file_facts import packed_files
from bots.slack.text import mentioned, question_of
from core.types import Message

Json = Mapping[str, Any]
CHANNEL = "slack"
# Messages that people write. All other subtypes are Slack's own remarks on what happened.
_WRITTEN = frozenset({None, "file_share", "thread_broadcast", "me_message"})
_SLACKBOT = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody wrote something."""

    incoming: Incoming


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody changed what they had written."""

    incoming: Incoming


@dataclass(frozen=True, slots=True)
class Deleted:
    """Somebody deleted what they had written. `key` is the message's."""

    key: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody pressed Slack's Stop button. `thread` is its name among all platforms."""

    thread: str
    team: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody opened the direct message with the bot, Slack's agent view."""

    channel: str
    user: str


@dataclass(frozen=True, slots=True)
class HomeOpened:
    """Somebody opened the Home tab. `channel` is the direct message with the bot."""

    channel: str
    user: str


@dataclass(frozen=True, slots=True)
class Left:
    """A workspace removed the bot."""

    team: str


Meaning = Said | Edited | Deleted | Stopped | Opened | HomeOpened | Left


def team_of(body: Json) -> str:
    """Which installation an event is for. In a channel that organisations share, `team_id` may be another's."""
    authorizations = body.get("authorizations") or [{}]
    return str(authorizations[0].get("team_id") or body.get("team_id") or "")


def meaning(body: Json, bot_user: str) -> Meaning | None:
    """What an event of the Events API means; None for what the bot has nothing to do with."""
    event = body.get("event") or {}
    team = team_of(body)
    kind = event.get("type")
    if kind == "agent_session_stopped" and event.get("channel") and event.get("thread_ts"):
        return Stopped(thread_of(event["channel"], event["thread_ts"]), team)
    if kind == "app_uninstalled" or (kind == "tokens_revoked" and (event.get("tokens") or {}).get("bot")):
        return Left(team)
    if kind == "app_home_opened":
        return _opened(event)
    if kind in {"message", "app_mention"} and event.get("channel"):
        return _said(event, team, bot_user)
    return None


def _said(event: Json, team: str, bot_user: str) -> Meaning | None:
    if event.get("subtype") == "message_changed":
        return _edited(event, team, bot_user)
    if event.get("subtype") == "message_deleted":
        ts = event.get("deleted_ts") or (event.get("previous_message") or {}).get("ts")
        return Deleted(key_of(event["channel"], str(ts))) if ts else None
    incoming = written(event, event, team, bot_user)
    return Said(incoming) if incoming else None


def _opened(event: Json) -> Meaning | None:
    channel, user = str(event.get("channel") or ""), str(event.get("user") or "")
    if event.get("tab") == "home" and user:
        return HomeOpened(channel, user)
    return Opened(channel, user) if event.get("tab") == "messages" and channel else None


def written(message: Json, event: Json, team: str, bot_user: str, *, is_known: bool = False) -> Incoming | None:
    """A message that a person wrote; `event` says where, when the message itself does not.

    `is_known`: it may be one that the bot was pointed to, so it counts wherever it is.
    """
    user, ts = message.get("user"), message.get("ts")
    text = str(message.get("text") or "") or _forwarded(message)
    if not user or not ts or message.get("bot_id") or user in {bot_user, _SLACKBOT}:
        return None
    if message.get("subtype") not in _WRITTEN or not (text.strip() or message.get("files")):
        return None
    channel = str(event["channel"])
    is_direct = event.get("channel_type") == "im" or (not event.get("channel_type") and channel.startswith("D"))
    tags = mentioned(text)
    addressed = is_direct or bot_user in tags
    thread = message.get("thread_ts")
    # In a channel, they are for the people there.
    files = {FILES: facts} if is_direct and (facts := packed_files(message.get("files") or ())) else {}
    if not addressed and not is_known and (thread is None or thread == ts):
        # Talk in a channel is nobody's business.
        return None
    return Incoming(
        Message(
            id=key_of(channel, ts),
            channel=CHANNEL,
            conversation=channel,
            author=str(user),
            text=question_of(text, bot_user),
            thread=str(thread or ts),
            addressed=addressed,
        ),
        tags_others=bool(tags - {bot_user}),
        is_direct=is_direct,
        goes_on=is_direct and str(thread or ts) == str(ts),
        version=float((message.get("edited") or {}).get("ts") or 0),
        place={
            "team": team,
            "user_team": str(message.get("user_team") or message.get("team") or team),
            "ts": str(ts),
            "root": str(thread or ts),
            **files,
        },
    )


def _forwarded(message: Json) -> str:
    """What somebody forwarded without a word of their own."""
    shared = (each for each in message.get("attachments") or () if each.get("is_share") or each.get("is_msg_unfurl"))
    return "\n".join(str(each.get("text") or each.get("fallback") or "") for each in shared)


def key_of(channel: str, ts: str) -> str:
    """The same for every event about one message: Slack's name of a message is its time in its channel."""
    return f"{CHANNEL}:{channel}:{ts}"


def thread_of(channel: str, root: str) -> str:
    """As `bots.chat.incoming.Incoming.thread` names it."""
    return f"{CHANNEL}:{channel}:{root}"


def _edited(event: Json, team: str, bot_user: str) -> Meaning | None:
    now, before = event.get("message") or {}, event.get("previous_message") or {}
    if now.get("subtype") == "tombstone":
        # The root of a thread that others have replied in leaves a stone behind.
        return Deleted(key_of(event["channel"], str(before.get("ts") or now.get("ts"))))
    if now.get("text") == before.get("text"):
        # Slack unfolded a link, or counted replies.
        return None
    incoming = written(now, event, team, bot_user, is_known=True)
    return Edited(incoming) if incoming else None
