"""Discord's messages to what they mean for the bot. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from bots.chat.files import FILES, FileFacts, clean_name, packed
from bots.chat.incoming import Incoming
from bots.discord.text import mentioned, question_of
from core.types import Message

Json = Mapping[str, Any]
CHANNEL = "discord"
# https://docs.discord.com/developers/resources/message#message-object-message-types: what people write.
DEFAULT, REPLY = 0, 19
# https://docs.discord.com/developers/resources/channel#channel-object-channel-types
TEXT, DIRECT, ANNOUNCEMENT = 0, 1, 5
THREADS = frozenset({10, 11, 12})
FORUMS = frozenset({15, 16})
_FORWARD = 1
# Discord's time begins with 2015: https://docs.discord.com/developers/reference#snowflakes
_EPOCH_MS = 1420070400000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is. `parent` is the channel or forum of a thread."""

    channel: str
    kind: int = TEXT
    guild: str = ""
    parent: str = ""
    parent_kind: int = TEXT
    title: str = ""
    """Of a thread."""

    @property
    def is_direct(self) -> bool:
        return self.kind == DIRECT

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS

    @property
    def conversation(self) -> str:
        """What documents are bound to."""
        return self.parent or self.channel


@dataclass(frozen=True, slots=True)
class Me:
    """Who the bot is: its user, and its own role in the server of the message, where it has one."""

    user: str
    role: str = ""
    names: Mapping[str, str] | None = None
    """Of other people, roles and channels, by their ids."""


def written(message: Json, place: Place, me: Me, *, is_known: bool = False) -> Incoming | None:
    """A message that a person wrote, as the API gives it.

    `is_known`: it may be one that the bot was pointed to, so it counts wherever it is.
    """
    author = message.get("author") or {}
    if author.get("bot") or author.get("system") or message.get("webhook_id") or not author.get("id"):
        return None
    if message.get("type", DEFAULT) not in {DEFAULT, REPLY}:
        return None
    content = str(message.get("content") or "") or _forwarded(message)
    attachments = message.get("attachments") or ()
    if not (content.strip() or attachments):
        return None
    tags = mentioned(content)
    own = {me.user, me.role} - {""}
    replied = message.get("referenced_message") or {}
    replied_to = str((replied.get("author") or {}).get("id") or "")
    is_for_another = message.get("type") == REPLY and replied_to not in {"", me.user, str(author["id"])}
    is_reply_to_me = message.get("type") == REPLY and replied_to == me.user
    is_addressed = place.is_direct or bool(tags & own) or is_reply_to_me
    if not is_addressed and not is_known and not place.is_thread:
        # Talk in a channel is nobody's business.
        return None
    message_id = str(message["id"])
    files = {FILES: facts} if place.is_direct and (facts := packed(files_of(attachments))) else {}
    makes_thread = place.kind in {TEXT, ANNOUNCEMENT} and bool(place.guild)
    return Incoming(
        Message(
            id=key_of(place.channel, message_id),
            channel=CHANNEL,
            conversation=place.conversation,
            author=str(author["id"]),
            text=_titled(question_of(content, me.user, me.role, me.names or {}), place, message_id),
            # A thread made from a message has the message's id.
            thread=place.channel if place.is_thread else message_id,
            addressed=is_addressed,
        ),
        tags_others=bool(tags - own) or is_for_another or bool(message.get("mention_everyone")),
        is_direct=place.is_direct,
        goes_on=place.is_direct,
        version=_edited_at(message),
        place={
            "channel": place.channel,
            "message": message_id,
            "guild": place.guild,
            **({"makes_thread": "1"} if makes_thread else {}),
            **({"in_thread": "1"} if place.is_thread else {}),
            **({"post": "1"} if _is_post(place, message_id) else {}),
            **({"replies_to": str(replied["id"])} if is_reply_to_me and not place.is_thread else {}),
            **files,
        },
    )


def sent_at(message_id: str) -> float:
    """Seconds since 1970, by the id."""
    return ((int(message_id) >> 22) + _EPOCH_MS) / 1000


def first_id_since(seconds: float) -> int:
    """Younger messages have larger ids."""
    return max(0, int(seconds * 1000) - _EPOCH_MS) << 22


def key_of(channel: str, message: str) -> str:
    """The same for every event about one message."""
    return f"{CHANNEL}:{channel}:{message}"


def files_of(attachments: Sequence[Json]) -> list[FileFacts]:
    """What Discord says of attachments."""
    return [
        FileFacts(
            id=str(each["id"]),
            name=_file_name(each),
            size=int(each.get("size") or 0),
            media_type=str(each.get("content_type") or "")[:200],
            url=str(each.get("url") or ""),
        )
        for each in attachments
    ]


def _file_name(attachment: Json) -> str:
    """Discord keeps letters beyond ASCII in a title only, which has no ending."""
    name, title = str(attachment.get("filename") or ""), str(attachment.get("title") or "")
    return clean_name(f"{title}{PurePosixPath(name).suffix}" if title else name)


def _forwarded(message: Json) -> str:
    """What somebody forwarded without a word of their own."""
    if (message.get("message_reference") or {}).get("type") != _FORWARD:
        return ""
    snapshots = (each.get("message") or {} for each in message.get("message_snapshots") or ())
    return "\n".join(str(each.get("content") or "") for each in snapshots)


def _is_post(place: Place, message_id: str) -> bool:
    """The first message of a post in a forum has the post's id."""
    return place.parent_kind in FORUMS and place.channel == message_id


def _titled(text: str, place: Place, message_id: str) -> str:
    return f"{place.title}\n{text}".strip() if _is_post(place, message_id) else text


def _edited_at(message: Json) -> float:
    edited = message.get("edited_timestamp")
    return datetime.fromisoformat(str(edited)).timestamp() if edited else 0.0
