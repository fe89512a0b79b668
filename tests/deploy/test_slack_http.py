"""Slack over HTTP in the stack, as the documentation has it: one process is the gateway and the bot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bots.command import Place, Serving, place
from tests.bots.slack.running import LEAVE, QUESTION
from tests.deploy.documented import COMPOSE, SECRETS, gateway_of, slack_http
from tests.fakes.slack import FakeSlack, HttpEndpoint, fake_slack

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
FACT = "13 days"
RUN = "import sys; sys.argv[1:] = {}; from core.cli import main; main()"


def has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def test_compose_puts_the_bot_into_the_gateway(tmp_path: Path) -> None:
    if not has_compose():
        (pytest.fail if "docker" in os.environ.get("TEST_REQUIRE", "") else pytest.skip)("docker compose is not there")
    beside = tmp_path / "slack-http.yaml"
    beside.write_text(slack_http())
    names = ("-f", str(COMPOSE), "-f", str(beside))
    done = subprocess.run(
        ["docker", "compose", *names, "config", "--format", "json"],
        capture_output=True, text=True, check=True, env={**os.environ, "SLACK_APP_TOKEN": "xapp-1"},
    )  # fmt: skip
    services = json.loads(done.stdout)["services"]
    gateway = services["gateway"]
    assert gateway["command"] == ["run", "--only", "gateway", "--only", "slack"]
    targets = {each["target"] for each in gateway["volumes"]}
    assert {"/data", "/run/secrets/database", SECRETS} <= targets
    given = {name: value for name, value in gateway["environment"].items() if "SLACK" in name}
    assert sorted(given) == ["SLACK_BOT_TOKEN_FILE", "SLACK_SIGNING_SECRET_FILE"], "with an app token it used sockets"
    assert gateway["environment"]["LOREKEEPER_DATABASE__URL_FILE"]
    assert services["slack"]["deploy"]["replicas"] == 0


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with fake_slack() as fake:
        yield fake


@pytest.fixture
async def home(tmp_path: Path, slack: FakeSlack) -> Place:
    """With one document, and the environment that the documented file gives the gateway."""
    files = tmp_path / "secrets"
    files.mkdir()
    (files / "bot_token").write_text(slack.bot.token)
    (files / "signing_secret").write_text(SECRET)
    given = {
        name: value.replace(SECRETS, str(files)) for name, value in gateway_of(slack_http())["environment"].items()
    }
    more = {"LOREKEEPER_SLACK__API_URL": slack.api_url, "LOREKEEPER_SERVER__PUBLIC_URL": "https://lore.example.org"}
    made = place(tmp_path / "home", **given, **more)
    (made.folder / "leave.md").write_text(LEAVE)
    added = await asyncio.to_thread(made.run, "documents", "add", "leave.md")
    assert added.status == 0, added.err
    return made


@pytest.mark.slow
async def test_what_slack_sends_signed_is_answered_by_that_process(home: Place, slack: FakeSlack) -> None:
    command = gateway_of(slack_http())["command"]
    assert command[0] == "run"
    with ExitStack() as stack:
        # The process asks Slack while it starts, which answers from here.
        serving: Serving = await asyncio.to_thread(stack.enter_context, home.serving(RUN.format(["run", *command[1:]])))
        slack.http = HttpEndpoint(f"{serving.url}/slack/events", SECRET)
        await slack.until(lambda: "ready" in serving.log.read_text())
        async with asyncio.timeout(30):
            while (verified := await slack.verify_url()).status != 200:
                await asyncio.sleep(0.1)
        assert verified.payload() == {"challenge": "prove-it"}
        question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
        await slack.until(lambda: any(FACT in each.shown for each in slack.replies(question)), 60)
        await slack.command("/ask", QUESTION, channel="C2")
        await slack.until(lambda: any(FACT in each.shown for each in slack.messages("C2")), 60)
        await slack.all_acked()
        forged = slack.deliveries[0].payload | {"event_id": "Ev-forged"}
        assert (await slack.post_raw("events_api", forged, secret="wrong")).status == 401
        assert slack.sockets.live == []
        assert await asyncio.to_thread(serving.stop) == 0
    assert len(slack.replies(question)) == 1
