"""The workspaces that the bot is installed in: who it is there, and its calls to Slack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.calls import Calls
from bots.slack.posting import Posting


@dataclass(frozen=True, slots=True)
class Workspace:
    """One installation."""

    team: str
    token: str
    bot_user: str
    bot_id: str
    calls: Calls
    posting: Posting
    scopes: frozenset[str] = frozenset()


class Workspaces:
    """All of them, by the team's id."""

    def __init__(self, known: Mapping[str, Workspace]) -> None:
        self._known = dict(known)

    def find(self, team: str) -> Workspace | None:
        """Events of a channel that organisations share can name another team than ours: then the only one is meant."""
        found = self._known.get(team)
        if found is None and len(self._known) == 1:
            return next(iter(self._known.values()))
        return found


async def introduce(client: AsyncWebClient, token: str) -> Workspace:
    """Ask Slack who the bot with this token is. Raises `bots.slack.calls.Refused`, `Unknown`, `Retry`."""
    calls = Calls(client, token)
    me: dict[str, Any] = await calls.call("auth.test", patience=30.0)
    return Workspace(
        team=str(me["team_id"]),
        token=token,
        bot_user=str(me["user_id"]),
        bot_id=str(me.get("bot_id") or ""),
        calls=calls,
        posting=Posting(calls, str(me.get("bot_id") or "")),
    )
