"""The loopback Slack notices whatever would notify people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.fakes.slack import FakeSlack, fake_slack
from tests.fakes.slack.pings import pings_in
from tests.fakes.slack.with_bolt import bolt, client_of, served


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with fake_slack() as running:
        yield running


def _section(text: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": text}}


def _rich(**element: str) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": [element]}
    return {"type": "rich_text", "elements": [section]}


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"text": "<!channel> and <!here|here>"}, ["<!channel>", "<!here|here>"]),
        ({"markdown_text": "ask <!everyone>"}, ["<!everyone>"]),
        ({"initial_comment": "<!subteam^S1|@hr>"}, ["<!subteam^S1|@hr>"]),
        ({"text": "<@U1>, <@W2|ann>"}, ["<@U1>", "<@W2|ann>"]),
        ({"blocks": [_section("<@U1>")]}, ["<@U1>"]),
        ({"blocks": [{"type": "markdown", "text": "# <!here>"}]}, ["<!here>"]),
        ({"blocks": [{"type": "context", "elements": [{"type": "mrkdwn", "text": "<!here>"}]}]}, ["<!here>"]),
        ({"blocks": [_rich(type="broadcast", range="channel")]}, ["<!channel>"]),
        ({"blocks": [_rich(type="usergroup", usergroup_id="S1")]}, ["<!subteam^S1>"]),
        ({"chunks": [{"type": "markdown_text", "text": "<@U1>"}]}, ["<@U1>"]),
        ({"chunks": [{"type": "task_update", "id": "1", "title": "Read", "output": "<@U1>"}]}, ["<@U1>"]),
        ({"chunks": [{"type": "blocks", "blocks": [_section("<@U1>")]}]}, ["<@U1>"]),
        ({"attachments": [{"pretext": "<@U1>", "fields": [{"title": "x", "value": "<@U2>"}]}]}, ["<@U1>", "<@U2>"]),
        ({"text": "@here, mail ann@example.com", "link_names": True}, ["@here"]),
    ],
)
def test_what_notifies(sent: dict[str, Any], found: list[str]) -> None:
    assert pings_in(sent) == found


@pytest.mark.parametrize(
    "sent",
    [
        {"text": "&lt;!channel&gt; @here <#C1> <https://example.com|x> <!date^1^{date}|today>"},
        {"blocks": [_section("<!channel>", "plain_text")]},
        {"blocks": [_rich(type="user", user_id="U1")]},
        {"blocks": [_rich(type="text", text="<!channel>")]},
        {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": "<!channel>"}]]}]},
    ],
)
def test_what_does_not_notify(sent: dict[str, Any]) -> None:
    assert pings_in(sent) == []


async def test_every_way_out_is_watched(slack: FakeSlack) -> None:
    client, question = client_of(slack), await slack.say("U1", "C1", "<@BOT> how many days?")
    posted = await client.chat_postMessage(channel="C1", text="<!channel>")
    await client.chat_update(channel="C1", ts=posted["ts"], text="<!here>")
    await client.chat_postEphemeral(channel="C1", user="U1", text="<@U2>")
    stream = await client.chat_startStream(
        channel="C1", thread_ts=question.ts, recipient_team_id="T1", recipient_user_id="U1", markdown_text="ask <!ever"
    )
    await client.chat_appendStream(channel="C1", ts=stream["ts"], markdown_text="yone> or <@U2>")
    assert slack.pings == [
        ("chat.postMessage", "<!channel>"),
        ("chat.update", "<!here>"),
        ("chat.postEphemeral", "<@U2>"),
        ("chat.appendStream", "<!everyone>"),
        ("chat.appendStream", "<@U2>"),
    ]
    assert slack.violations == []


async def test_answers_to_a_command_are_watched(slack: FakeSlack) -> None:
    app = bolt(slack)

    @app.command("/ask")
    async def ask(ack: Any, respond: Any) -> None:
        await ack("<!here>")
        await respond(text="<@U2>")

    async with served(app, slack):
        await slack.command("/ask", "how many days?")
        await slack.until(lambda: len(slack.messages("C1")) == 2)
    assert sorted(slack.pings) == [("acknowledgement", "<!here>"), ("response_url", "<@U2>")]


async def test_what_was_refused_notifies_nobody(slack: FakeSlack) -> None:
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await client_of(slack).chat_postMessage(channel="C404", text="<!channel>")
    assert slack.pings == []
