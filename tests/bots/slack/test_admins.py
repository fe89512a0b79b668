"""Who may manage documents: asked of a loopback Slack, remembered for a while, and nobody in doubt."""

from __future__ import annotations

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bots.chat.results import Rights
from bots.slack.admins import BUSY, REMEMBERED_SECONDS, Admins, is_admin
from bots.slack.workspaces import Workspace, introduce
from tests.fakes.slack import FakeSlack, ManualClock

YES, NO = Rights(is_admin=True), Rights()
OLGA = {"id": "U1", "team_id": "T1", "is_admin": True}


@pytest.fixture
async def workspace(slack: FakeSlack) -> Workspace:
    slack.world.groups["S1"] = ["U1"]
    slack.world.groups["S2"] = []
    client = AsyncWebClient(base_url=slack.api_url, retry_handlers=[])
    return await introduce(client, slack.bot.token)


async def test_without_settings_the_workspaces_admins_and_owners_are(slack: FakeSlack, workspace: Workspace) -> None:
    slack.world.users["U2"].is_owner = True
    admins = Admins([])
    assert [await admins.rights(workspace, user) for user in ("UADMIN", "U2", "U1")] == [YES, YES, NO]


async def test_with_settings_only_those_are(slack: FakeSlack, workspace: Workspace) -> None:
    admins = Admins(["U2", "S2", "S1"])
    assert [await admins.rights(workspace, user) for user in ("U2", "U1", "UADMIN")] == [YES, YES, NO]
    assert not slack.called("users.info")


async def test_people_in_the_settings_need_no_call(slack: FakeSlack, workspace: Workspace) -> None:
    before = len(slack.calls)
    assert [await Admins(["U2"]).rights(workspace, user) for user in ("U2", "U1")] == [YES, NO]
    assert len(slack.calls) == before


async def test_what_slack_said_is_remembered_for_five_minutes(slack: FakeSlack, workspace: Workspace) -> None:
    clock = ManualClock()
    admins, groups = Admins([], clock.now), Admins(["S1"], clock.now)
    assert await asyncio.gather(*(admins.rights(workspace, "UADMIN") for _ in range(5))) == [YES] * 5
    assert [await groups.rights(workspace, user) for user in ("U1", "U2")] == [YES, NO]
    assert len(slack.called("users.info")) == 1
    assert len(slack.called("usergroups.users.list")) == 1
    slack.world.users["UADMIN"].is_admin = False
    slack.world.groups["S1"] = ["U2"]
    clock.advance(REMEMBERED_SECONDS - 1)
    assert await admins.rights(workspace, "UADMIN") == YES
    clock.advance(2)
    assert await admins.rights(workspace, "UADMIN") == NO
    assert [await groups.rights(workspace, user) for user in ("U1", "U2")] == [NO, YES]


@pytest.mark.parametrize(
    ("named", "method", "scope"),
    [([], "users.info", "users:read"), (["S1"], "usergroups.users.list", "usergroups:read")],
)
async def test_an_app_without_the_scope_says_which(
    slack: FakeSlack, workspace: Workspace, named: list[str], method: str, scope: str
) -> None:
    slack.faults.fail(method, error="missing_scope")
    rights = await Admins(named).rights(workspace, "UADMIN")
    assert not rights.is_admin
    assert f"`{scope}`" in rights.doubt


async def test_nobody_is_an_admin_while_slack_has_no_time(slack: FakeSlack, workspace: Workspace) -> None:
    slack.faults.fail("users.info", retry_after=60)
    admins = Admins([])
    assert await admins.rights(workspace, "UADMIN") == Rights(doubt=BUSY)


async def test_a_doubt_is_not_remembered(slack: FakeSlack, workspace: Workspace) -> None:
    slack.faults.fail("users.info", error="not_authed")
    admins = Admins([])
    assert (await admins.rights(workspace, "UADMIN")).doubt
    assert await admins.rights(workspace, "UADMIN") == YES


async def test_a_group_that_is_gone_does_not_hide_the_others(slack: FakeSlack, workspace: Workspace) -> None:
    admins = Admins(["S0", "S1"])
    assert await admins.rights(workspace, "U1") == YES
    assert "user group" in (await admins.rights(workspace, "U2")).doubt
    assert {each.error for each in slack.violations} == {"no_such_subteam"}
    slack.violations.clear()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"is_admin": False}, False),
        ({"is_admin": False, "is_primary_owner": True}, True),
        ({"team_id": "T2"}, False),
        ({"team_id": "T2", "enterprise_user": {"teams": ["T1"]}}, True),
        ({"is_stranger": True}, False),
        ({"deleted": True}, False),
        ({"is_restricted": True}, False),
        ({"is_bot": True}, False),
    ],
)
def test_an_admin_of_another_organisation_is_none_here(changes: dict[str, object], expected: bool) -> None:
    assert is_admin(OLGA | changes, "T1") is expected
    assert is_admin({}, "T1") is False
