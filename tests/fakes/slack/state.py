"""What a workspace holds: people, conversations, messages as people see them, files, views."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.slack.blocks import words_of

Json = dict[str, Any]

# https://docs.slack.dev/reference/scopes: what the application is granted unless a test says otherwise.
SCOPES = frozenset(
    "app_mentions:read assistant:write channels:history channels:read chat:write commands files:read files:write "
    "groups:history groups:read im:history im:read im:write mpim:read reactions:read reactions:write team:read usergroups:read "
    "users:read users:read.email".split()
)


@dataclass
class Installation:
    """The application in one workspace. `token` is its bot token."""

    team: str
    token: str
    bot_user: str
    bot_id: str
    domain: str
    scopes: frozenset[str] = SCOPES
    refresh_token: str = ""
    expires_at: float | None = None
    revoked: bool = False


@dataclass
class User:
    id: str
    name: str
    team: str
    is_admin: bool = False
    is_owner: bool = False
    is_bot: bool = False
    is_stranger: bool = False
    """From another organisation, over Slack Connect."""
    deleted: bool = False
    tz: str = "Europe/Amsterdam"
    locale: str = "en-US"


@dataclass
class Channel:
    id: str
    name: str
    team: str
    kind: str = "C"
    """C public, G private, D direct message, M group message."""
    members: set[str] = field(default_factory=set)
    archived: bool = False
    shared: bool = False

    @property
    def channel_type(self) -> str:
        return {"C": "channel", "G": "group", "D": "im", "M": "mpim"}[self.kind]


@dataclass
class File:
    id: str
    name: str
    mimetype: str
    content: bytes
    user: str
    team: str
    title: str = ""
    channels: set[str] = field(default_factory=set)
    connect: bool = False
    """Shared from another organisation: events carry only `file_access: check_file_info`."""
    expected: int | None = None
    uploaded: bool = True
    deleted: bool = False
    announced: int | None = None
    """The size that Slack says, where it is another than the content's."""
    mode: str = "hosted"
    moved_to: str = ""
    """Its download is redirected there."""
    fetched: int = 0
    """How often its content was handed out whole."""


@dataclass
class Stream:
    last: float
    recipient: str = ""
    parts: list[str] = field(default_factory=list)
    state: str = "streaming"
    """streaming, stopped, expired, or stopped_by_user."""


@dataclass
class Message:
    channel: str
    ts: str
    user: str
    text: str
    team: str
    thread_ts: str | None = None
    blocks: list[Json] = field(default_factory=list)
    markdown: str = ""
    chunks: list[Json] = field(default_factory=list)
    """Of a stream, what is not text: tasks, plans, blocks."""
    files: list[File] = field(default_factory=list)
    bot_id: str | None = None
    subtype: str | None = None
    ephemeral_to: str | None = None
    edits: list[str] = field(default_factory=list)
    """What it said before, oldest first."""
    deleted: bool = False
    broadcast: bool = False
    stream: Stream | None = None
    metadata: Json | None = None
    reactions: dict[str, set[str]] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What a person reads: the stream's text, and the blocks, or else the text."""
        blocks = words_of(self.blocks)
        parts = [self.markdown, blocks] if self.markdown or blocks else [self.text]
        return "\n".join(part for part in parts if part)

    @property
    def root(self) -> str:
        return self.thread_ts or self.ts

    def element(self, action_id: str) -> tuple[Json, Json]:
        """The block and the element that has `action_id`.

        :raises LookupError: there is none, so nobody could press it.
        """
        return find_element(self.blocks + [b for chunk in self.chunks for b in chunk.get("blocks", ())], action_id)


def find_element(blocks: list[Json], action_id: str) -> tuple[Json, Json]:
    found = []
    for block in blocks:
        for element in [*block.get("elements", ()), block.get("accessory"), block.get("element")]:
            if isinstance(element, Mapping) and "action_id" in element:
                found.append(element["action_id"])
                if element["action_id"] == action_id:
                    return block, dict(element)
        for button in block.get("actions", ()) if block.get("type") == "card" else ():
            if button.get("action_id") == action_id:
                return block, dict(button)
    raise LookupError(f"nothing to press with action_id {action_id!r}; there are {found}")


@dataclass
class View:
    id: str
    team: str
    user: str
    payload: Json
    hash: str
    trigger: str = ""
    previous: str | None = None
    open: bool = True
    errors: Json = field(default_factory=dict)
    """Of the last submission, by block."""

    @property
    def shown(self) -> str:
        title = self.payload.get("title", {}).get("text", "")
        return "\n".join(part for part in (title, words_of(self.payload.get("blocks", []))) if part)


@dataclass(frozen=True, slots=True)
class Status:
    channel: str
    thread_ts: str
    text: str
    at: float
    loading: tuple[str, ...] = ()


@dataclass
class Workspaces:
    """All that the fake remembers. Everything is kept, also what was deleted."""

    installations: dict[str, Installation] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    posted: dict[str, list[Message]] = field(default_factory=dict)
    """By channel."""
    threads: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
    """By channel and thread_ts, without the root."""
    files: dict[str, File] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    homes: dict[str, View] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    session_states: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    titles: dict[tuple[str, str], str] = field(default_factory=dict)
    _counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _last_ts: float = 0.0

    def new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._counter):09d}"

    def new_ts(self, now: float) -> str:
        """Unique and increasing, with six digits as Slack's."""
        self._last_ts = max(round(now, 6), round(self._last_ts + 1e-6, 6))
        return f"{self._last_ts:.6f}"

    def by_token(self, token: str) -> Installation | None:
        return next((one for one in self.installations.values() if one.token == token), None)
