"""What Discord holds: people, guilds, channels, messages as people see them, files, commands, interactions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.fakes.discord.components import find, walk, words_of

Json = dict[str, Any]

EPOCH_MS = 1_420_070_400_000
LOADING, EPHEMERAL, HAS_THREAD, COMPONENTS_V2 = 1 << 7, 1 << 6, 1 << 5, 1 << 15
SNAPSHOT = 1 << 14


@dataclass(eq=False)
class User:
    id: int
    name: str
    bot: bool = False
    dms_open: bool = True
    locale: str = "en-US"

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: int = 0
    position: int = 1
    mentionable: bool = False
    managed: bool = False


@dataclass(eq=False)
class Member:
    user: User
    roles: list[Role] = field(default_factory=list)
    joined: float = 0.0
    nick: str | None = None


@dataclass(eq=False)
class Guild:
    id: int
    name: str
    owner: User
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    locale: str = "en-US"

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Of a role (type 0) or a member (type 1)."""

    type: int
    allow: int = 0
    deny: int = 0


@dataclass(eq=False)
class Tag:
    id: int
    name: str
    moderated: bool = False


@dataclass(eq=False)
class Channel:
    """A channel, a thread, a forum post or a direct message."""

    TEXT: ClassVar[int] = 0
    DM: ClassVar[int] = 1
    NEWS: ClassVar[int] = 5
    NEWS_THREAD: ClassVar[int] = 10
    THREAD: ClassVar[int] = 11
    PRIVATE_THREAD: ClassVar[int] = 12
    FORUM: ClassVar[int] = 15

    id: int
    kind: int
    name: str = ""
    guild: Guild | None = None
    parent: Channel | None = None
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    recipients: list[User] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    tag_required: bool = False
    topic: str | None = None
    position: int = 0
    deleted: bool = False
    # Of threads
    owner: User | None = None
    created: float = 0.0
    archived: bool = False
    archived_at: float = 0.0
    locked: bool = False
    archive_minutes: int = 1440
    applied_tags: list[Tag] = field(default_factory=list)
    members: dict[int, float] = field(default_factory=dict)
    """Of threads: who joined, and when."""
    active_at: float = 0.0
    last_message: int | None = None
    said: int = 0
    """Messages that were ever posted, without the first of a thread."""

    @property
    def is_thread(self) -> bool:
        return self.kind in (self.NEWS_THREAD, self.THREAD, self.PRIVATE_THREAD)

    @property
    def is_post(self) -> bool:
        return self.is_thread and self.parent is not None and self.parent.kind == self.FORUM

    @property
    def mention(self) -> str:
        return f"<#{self.id}>"

    @property
    def tag_names(self) -> list[str]:
        return [tag.name for tag in self.applied_tags]


@dataclass(eq=False)
class File:
    """An attachment; somewhere once it is sent."""

    id: int
    name: str
    content: bytes
    content_type: str | None = None
    description: str | None = None
    place: int = 0
    """The channel's id; of an option of a command, the application's."""
    ephemeral: bool = False
    announced: int | None = None
    """The size that Discord says, where it is another than the content's."""
    signed_at: float = 0.0
    deleted: bool = False
    fetched: int = 0
    """How often its content was handed out whole."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a message said until `at`."""

    at: float
    content: str
    embeds: list[Json]
    components: list[Json]
    flags: int = 0


