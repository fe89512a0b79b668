"""Decides what becomes of a message. Pure: no clock, no database, no platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.types import DEFAULT_NAMESPACE, Message, Question, Scope


@dataclass(frozen=True, slots=True)
class Router:
    """`bindings` maps `channel:conversation` (ids, never names) to a namespace."""

    bindings: Mapping[str, str] = field(default_factory=dict)

    def route(self, message: Message) -> Question | None:
        """The question to answer, or None for a message that is not for us."""
        if message.from_bot or not message.addressed:
            return None
        return Question(
            id=message.id,
            text=message.text,
            scope=Scope(self.namespace(message), message.readers),
            history=message.history,
            # A platform's ids of threads are its own, and often only unique in their place.
            thread=message.thread and f"{message.channel}:{message.conversation}:{message.thread}",
        )

    def namespace(self, message: Message) -> str:
        """Named by the message itself, else bound to its place, else the default."""
        bound = self.bindings.get(f"{message.channel}:{message.conversation}", DEFAULT_NAMESPACE)
        return message.namespace or bound
