"""Who may ask directly, and who manages documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.discord.invocation import COMMAND, Invoked
from bots.discord.manifest import ADMINISTRATOR, MANAGE_GUILD
from bots.discord.servers import People, manages


class Servers:
    def ids(self) -> Sequence[str]:
        return ["g1", "g2"]

    def owner(self, guild: str) -> str:
        return "owner" if guild == "g2" else ""

    def role_permissions(self, guild: str) -> dict[str, int]:
        return {"g1": 0, "managers": MANAGE_GUILD, "named": 0} if guild == "g1" else {"g2": 1 << 10}


class Calls:
    def __init__(self, members: dict[tuple[str, str], list[str]], broken: bool = False) -> None:
        self.members, self.broken, self.asked = members, broken, 0

    async def call(self, method: str, path: str, *, guild_id: str, user_id: str) -> Any:
        self.asked += 1
        if self.broken:
            raise Unknown("cut")
        if (guild_id, user_id) not in self.members:
            raise Refused(path, "10007")
        return {"roles": self.members[guild_id, user_id]}


def people(calls: Calls, *named: str) -> People:
    return People(named, Servers, lambda: calls)  # type: ignore[arg-type, return-value]


def invoked(**given: Any) -> Invoked:
    return Invoked("1", "2", "t", COMMAND, {}, **{"user": "ann", "channel": "c", "guild": "g1"} | given)


@pytest.mark.parametrize(
    ("user", "roles", "is_admin"), [("ann", ["managers"], True), ("ann", [], False), ("owner", [], True)]
)
async def test_who_writes_directly_is_an_admin_if_of_any_server(user: str, roles: list[str], is_admin: bool) -> None:
    someone = people(Calls({("g1", user): roles}))
    assert (await someone.direct_rights(user)).is_admin == is_admin


async def test_discord_is_asked_once_for_a_while() -> None:
    calls = Calls({("g1", "ann"): []})
    someone = people(calls)
    for _ in range(3):
        await someone.direct_rights("ann")
        assert await someone.is_member("ann")
    assert calls.asked == 2, "one for each server"


async def test_a_stranger_is_neither_member_nor_admin() -> None:
    someone = people(Calls({}))
    assert not await someone.is_member("ann")
    assert not (await someone.direct_rights("ann")).is_admin


async def test_when_discord_does_not_tell_nobody_is_an_admin() -> None:
    someone = people(Calls({}, broken=True))
    rights = await someone.direct_rights("ann")
    assert not rights.is_admin
    assert rights.doubt
    with pytest.raises(Retry):
        await someone.is_member("ann")


@pytest.mark.parametrize(
    ("given", "named", "is_admin"),
    [
        ({"permissions": MANAGE_GUILD}, (), True),
        ({"permissions": ADMINISTRATOR}, (), True),
        ({"permissions": 1 << 11}, (), False),
        ({"roles": frozenset({"r1"})}, ("r1",), True),
        ({}, ("ann",), True),
        ({}, ("ben",), False),
    ],
)
async def test_in_a_server_the_command_itself_tells(
    given: dict[str, Any], named: tuple[str, ...], is_admin: bool
) -> None:
    calls = Calls({})
    assert (await people(calls, *named).rights(invoked(**given))).is_admin == is_admin
    assert calls.asked == 0


def test_what_manages() -> None:
    assert manages(MANAGE_GUILD)
    assert not manages((1 << 60) - 1 - MANAGE_GUILD - ADMINISTRATOR)


def test_the_token_of_an_interaction_is_not_printed() -> None:
    assert "secret" not in repr(Invoked("1", "2", "secret", COMMAND, {}, "u", "c"))
