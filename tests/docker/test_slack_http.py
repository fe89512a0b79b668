"""Slack over HTTP on the stack, with the file that the documentation names: Slack calls the gateway, which is the bot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.slack import load_crowd as on_slack
from tests.deploy.documented import slack_http
from tests.docker.crowd import LEAVE, QUESTION, upload
from tests.docker.stack import PATIENCE, world
from tests.fakes.slack import HttpEndpoint

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
# Only here, because people have the real Slack.
LOOPBACK = "services: {gateway: {environment: {LOREKEEPER_SLACK__API_URL: '${SLACK_API_URL}'}}}\n"


async def test_what_slack_sends_to_the_gateway_is_answered(tmp_path: Path) -> None:
    async with world(
        tmp_path,
        "slack-http",
        beside=(slack_http(), LOOPBACK),
        SLACK_APP_TOKEN="",
        SLACK_SIGNING_SECRET=SECRET,
        LOREKEEPER_PUBLIC_URL="https://lore.example.org",
    ) as made:
        await made.run(made.stack.up)
        assert not made.stack.containers("slack")
        made.slack.http = HttpEndpoint(f"{made.stack.url}/slack/events", SECRET)
        assert (await made.slack.verify_url()).payload() == {"challenge": "prove-it"}
        await upload(made.stack.url, await made.run(made.stack.key), "leave.md", LEAVE)
        question = await made.slack.say("U1", "C1", f"<@BOT> {QUESTION}")
        await made.slack.until(lambda: on_slack.is_whole(made.slack, question), PATIENCE)
        assert len(made.slack.replies(question)) == 1
        assert (await made.slack.post_raw("events_api", {"type": "event_callback"}, secret="wrong")).status == 401
