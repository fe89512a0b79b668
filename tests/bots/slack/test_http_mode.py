"""Slack calls the gateway, instead of the bot calling Slack for a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from bots.gateway.channel import Gateway
from bots.gateway.channel import open_channel as open_gateway
from tests.bots.slack.running import ANSWER, QUESTION, running, settings
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack, HttpEndpoint

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@pytest.fixture
async def gateway(slack: FakeSlack, model: FakeOpenAI, tmp_path: Path) -> AsyncGenerator[Gateway, None]:
    chosen = settings(tmp_path, slack, model, slack={"app_token": "", "signing_secret": SECRET})
    async with running(chosen, slack) as bot:
        gateway = open_gateway(bot.application, bot.channel.doors)
        task = asyncio.create_task(gateway.serve())
        slack.http = HttpEndpoint(f"{gateway.url}/slack/events", SECRET)
        try:
            async with asyncio.timeout(20):
                while (await slack.verify_url()).status != 200:
                    await asyncio.sleep(0.05)
            yield gateway
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_slack_s_question_about_the_address_is_answered(slack: FakeSlack, gateway: Gateway) -> None:
    assert (await slack.verify_url()).payload() == {"challenge": "prove-it"}


async def test_events_commands_and_buttons_come_through_the_gateway(slack: FakeSlack, gateway: Gateway) -> None:
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    (reply,) = await slack.until(lambda: slack.replies(question))
    await slack.until(lambda: "Try again" in str(reply.blocks))
    await slack.press(reply, "passage")
    await slack.until(lambda: slack.views("U1"))
    await slack.command("/ask", QUESTION, channel="C2")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.messages("C2")))
    await slack.all_acked()
    assert len(slack.replies(question)) == 1


async def test_what_is_not_signed_by_slack_does_not_come_in(slack: FakeSlack, gateway: Gateway) -> None:
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: slack.replies(question))
    event = slack.deliveries[0].payload | {"event_id": "Ev-forged"}
    event["event"] = event["event"] | {"ts": f"{float(question.ts) + 1:.6f}", "channel": "C2"}
    for wrong in ({"secret": "wrong"}, {"age_s": 600.0}, {"signed": False}):
        assert (await slack.post_raw("events_api", event, **wrong)).status == 401
    assert slack.messages("C2") == []


@pytest.mark.parametrize(
    ("method", "body", "status"), [("GET", b"", 405), ("POST", b"", 401), ("POST", b"{" * 2_000_000, 413)]
)
async def test_the_door_is_narrow(gateway: Gateway, method: str, body: bytes, status: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.request(method, f"{gateway.url}/slack/events", content=body)
    assert answer.status_code == status


async def test_other_paths_stay_as_they_are(gateway: Gateway) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(f"{gateway.url}/slack/other")).status_code == 404
        checks = (await client.get(f"{gateway.url}/readyz")).json()["checks"]
    assert ("slack", "ok") in {(check["name"], check["state"]) for check in checks}
