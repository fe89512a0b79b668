"""What people do and see in a channel, whichever it is: the contract suite is written in these words.

A channel joins the suite with an implementation of `ChannelDriver` and a line in `tests.contracts.channels`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from core.types import Reason, Thumb
from tests.contracts.stage import Stage

ANN, BEN, BOT = "ann", "ben", "bot"
"""Who is there. Ann asks unless a contract says otherwise."""


class Can(StrEnum):
    """What a channel can do at all. A contract that needs more than a channel can is none for it."""

    FOLLOW_UP = "a question belongs to a conversation"
    PUBLIC = "others read along and speak, and the bot hears what is not said to it"
    PRIVATE = "a question whose answer only the asker sees, in a place where others are"
    DIRECT = "a conversation between one person and the bot"
    EDIT = "what was asked can be changed"
    DELETE = "what was asked can be deleted"
    REPEAT = "the platform can deliver what was said again, late and in another order"
    AWAY = "the bot can be away while people ask"
    BREAK = "the platform can refuse what the bot sends"
    PING = "text can notify people"
    SPLIT = "messages have a longest length"
    THUMBS = "answers can be judged"
    PASSAGES = "a source can be opened"
    STOP = "an answer in the making can be stopped"
    FILES = "a message can bring a file"
    POINT = "somebody can have the bot answer another's message"
    SHOW = "the channel itself shows text to people, and does not leave that to a program"
    TIME = "a question may take only so long"
    FORWARD = "a message can consist of another one"


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that somebody said, to the bot or near it."""

    text: str
    person: str
    namespace: str
    handle: Any
    """The driver's own."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to see in answer to one message."""

    parts: tuple[str, ...]
    """One for each message of the platform, as people read it, sources included."""
    is_private: bool
    """Only the asker sees it."""
    code: tuple[str, ...] = ()
    """The same messages in the platform's own notation, where that is Markdown."""

    @property
    def text(self) -> str:
        return "\n".join(self.parts)


class ChannelDriver(Protocol):
    """One running channel with its platform. Every question has a place of its own unless it is a follow-up."""

    name: str
    can: frozenset[Can]
    stage: Stage

    async def ask(
        self,
        text: str,
        *,
        person: str = ANN,
        private: bool = False,
        direct: bool = False,
        namespace: str = "default",
        file: tuple[str, bytes] | None = None,
    ) -> Asked:
        """Say something to the bot: in a place where others are, `private`ly there, or `direct`ly."""
        ...

    async def talk(self, text: str, *, person: str = ANN, hours_ago: float = 0.0) -> Asked:
        """Say something in a place where the bot is, without addressing it; only the first of all can be long ago."""
        ...

    async def say(self, text: str, after: Asked, *, person: str = ANN, to: str = "") -> Asked:
        """Say something in the same conversation without addressing the bot; `to` tags another person, or it."""
        ...

    async def forward(self, text: str) -> Asked:
        """Send the bot, directly, a message that consists of another one."""
        ...

    async def point_at(self, said: Asked, *, person: str) -> str:
        """Have the bot answer what was said; what the person who did so is told at once."""
        ...

    async def begun(self, asked: Asked) -> None:
        """Until the first words of an answer can be seen."""
        ...

    async def seen(self, asked: Asked) -> Seen:
        """Until the bot is done with everything that was said: what there is to see then."""
        ...

    async def edit(self, asked: Asked, text: str) -> None:
        """Change it to something that is said to the bot."""
        ...

    async def edit_to_talk(self, asked: Asked, text: str, to: str) -> None:
        """Change it to something that is said to another person."""
        ...

    async def delete(self, asked: Asked) -> None: ...

    async def repeat(self, asked: Asked, *, only_first: bool = False) -> None:
        """Deliver again all that the platform ever delivered about it, or what it delivered before the last edit."""
        ...

    async def redeliver(self) -> None:
        """Deliver again what the bot did not take."""
        ...

    def away(self) -> AbstractAsyncContextManager[None]:
        """The bot is not there; what is said meanwhile it never hears of."""
        ...

    def break_platform(self) -> None:
        """The platform fails the next time that the bot says something."""
        ...

    async def stop(self, asked: Asked) -> None: ...

    async def rate(self, asked: Asked, thumb: Thumb, reason: Reason | None = None, comment: str = "") -> None: ...

    async def told(self, asked: Asked) -> str:
        """What a person was told, alone, about what they last pressed."""
        ...

    async def passage(self, asked: Asked) -> str:
        """What the first source of the answer opens."""
        ...

    def pings(self) -> list[str]:
        """What would have notified somebody."""
        ...

    def complaints(self) -> list[str]:
        """What the platform would not have taken, and did not expect."""
        ...


@dataclass(frozen=True, slots=True)
class Contract:
    """What one test needs, and of whom it is known that they break it."""

    needs: frozenset[Can]
    settings: dict[str, Any]
    broken: dict[str, str]
    """By the channel's name: why."""


Test = TypeVar("Test", bound=Callable[..., Any])


def contract(
    *needs: Can, settings: dict[str, Any] | None = None, broken: dict[str, str] | None = None
) -> Callable[[Test], Test]:
    """Makes a test a contract of all channels that can do what it needs; it takes a `driver`."""

    def marked(test: Test) -> Test:
        test.contract = Contract(frozenset(needs), settings or {}, broken or {})  # type: ignore[attr-defined]
        return test

    return marked
