"""What the doctor says about Discord, after asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import pytest

from bots.discord import check as module
from bots.discord.check import check, reply
from bots.discord.manifest import PERMISSION_BITS, PERMISSIONS, invite_url
from core.health import Check, State
from core.settings import Settings
from tests.fakes.discord import FakeDiscord, fake_discord

URL = "https://lore.example.org"
ENDPOINT = f"{URL}/discord/interactions"
ME, APPLICATION, SERVERS, CONNECTING = (
    "GET /users/@me", "GET /applications/@me", "GET /users/@me/guilds", "GET /gateway/bot"
)  # fmt: skip
NAMES = [
    "discord bot", "discord intents", "discord invitations", "discord interactions", "discord permissions",
    "discord gateway",
]  # fmt: skip


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """A bot with exactly the permissions of the invite link. Wrong tokens are what these tests are about."""
    async with fake_discord() as fake:
        fake.application.details["bot_public"] = False
        fake.bot_role.permissions = PERMISSION_BITS
        fake.guild.everyone.permissions = 0
        yield fake


async def checked(discord: FakeDiscord, public_url: str = "", **changes: Any) -> dict[str, Check]:
    """By name. No line may hold the token."""
    given: dict[str, Any] = {"token": discord.token, "api_url": discord.api_url}
    settings = Settings.model_validate({"discord": given | changes, "server": {"public_url": public_url}})
    checks = await check(settings)
    secret = settings.discord.token.get_secret_value().strip()
    assert not secret or all(secret not in each.detail + each.remedy for each in checks)
    assert len({each.name for each in checks}) == len(checks)
    return {each.name: each for each in checks}


async def test_without_a_token_it_is_off_and_nobody_is_asked(discord: FakeDiscord) -> None:
    found = await checked(discord, token="")
    assert list(found.values()) == [Check("discord", State.OK, "off (no token set)", "")]
    assert discord.calls == []


async def test_a_public_key_alone_leaves_it_off_and_the_token_is_named(discord: FakeDiscord) -> None:
    (only,) = (await checked(discord, token="", public_key="a" * 64)).values()
    assert only.state is State.DEGRADED
    assert "off: DISCORD_TOKEN" in only.detail
    assert "lorekeeper init discord" in only.remedy


async def test_when_all_is_well_bot_application_and_connection_are_told(discord: FakeDiscord) -> None:
    found = await checked(discord)
    assert list(found) == NAMES
    assert {each.state for each in found.values()} == {State.OK}
    assert {each.remedy for each in found.values()} == {""}
    assert found["discord bot"].detail == "lorekeeper of the application Lorekeeper"
    assert found["discord permissions"].detail == f"all {len(PERMISSIONS)} are granted in 1 server"
    assert found["discord interactions"].detail == "over the connection"
    assert "1000 of 1000 starts left" in found["discord gateway"].detail
    assert discord.violations == []


async def test_a_token_that_discord_does_not_know_is_asked_about_once(discord: FakeDiscord) -> None:
    found = await checked(discord, token="MTAwMDAwMDAwMDAwMDAwMDAw.Gabcde.another-one")
    assert list(found) == ["discord bot"]
    assert found["discord bot"].state is State.FAILED
    assert "does not know this token" in found["discord bot"].detail
    assert "Reset Token" in found["discord bot"].remedy
    assert "DISCORD_TOKEN" in found["discord bot"].remedy
    assert len(discord.calls) == 1


async def test_a_token_that_was_reset_is_told(discord: FakeDiscord) -> None:
    await discord.revoke_token()
    assert "it was reset" in (await checked(discord))["discord bot"].detail


async def test_what_has_not_the_form_of_a_token_is_told(discord: FakeDiscord) -> None:
    found = await checked(discord, token="a-client-secret")
    assert found["discord bot"].state is State.FAILED
    assert "is no bot token" in found["discord bot"].detail


@pytest.mark.parametrize("spoilt", ["Bot {}", "{}\nX-Other: 1", "{}\x00x", "“{}”"])
async def test_a_token_that_was_copied_with_too_much_is_not_even_sent(discord: FakeDiscord, spoilt: str) -> None:
    found = await checked(discord, token=spoilt.format(discord.token))
    assert found["discord bot"].state is State.FAILED
    assert "characters that no token has" in found["discord bot"].detail
    assert discord.calls == []


async def test_space_around_a_token_does_no_harm(discord: FakeDiscord) -> None:
    assert (await checked(discord, token=f" {discord.token}\n"))["discord bot"].state is State.OK


async def test_without_message_content_it_is_told_what_works_and_what_does_not(discord: FakeDiscord) -> None:
    discord.application.flags &= ~(1 << 19)
    intents = (await checked(discord))["discord intents"]
    assert intents.state is State.DEGRADED
    assert "mentions, replies, direct messages and commands work" in intents.detail
    assert "Message Content Intent" in intents.remedy


async def test_a_bot_that_anybody_can_add_to_a_server_is_told(discord: FakeDiscord) -> None:
    discord.application.details["bot_public"] = True
    found = (await checked(discord))["discord invitations"]
    assert found.state is State.DEGRADED
    assert "anybody can add the bot" in found.detail
    assert "Public Bot" in found.remedy
    assert "discord.servers" in found.remedy


async def test_where_the_servers_are_named_only_these_count(discord: FakeDiscord) -> None:
    discord.application.details["bot_public"] = True
    discord.add_guild("club").everyone.permissions = 0
    found = await checked(discord, servers=[str(discord.guild.id)])
    assert found["discord invitations"].state is State.OK
    assert found["discord permissions"].detail == f"all {len(PERMISSIONS)} are granted in 1 server"
    found = await checked(discord, servers=["1"])
    assert found["discord permissions"].detail == "the bot is in none of the servers in discord.servers"


async def test_missing_permissions_are_named_by_server_and_what_is_lost(discord: FakeDiscord) -> None:
    discord.bot_role.permissions &= ~(PERMISSIONS["EMBED_LINKS"].bit | PERMISSIONS["MANAGE_THREADS"].bit)
    found = (await checked(discord))["discord permissions"]
    assert found.state is State.DEGRADED
    assert found.detail == (
        "missing in acme: Embed Links (the sources below an answer), Manage Threads (to mark posts in forums as answered)"
    )
    assert invite_url(str(discord.application.id)) in found.remedy


async def test_an_administrator_lacks_nothing(discord: FakeDiscord) -> None:
    discord.bot_role.permissions = 1 << 3
    assert (await checked(discord))["discord permissions"].state is State.OK


async def test_of_many_servers_the_first_that_lack_something_are_named(discord: FakeDiscord) -> None:
    for number in range(5):
        other = discord.add_guild(f"club\x1b[3{number}m")
        other.everyone.permissions = other.members[discord.bot.id].roles[0].permissions = 0
    found = (await checked(discord))["discord permissions"]
    assert "in acme" not in found.detail
    assert "and in 2 more servers" in found.detail
    assert "\x1b" not in found.detail


async def test_a_bot_in_no_server_has_to_be_invited(discord: FakeDiscord) -> None:
    discord.kick_bot()
    found = (await checked(discord))["discord permissions"]
    assert (found.state, found.detail) == (State.DEGRADED, "the bot is in no server")
    assert invite_url(str(discord.application.id)) in found.remedy


async def test_interactions_by_http(discord: FakeDiscord) -> None:
    discord.application.endpoint = ENDPOINT
    found = (await checked(discord, URL, public_key=discord.application.verify_key.upper()))["discord interactions"]
    assert found == Check("discord interactions", State.OK, f"by HTTP at {ENDPOINT}", "")


async def test_an_address_for_interactions_without_the_key_means_that_nobody_takes_them(discord: FakeDiscord) -> None:
    discord.application.endpoint = ENDPOINT
    found = (await checked(discord, URL))["discord interactions"]
    assert found.state is State.FAILED
    assert ENDPOINT in found.detail
    assert discord.application.verify_key in found.remedy


async def test_the_key_of_another_application_is_told(discord: FakeDiscord) -> None:
    found = (await checked(discord, URL, public_key="a" * 64))["discord interactions"]
    assert found.state is State.FAILED
    assert "another application" in found.detail


@pytest.mark.parametrize("public_url", ["", URL])
async def test_a_key_without_an_address_at_discord_names_the_address(discord: FakeDiscord, public_url: str) -> None:
    found = (await checked(discord, public_url, public_key=discord.application.verify_key))["discord interactions"]
    assert found.state is State.DEGRADED
    assert "over the connection" in found.detail
    assert (ENDPOINT if public_url else "/discord/interactions") in found.remedy


@pytest.mark.parametrize(
    ("public_url", "endpoint"), [(URL, "https://else.example.org/discord/interactions"), ("", f"{URL}/interactions")]
)
async def test_an_address_that_is_not_this_server_is_told(discord: FakeDiscord, public_url: str, endpoint: str) -> None:
    discord.application.endpoint = endpoint
    found = (await checked(discord, public_url, public_key=discord.application.verify_key))["discord interactions"]
    assert found.state is State.DEGRADED
    assert endpoint in found.detail


async def test_few_starts_are_told_before_there_are_none(discord: FakeDiscord) -> None:
    limit = {"total": 1000, "remaining": 3, "reset_after": 5_000_000, "max_concurrency": 1}
    found = module.gateway_check({"url": "wss://x", "shards": 1, "session_start_limit": limit})
    assert found.state is State.DEGRADED
    assert "3 of 1000 starts left" in found.detail
    assert "in 2 h" in found.remedy
    assert (
        module.gateway_check({"shards": 40, "session_start_limit": limit | {"remaining": 60}}).state is State.DEGRADED
    )


@pytest.mark.parametrize(
    ("route", "names"),
    [
        (APPLICATION, {"discord intents"}),
        (SERVERS, {"discord permissions"}),
        (CONNECTING, {"discord gateway"}),
    ],
)
async def test_a_call_that_fails_spoils_its_own_line_only(discord: FakeDiscord, route: str, names: set[str]) -> None:
    discord.faults.fail(route, status=503)
    found = await checked(discord)
    assert {name for name, each in found.items() if each.state is not State.OK} == names
    assert "status 503" in found[names.pop()].detail


async def test_a_discord_that_cannot_be_reached_is_no_fault_of_the_token(discord: FakeDiscord) -> None:
    (only,) = (await checked(discord, api_url="http://127.0.0.1:9/api")).values()
    assert only.state is State.DEGRADED
    assert "cannot be reached" in only.detail
    assert "discord.api_url" in only.remedy


async def test_a_discord_that_says_nothing_is_not_waited_for(discord: FakeDiscord) -> None:
    discord.faults.fail(SERVERS, hang=True)
    with patch.object(module, "CALL_SECONDS", 0.2):
        found = await checked(discord)
    assert "cannot be reached (no answer within" in found["discord permissions"].detail
    assert found["discord bot"].state is State.OK


async def test_a_connection_that_breaks_off_is_told(discord: FakeDiscord) -> None:
    discord.faults.fail(ME, times=3, close=True)
    assert "cannot be reached" in (await checked(discord))["discord bot"].detail


@pytest.mark.parametrize(("is_ban", "when"), [(False, "in a minute"), (True, "in an hour")])
async def test_a_busy_discord_is_asked_again_later(discord: FakeDiscord, *, is_ban: bool, when: str) -> None:
    discord.faults.fail(ME, retry_after=30, via=not is_ban)
    found = (await checked(discord))["discord bot"]
    assert found.state is State.DEGRADED
    assert when in found.remedy


async def test_an_error_that_nobody_foresaw_is_told_in_discord_s_words(discord: FakeDiscord) -> None:
    discord.faults.fail(ME, status=403, code=40333, message="internal network error")
    found = (await checked(discord))["discord bot"]
    assert found.state is State.FAILED
    assert "internal network error (code 40333)" in found.detail


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b'"hello"'), (404, b"[]"), (302, b""), (500, b'{"code":0}')]
)
def test_an_address_that_is_not_discord_s_api_is_told(status: int, body: bytes) -> None:
    assert f"status {status}" in reply(status, body).unreachable


@pytest.mark.parametrize(
    "data", [{}, {"flags": None}, {"flags": "x", "verify_key": 3, "interactions_endpoint_url": []}]
)
def test_an_application_of_odd_shape_is_no_error(data: dict[str, Any]) -> None:
    assert module.intents_check(data).state is State.DEGRADED
    assert module.interactions_check(data, "", "").state is State.OK
    assert module.gateway_check({"session_start_limit": []}).state is State.DEGRADED
    assert module.permissions_check([{}], "").state is State.DEGRADED


async def test_without_the_extra_its_installation_is_named(discord: FakeDiscord) -> None:
    with patch.object(module, "PACKAGES", {"no_such_package": "discord.py"}):
        (only,) = (await checked(discord)).values()
    assert only.state is State.FAILED
    assert "pip install" in only.detail
    assert ".[discord]" in only.detail
    assert discord.calls == []
