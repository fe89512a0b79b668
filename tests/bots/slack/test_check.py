"""What the doctor says about Slack, after asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import pytest

from bots.slack import check as module
from bots.slack.check import check
from bots.slack.manifest import SCOPES
from core.health import Check, State
from core.settings import Settings
from tests.fakes.slack import FakeSlack, fake_slack

URL = "https://lore.example.org"


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A workspace that grants everything. Wrong tokens are what these tests are about."""
    async with fake_slack() as workspace:
        workspace.bot.scopes = frozenset(SCOPES)
        yield workspace


async def checked(slack: FakeSlack, public_url: str = "", **changes: str) -> dict[str, Check]:
    """By name. No line may hold a secret."""
    given: dict[str, Any] = {"bot_token": slack.bot.token, "app_token": slack.app_token, "api_url": slack.api_url}
    settings = Settings.model_validate({"slack": given | changes, "server": {"public_url": public_url}})
    checks = await check(settings)
    for value in (settings.slack.bot_token, settings.slack.app_token, settings.slack.signing_secret):
        secret = value.get_secret_value()
        assert not secret or all(secret not in each.detail + each.remedy for each in checks)
    assert len({each.name for each in checks}) == len(checks)
    return {each.name: each for each in checks}


async def test_without_tokens_it_is_off_and_nobody_is_asked(slack: FakeSlack) -> None:
    found = await checked(slack, bot_token="", app_token="")
    assert list(found.values()) == [Check("slack", State.OK, "off (no tokens set)", "")]
    assert slack.calls == []


@pytest.mark.parametrize(("without", "variable"), [("bot_token", "SLACK_BOT_TOKEN"), ("app_token", "SLACK_APP_TOKEN")])
async def test_one_token_alone_leaves_it_off_and_the_other_is_named(
    slack: FakeSlack, without: str, variable: str
) -> None:
    (only,) = (await checked(slack, **{without: ""})).values()
    assert only.state is State.DEGRADED
    assert f"off: {variable}" in only.detail
    assert "lorekeeper init slack" in only.remedy
    assert slack.calls == []


async def test_when_all_is_well_bot_workspace_and_mode_are_named(slack: FakeSlack) -> None:
    found = await checked(slack)
    assert {name: each.state for name, each in found.items()} == {
        "slack bot": State.OK, "slack scopes": State.OK, "slack events": State.OK
    }  # fmt: skip
    assert found["slack bot"].detail == "lorekeeper in the workspace acme"
    assert "Socket Mode" in found["slack events"].detail
    assert slack.violations == []


async def test_missing_scopes_are_named_and_what_is_lost(slack: FakeSlack) -> None:
    slack.bot.scopes -= {"groups:history", "commands"}
    scopes = (await checked(slack))["slack scopes"]
    assert scopes.state is State.DEGRADED
    assert "commands (the command" in scopes.detail
    assert "groups:history" in scopes.detail
    assert "im:history" not in scopes.detail
    assert "manifest" in scopes.remedy
    assert "reinstall" in scopes.remedy


async def test_a_bot_that_may_not_write_has_failed(slack: FakeSlack) -> None:
    slack.bot.scopes -= {"chat:write"}
    assert (await checked(slack))["slack scopes"].state is State.FAILED


async def test_a_bot_token_that_slack_does_not_know(slack: FakeSlack) -> None:
    found = await checked(slack, bot_token="xoxb-1-nobody")
    assert found["slack bot"].state is State.FAILED
    assert "does not know this bot token" in found["slack bot"].detail
    assert "Install App" in found["slack bot"].remedy
    assert "slack scopes" not in found
    assert found["slack events"].state is State.OK


async def test_a_revoked_bot_token_asks_for_a_new_installation(slack: FakeSlack) -> None:
    slack.bot.revoked = True
    found = (await checked(slack))["slack bot"]
    assert (found.state, found.detail) == (State.FAILED, "the bot token was revoked")
    assert "Install the app again" in found.remedy


async def test_swapped_tokens_are_told_by_their_forms(slack: FakeSlack) -> None:
    found = await checked(slack, bot_token=slack.app_token, app_token=slack.bot.token)
    assert found["slack bot"].detail == "SLACK_BOT_TOKEN must begin with xoxb-"
    assert found["slack events"].detail == "SLACK_APP_TOKEN must begin with xapp-"
    assert {each.state for each in found.values()} == {State.FAILED}