@dataclass(eq=False)
class Message:
    id: int
    channel: Channel
    author: User
    content: str
    created: float
    type: int = 0
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    flags: int = 0
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[Role] = field(default_factory=list)
    mention_everyone: bool = False
    reference: Json | None = None
    replied: Message | None = None
    snapshots: list[Json] = field(default_factory=list)
    edited: float | None = None
    edits: list[Version] = field(default_factory=list)
    """What it said before, oldest first."""
    deleted: bool = False
    nonce: str | None = None
    ephemeral_to: User | None = None
    interaction: Interaction | None = None
    """That it answers."""
    webhook: int | None = None
    reactions: dict[str, set[int]] = field(default_factory=dict)
    thread: Channel | None = None

    @property
    def loading(self) -> bool:
        """Shown as "is thinking"."""
        return bool(self.flags & LOADING)

    @property
    def shown(self) -> str:
        """What a person reads: the content, the embeds and the text of the components."""
        return "\n".join(part for part in (self.content, *map(words_of_embed, self.embeds), self.said) if part)

    @property
    def said(self) -> str:
        """The text of the components."""
        return words_of(self.components)

    def parts(self) -> Iterator[Json]:
        """All components, those inside others too."""
        return walk(self.components)

    def component(self, custom_id: str = "", *, label: str = "") -> Json:
        """What has that custom_id, or says that.

        :raises LookupError: there is none, so nobody could press it.
        """
        return find(self.components, custom_id, label)

    @property
    def url(self) -> str:
        guild = self.channel.guild
        return f"https://discord.com/channels/{guild.id if guild else '@me'}/{self.channel.id}/{self.id}"


def words_of_embed(embed: Json) -> str:
    fields = [part for one in embed.get("fields", ()) for part in (one["name"], one["value"])]
    footer = (embed.get("footer") or {}).get("text")
    author = (embed.get("author") or {}).get("name")
    return "\n".join(part for part in (author, embed.get("title"), embed.get("description"), *fields, footer) if part)


@dataclass(eq=False)
class Modal:
    """A dialog that one person sees."""

    custom_id: str
    title: str
    components: list[Json]
    user: User
    interaction: Interaction
    open: bool = True

    @property
    def shown(self) -> str:
        return "\n".join(part for part in (self.title, words_of(self.components)) if part)


@dataclass(eq=False)
class Interaction:
    """Something that a person did with the application's things, and what became of it."""

    PING: ClassVar[int] = 1
    COMMAND: ClassVar[int] = 2
    COMPONENT: ClassVar[int] = 3
    AUTOCOMPLETE: ClassVar[int] = 4
    MODAL: ClassVar[int] = 5

    id: int
    token: str
    kind: int
    user: User
    channel: Channel
    data: Json
    created: float
    message: Message | None = None
    """That the component is on."""
    sent: float = 0.0
    """`time.monotonic()`"""
    acked: float | None = None
    """`time.monotonic()` of the first answer."""
    answer: int | None = None
    """The type of the first answer."""
    response: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[Json] = field(default_factory=list)
    modal: Modal | None = None
    parent: Interaction | None = None
    """Of a modal: what opened it."""
    statuses: list[int] = field(default_factory=list)
    """By HTTP: how the application answered; 0: not at all."""

    @property
    def ack_seconds(self) -> float:
        return self.acked - self.sent if self.acked is not None else float("inf")

    @property
    def messages(self) -> list[Message]:
        """All that came in answer."""
        first = [self.response] if self.response is not None and self.response is not self.message else []
        return [one for one in first + self.followups if not one.deleted]


@dataclass(frozen=True, slots=True)
class Typing:
    channel: Channel
    at: float


@dataclass(eq=False)
class Application:
    """The bot."""

    id: int
    name: str
    user: User
    token: str
    verify_key: str
    owner: User
    flags: int = 0
    intents: int = 0
    """Privileged intents that it is granted."""
    endpoint: str | None = None
    description: str = ""
    details: Json = field(default_factory=dict)
    """Whatever else an edit of the application set."""


@dataclass
class World:
    """All that the fake remembers. Everything is kept, also what was deleted."""

    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    posted: dict[int, list[Message]] = field(default_factory=dict)
    """By channel."""
    files: dict[int, File] = field(default_factory=dict)
    commands: dict[int | None, dict[int, Json]] = field(default_factory=dict)
    """By guild, None for those of everywhere; then by id."""
    interactions: dict[int, Interaction] = field(default_factory=dict)
    modals: list[Modal] = field(default_factory=list)
    typing: list[Typing] = field(default_factory=list)
    _counter: itertools.count[int] = field(default_factory=itertools.count)

    def new_id(self, now: float) -> int:
        """A snowflake: unique, and in the order of time."""
        return (int(now * 1000) - EPOCH_MS) << 22 | next(self._counter) & 0x3FFFFF
