"""Who manages documents in a workspace: those whom the settings name, or else its admins and owners."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.results import Rights
from bots.slack.calls import Calls
from bots.slack.workspaces import Workspace

REMEMBERED_SECONDS = 300.0
PATIENCE_SECONDS = 5.0
MOST_REMEMBERED = 5000
# https://docs.slack.dev/reference/methods/users.info: what makes somebody an admin of the workspace.
_ADMIN = ("is_admin", "is_owner", "is_primary_owner")
# Of other organisations, or guests, or gone: an admin of theirs is none of ours.
_OUTSIDER = ("is_stranger", "is_restricted", "is_ultra_restricted", "is_bot", "deleted")
_SCOPES = {"users.info": "users:read", "usergroups.users.list": "usergroups:read"}
BUSY = "Slack did not tell me in time; please try again in a minute."
Ask = Callable[[Calls, str, str], Awaitable[frozenset[str]]]
log = structlog.get_logger(__name__)


class Admins:
    """Remembers what Slack said for five minutes. Where Slack says nothing, nobody is an admin.

    :param named: ids of people and of user groups; empty means the workspace's admins and owners.
    """

    def __init__(self, named: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._groups = [each for each in named if each.startswith("S")]
        self._people = frozenset(named) - frozenset(self._groups)
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def rights(self, workspace: Workspace, user: str) -> Rights:
        """Never raises: a doubt is part of the rights."""
        if user in self._people:
            return Rights(is_admin=True)
        if self._people and not self._groups:
            return Rights()
        try:
            return Rights(is_admin=await self._is_admin(workspace, user))
        except Refused as error:
            log.warning("who is an admin could not be asked", cause=str(error))
            return Rights(doubt=_explained(error))
        except (Unknown, Retry) as error:
            log.warning("who is an admin could not be asked", cause=str(error))
            return Rights(doubt=BUSY)

    async def _is_admin(self, workspace: Workspace, user: str) -> bool:
        if not self._groups:
            return bool(await self._remembered(workspace, user, _standing))
        doubt: Refused | None = None
        for group in self._groups:
            try:
                if user in await self._remembered(workspace, group, _members):
                    return True
            except Refused as error:
                doubt = error
        if doubt is not None:
            raise doubt
        return False

    async def _remembered(self, workspace: Workspace, name: str, ask: Ask) -> Collection[str]:
        """What Slack says of a person or a group, asked once by all who wait for it."""
        key = (workspace.team, name)
        async with self._locks.setdefault(key, asyncio.Lock()):
            until, said = self._known.get(key, (0.0, frozenset()))
            if self._clock() < until:
                return said
            self._forget()
            said = await ask(workspace.calls, workspace.team, name)
            self._known[key] = (self._clock() + REMEMBERED_SECONDS, said)
            return said

    def _forget(self) -> None:
        if len(self._locks) < MOST_REMEMBERED:
            return
        now = self._clock()
        self._known = {key: value for key, value in self._known.items() if now < value[0]}
        self._locks = {key: lock for key, lock in self._locks.items() if key in self._known or lock.locked()}


async def _standing(calls: Calls, team: str, user: str) -> frozenset[str]:
    """The person alone, or nobody."""
    reply = await calls.call("users.info", patience=PATIENCE_SECONDS, user=user)
    return frozenset({user}) if is_admin(reply.get("user") or {}, team) else frozenset()


async def _members(calls: Calls, _team: str, group: str) -> frozenset[str]:
    reply = await calls.call("usergroups.users.list", patience=PATIENCE_SECONDS, usergroup=group)
    return frozenset(map(str, reply.get("users") or ()))


def is_admin(user: Mapping[str, Any], team: str) -> bool:
    """Whether somebody, as `users.info` shows them, is an admin or owner of this very workspace."""
    of_grid = (user.get("enterprise_user") or {}).get("teams") or ()
    is_ours = user.get("team_id") == team or team in of_grid
    return is_ours and any(user.get(each) for each in _ADMIN) and not any(user.get(each) for each in _OUTSIDER)


def _explained(error: Refused) -> str:
    method = str(error).partition(":")[0]
    if error.error == "missing_scope":
        return (
            f"The app lacks the scope `{_SCOPES.get(method, '')}`: give it the present manifest of "
            "`lorekeeper init slack`, and install it again."
        )
    if error.error == "no_such_subteam":
        return "A user group in the setting `slack.admins` does not exist."
    return "Slack did not want to tell me."
