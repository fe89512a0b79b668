"""Several workspaces, which install the bot by OAuth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bots.gateway.channel import open_channel as open_gateway
from bots.slack.installing import COOKIE, is_due
from core.access import Permission
from core.store.installations import Installation, Installations
from tests.bots.slack.running import ANSWER, QUESTION, Bot, running, settings
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack

pytestmark = pytest.mark.slow
PUBLIC = "https://lore.example.org"
SECRET = "client-sesame"


@dataclass(frozen=True, slots=True)
class Installed:
    """A bot that nobody has installed yet, and a browser."""

    bot: Bot
    browser: httpx.AsyncClient
    installations: Installations


@pytest.fixture
async def fresh(slack: FakeSlack, model: FakeOpenAI, tmp_path: Path) -> AsyncGenerator[Installed, None]:
    slack.add_workspace("T2", "globex", bot="UBOT2")
    slack.add_user("U9", "zoe", "T2")
    slack.add_channel("C9", "help", "T2", people=["U9"])
    chosen = settings(
        tmp_path,
        slack,
        model,
        slack={"bot_token": "", "client_id": "1.2", "client_secret": SECRET, "workspaces": ["T1", "T2"]},
        server={"port": 0, "public_url": PUBLIC},
    )
    async with running(chosen, slack) as bot:
        assert bot.application.record is not None
        bot.application.record.keys.create("test", {Permission.ASK})
        gateway = open_gateway(bot.application, bot.channel.doors)
        task = asyncio.create_task(gateway.serve())
        try:
            async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as browser:
                yield Installed(bot, browser, bot.application.record.installations("slack"))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def install(slack: FakeSlack, browser: httpx.AsyncClient, team: str, *, rotating: bool = False) -> httpx.Response:
    """As a person's browser does it."""
    begun = await browser.get("/slack/install")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert begun.headers["location"].startswith("https://slack.com/oauth/v2/authorize?")
    assert asked["redirect_uri"] == f"{PUBLIC}/slack/oauth_redirect"
    assert "chat:write" in asked["scope"].split(",")
    given = {"code": slack.offer_install(team, rotating=rotating), "state": asked["state"]}
    # The cookie is for https, which the proxy in front speaks.
    cookie = f"{COOKIE}={begun.cookies.jar._cookies['127.0.0.1']['/slack/'][COOKIE].value}"  # type: ignore[attr-defined]
    return await browser.get("/slack/oauth_redirect", params=given, headers={"Cookie": cookie})


async def test_each_workspace_that_installs_it_is_answered_with_its_own_token(
    slack: FakeSlack, fresh: Installed
) -> None:
    for team in ("T1", "T2"):
        page = await install(slack, fresh.browser, team)
        assert (page.status_code, "is installed" in page.text) == (200, True)
    here = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    there = await slack.say("U9", "C9", f"<@BOT> {QUESTION}")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(here)))
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(there)))
    assert {call.team for call in slack.called("chat.startStream")} == {"T1", "T2"}


async def test_a_workspace_that_is_not_named_in_the_settings_is_refused(slack: FakeSlack, fresh: Installed) -> None:
    slack.add_workspace("T3", "<b>initech</b>", bot="UBOT3")
    page = await install(slack, fresh.browser, "T3")
    assert page.status_code == 403
    assert "T3" in page.text
    assert fresh.installations.all() == []


async def test_who_was_not_sent_by_the_install_page_is_refused(slack: FakeSlack, fresh: Installed) -> None:
    code = slack.offer_install("T1")
    for cookie in ("", f"{COOKIE}=other"):
        headers = {"Cookie": cookie} if cookie else {}
        page = await fresh.browser.get("/slack/oauth_redirect", params={"code": code, "state": "x"}, headers=headers)
        assert page.status_code == 400
    assert "T1" in slack.codes.values(), "the code was not used"


async def test_a_code_that_slack_does_not_know_and_a_refusal_are_told(slack: FakeSlack, fresh: Installed) -> None:
    same = {"Cookie": f"{COOKIE}=x"}
    wrong = await fresh.browser.get("/slack/oauth_redirect", params={"code": "no", "state": "x"}, headers=same)
    denied = await fresh.browser.get(
        "/slack/oauth_redirect", params={"error": "access_denied", "state": "x"}, headers=same
    )
    assert (wrong.status_code, denied.status_code) == (400, 400)
    assert "invalid_code" in wrong.text
    slack.violations.clear()


async def test_tokens_that_run_out_are_renewed(slack: FakeSlack, fresh: Installed) -> None:
    await install(slack, fresh.browser, "T1", rotating=True)
    # What it looks up of a new workspace is read with the first token.
    await slack.until(lambda: fresh.bot.channel._missed._running == set() and slack.called("conversations.history"))
    (installed,) = fresh.installations.all()
    assert not is_due(installed, time.time())
    soon = {**installed.details, "expires_at": time.time() + 60}
    fresh.installations.put(Installation("T1", soon))
    tokens = fresh.bot.channel._membership._tokens
    assert tokens is not None
    await asyncio.gather(tokens.refresh(), tokens.refresh())
    (renewed,) = fresh.installations.all()
    assert renewed.details["token"] == slack.bot.token != installed.details["token"]
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(question)))
    assert len([call for call in slack.calls if call.arguments.get("grant_type") == "refresh_token"]) == 1


async def test_a_workspace_that_removes_it_is_forgotten(slack: FakeSlack, fresh: Installed) -> None:
    await install(slack, fresh.browser, "T1")
    await slack.uninstall()
    async with asyncio.timeout(10):
        while fresh.installations.all():
            await asyncio.sleep(0.02)


async def test_secrets_are_nowhere_to_be_seen(
    slack: FakeSlack, fresh: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    page = await install(slack, fresh.browser, "T1")
    (installed,) = fresh.installations.all()
    shown = capsys.readouterr()
    seen = page.text + shown.out + shown.err + repr(installed) + repr(fresh.bot.channel._workspaces.all())
    assert SECRET not in seen
    assert installed.details["token"] not in seen
