"""Who may ask and who manages documents: as the servers that are served and the settings say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.results import Rights
from bots.discord.calls import Calls
from bots.discord.invocation import Invoked
from bots.discord.manifest import ADMINISTRATOR, MANAGE_GUILD

REMEMBERED_SECONDS = 300.0
MOST_REMEMBERED = 5000
# Whoever writes directly may be an admin of any of them.
MOST_SERVERS = 50
BUSY = "Discord did not tell me in time; please try again in a minute."
log = structlog.get_logger(__name__)


class Servers(Protocol):
    """What the gateway told about the servers."""

    def ids(self) -> Sequence[str]: ...

    def owner(self, guild: str) -> str: ...

    def role_permissions(self, guild: str) -> dict[str, int]:
        """By the role's id; that of everybody has the server's id."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a person in all servers that are served."""

    is_member: bool = False
    is_admin: bool = False


class People:
    """Remembers what Discord said for five minutes. Where Discord says nothing, nobody is an admin."""

    def __init__(
        self,
        named: Sequence[str],
        servers: Callable[[], Servers],
        calls: Callable[[], Calls],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`named`: ids of people and roles that manage documents."""
        self._named = frozenset(named)
        self._servers = servers
        self._calls = calls
        self._clock = clock
        self._known: dict[str, tuple[float, Standing]] = {}

    async def rights(self, invoked: Invoked) -> Rights:
        """Of who used a command or pressed a button. Never raises: a doubt is part of the rights."""
        if invoked.user in self._named or invoked.roles & self._named:
            return Rights(is_admin=True)
        # In a server, the interaction itself tells.
        return (
            Rights(is_admin=manages(invoked.permissions)) if invoked.guild else await self.direct_rights(invoked.user)
        )

    async def direct_rights(self, user: str) -> Rights:
        """Of who writes directly: an admin of any server that is served. Never raises."""
        if user in self._named:
            return Rights(is_admin=True)
        try:
            return Rights(is_admin=(await self._standing(user)).is_admin)
        except (Refused, Unknown, Retry) as error:
            log.warning("who is an admin could not be asked", cause=str(error))
            return Rights(doubt=BUSY)

    async def is_member(self, user: str) -> bool:
        """Of a server that is served. Raises `bots.chat.desk.Retry`."""
        if user in self._named:
            return True
        try:
            return (await self._standing(user)).is_member
        except (Refused, Unknown) as error:
            raise Retry(str(error)) from error

    async def _standing(self, user: str) -> Standing:
        until, said = self._known.get(user, (0.0, Standing()))
        if self._clock() < until:
            return said
        said = await self._ask(user)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[user] = (self._clock() + REMEMBERED_SECONDS, said)
        return said

    async def _ask(self, user: str) -> Standing:
        is_member, servers = False, self._servers()
        for guild in list(servers.ids())[:MOST_SERVERS]:
            if servers.owner(guild) == user:
                return Standing(is_member=True, is_admin=True)
            try:
                member = await self._calls().call(
                    "GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild, user_id=user
                )
            except Refused:
                # Not there.
                continue
            is_member = True
            roles = {*map(str, member.get("roles") or ()), guild}
            granted = servers.role_permissions(guild)
            if roles & self._named or any(manages(granted.get(role, 0)) for role in roles):
                return Standing(is_member=True, is_admin=True)
        return Standing(is_member=is_member)


def manages(permissions: int) -> bool:
    """Whether these permissions include Manage Server."""
    return bool(permissions & (ADMINISTRATOR | MANAGE_GUILD))
