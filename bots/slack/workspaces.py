"""The workspaces that the bot is installed in: who it is there, and its calls to Slack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.calls import Calls
from bots.slack.live import Posting


@dataclass(frozen=True, slots=True)
class Workspace:
    """One installation. Its token is never printed."""

    team: str
    token: str
    bot_user: str
    bot_id: str
    calls: Calls
    posting: Posting

    def __repr__(self) -> str:
        return f"Workspace(team={self.team!r})"


class Workspaces:
    """All of them, by the team's id."""

    def __init__(self, known: Iterable[Workspace] = (), *, is_fixed: bool = False) -> None:
        """`is_fixed`: there is one, whatever name events give it."""
        self._known = {workspace.team: workspace for workspace in known}
        self._is_fixed = is_fixed
        self._expected: frozenset[str] = frozenset()
        self.arrived: Callable[[Workspace], None] = lambda _: None
        """Called with each that was not known before."""

    def find(self, team: str) -> Workspace | None:
        found = self._known.get(team)
        if found is None and self._is_fixed:
            return next(iter(self._known.values()), None)
        return found

    def expect(self, teams: Iterable[str]) -> None:
        """These have installed the bot, whether they are reached or not."""
        self._expected = frozenset(teams)

    def is_expected(self, team: str) -> bool:
        return team in self._expected

    def put(self, workspace: Workspace) -> None:
        is_new = workspace.team not in self._known
        self._known[workspace.team] = workspace
        if is_new:
            self.arrived(workspace)

    def drop(self, team: str) -> None:
        self._known.pop(team, None)

    def all(self) -> list[Workspace]:
        return list(self._known.values())


async def introduce(client: AsyncWebClient, token: str) -> Workspace:
    """Ask Slack who the bot with this token is. Raises `bots.chat.board.Refused`, `Unknown`, `Retry`."""
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
