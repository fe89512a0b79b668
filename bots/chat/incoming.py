"""What a platform's event becomes, and its form in the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.store.inbox import Entry
from core.types import Message

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message for the bot, or one in a thread that it may be in."""

    message: Message
    tags_others: bool = False
    """Another person, or a group, is tagged in it."""
    is_direct: bool = False
    """Between one person and the bot: nobody else could be meant."""
    goes_on: bool = False
    """Begins a thread where only its author talks with the bot: what they said there just before belongs to it."""
    version: float = 0.0
    """Of an edited message, when it was edited: events can come in another order."""
    place: Mapping[str, str] = field(default_factory=dict)
    """What the adapter needs to answer there: its own ids and addresses."""

    @property
    def thread(self) -> str:
        """The thread's name among all platforms: ids of threads are often unique only in their place."""
        message = self.message
        return f"{message.channel}:{message.conversation}:{message.thread or message.id}"

    def entry(self) -> Entry:
        """For the inbox. A message that addresses the bot brings it into the thread."""
        return Entry(
            key=self.message.id,
            channel=self.message.channel,
            thread=self.thread,
            payload=payload(self),
            opens=self.message.addressed,
        )


def payload(incoming: Incoming) -> Json:
    """As JSON. The history is looked up when the message is answered."""
    message = incoming.message
    return {
        "message": {
            "id": message.id,
            "channel": message.channel,
            "conversation": message.conversation,
            "author": message.author,
            "text": message.text,
            "thread": message.thread,
            "addressed": message.addressed,
            "namespace": message.namespace,
        },
        "tags_others": incoming.tags_others,
        "is_direct": incoming.is_direct,
        "goes_on": incoming.goes_on,
        "version": incoming.version,
        "place": dict(incoming.place),
    }


def incoming_of(entry: Entry) -> Incoming:
    """Raises `KeyError` or `TypeError` for what another version wrote and this one cannot read."""
    value = entry.payload
    return Incoming(
        Message(**value["message"]),
        tags_others=value["tags_others"],
        is_direct=value["is_direct"],
        goes_on=value.get("goes_on", False),
        version=value["version"],
        place=value["place"],
    )