@pytest.mark.parametrize("pasted", ["{}\n", " {}", "{} "])
async def test_white_space_around_a_token_does_no_harm(slack: FakeSlack, pasted: str) -> None:
    found = await checked(slack, bot_token=pasted.format(slack.bot.token))
    assert found["slack bot"].state is State.OK


@pytest.mark.parametrize("spoilt", ['"{}"', "a {}"])
async def test_a_token_that_was_copied_with_too_much_is_told(slack: FakeSlack, spoilt: str) -> None:
    found = await checked(slack, bot_token=spoilt.format(slack.bot.token))
    assert found["slack bot"].state is State.FAILED
    assert "characters that no token has" in found["slack bot"].detail


async def test_an_app_token_without_its_scope(slack: FakeSlack) -> None:
    slack.faults.fail("apps.connections.open", error="missing_scope")
    found = await checked(slack)
    assert found["slack events"].state is State.FAILED
    assert "lacks the scope connections:write" in found["slack events"].detail
    assert found["slack bot"].state is State.OK


async def test_an_app_token_that_slack_does_not_know(slack: FakeSlack) -> None:
    found = (await checked(slack, app_token="xapp-1-nobody"))["slack events"]
    assert found.state is State.FAILED
    assert "does not know this app-level token" in found.detail


async def test_an_error_that_nobody_foresaw_is_told_in_slack_s_words(slack: FakeSlack) -> None:
    slack.faults.fail("auth.test", error="team_access_not_granted")
    found = (await checked(slack))["slack bot"]
    assert found.state is State.FAILED
    assert "team_access_not_granted" in found.detail


async def test_a_slack_that_cannot_be_reached_is_no_fault_of_the_tokens(slack: FakeSlack) -> None:
    found = await checked(slack, api_url="http://127.0.0.1:9/api")
    assert set(found) == {"slack bot", "slack events"}
    for each in found.values():
        assert each.state is State.DEGRADED
        assert "cannot be reached" in each.detail
        assert "slack.api_url" in each.remedy


async def test_a_slack_that_says_nothing_is_not_waited_for(slack: FakeSlack) -> None:
    slack.faults.fail("auth.test", hang=True)
    with patch.object(module, "CALL_SECONDS", 0.2):
        found = await checked(slack)
    assert "cannot be reached (no answer within" in found["slack bot"].detail
    assert found["slack events"].state is State.OK


@pytest.mark.parametrize("status", [200, 503])
async def test_an_address_that_is_not_slack_s_api_is_told(slack: FakeSlack, status: int) -> None:
    slack.faults.fail("auth.test", status=503)
    found = await checked(slack, api_url=slack.api_url if status == 503 else f"{slack.base}/nothing/")
    assert found["slack bot"].state is State.DEGRADED
    assert "cannot be reached" in found["slack bot"].detail


async def test_a_busy_slack_is_asked_again_later(slack: FakeSlack) -> None:
    slack.faults.fail("auth.test", retry_after=30)
    found = (await checked(slack))["slack bot"]
    assert found.state is State.DEGRADED
    assert "in a minute" in found.remedy


@pytest.mark.parametrize(
    ("public_url", "state", "words"),
    [
        (URL, State.OK, f"{URL}/slack/events"),
        ("http://lore.example.org", State.DEGRADED, "only https"),
        ("", State.DEGRADED, "at which address"),
    ],
)
async def test_in_http_mode_the_address_is_told_that_slack_must_call(
    slack: FakeSlack, public_url: str, state: State, words: str
) -> None:
    found = await checked(slack, public_url, app_token="", signing_secret="shh")
    assert found["slack bot"].state is State.OK
    assert found["slack events"].state is state
    assert words in found["slack events"].detail
    assert bool(found["slack events"].remedy) is (state is not State.OK)
    assert slack.called("apps.connections.open") == []


async def test_without_the_extra_its_installation_is_named(slack: FakeSlack) -> None:
    with patch.object(module, "PACKAGES", {"no_such_package": "slack-bolt"}):
        (only,) = (await checked(slack)).values()
    assert only.state is State.FAILED
    assert "pip install" in only.detail
    assert ".[slack]" in only.detail
    assert slack.calls == []
