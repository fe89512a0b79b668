"""An interaction: somebody used a command, pressed a button, or filled in a dialog. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bots.discord.events import THREADS, sent_at

Json = dict[str, Any]
# https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-type
PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 1, 2, 3, 4, 5
# …#interaction-response-object-interaction-callback-type
PONG, MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, DIALOG = 1, 4, 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Invoked:
    """`channel` is where the person is, a thread perhaps, and `parent` its channel or forum."""

    id: str
    app: str
    token: str
    kind: int
    data: Mapping[str, Any]
    user: str
    channel: str
    channel_kind: int = 0
    parent: str = ""
    guild: str = ""
    roles: frozenset[str] = frozenset()
    permissions: int = 0
    """Of the person, where they are."""
    message: str = ""
    """The message with the button, or with the button that opened the dialog."""

    @property
    def conversation(self) -> str:
        """What documents are bound to."""
        return self.parent or self.channel

    @property
    def place(self) -> dict[str, str]:
        """As `bots.discord.private.InteractionBoard` wants it."""
        return {
            "app": self.app,
            "token": self.token,
            "at": str(sent_at(self.id)),
            "channel": self.channel,
            "guild": self.guild,
            **({"in_thread": "1"} if self.channel_kind in THREADS else {}),
        }

    def __repr__(self) -> str:
        # Whoever has the token can answer for the bot.
        return f"Invoked(id={self.id!r}, kind={self.kind})"


def invoked_of(body: Mapping[str, Any]) -> Invoked:
    """As Discord sends it. Raises `KeyError` or `ValueError` for what is no interaction of a person."""
    member = body.get("member") or {}
    user = member.get("user") or body.get("user") or {}
    channel = body.get("channel") or {}
    kind = int(channel.get("type") or 0)
    return Invoked(
        id=str(int(body["id"])),
        app=str(int(body["application_id"])),
        token=str(body["token"]),
        kind=int(body["type"]),
        data=body.get("data") or {},
        user=str(int(user["id"])),
        channel=str(body.get("channel_id") or channel.get("id") or ""),
        channel_kind=kind,
        parent=str(channel.get("parent_id") or "") if kind in THREADS else "",
        guild=str(body.get("guild_id") or ""),
        roles=frozenset(map(str, member.get("roles") or ())),
        permissions=int(member.get("permissions") or 0),
        message=str((body.get("message") or {}).get("id") or ""),
    )
