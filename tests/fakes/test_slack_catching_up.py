"""The loopback Slack, asked for what was said while the application was away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from tests.fakes.slack import FakeSlack, HttpEndpoint, fake_slack
from tests.fakes.slack.with_bolt import answering, bolt, client_of, connected


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with fake_slack() as running:
        yield running


async def _pages(first: AsyncSlackResponse, name: str, key: str) -> list[list[Any]]:
    return [[item[key] for item in page[name]] async for page in first]


async def test_history_comes_in_pages_with_the_newest_first(slack: FakeSlack) -> None:
    said = [await slack.say("U1", "C1", f"{number}") for number in range(5)]
    first = await client_of(slack).conversations_history(channel="C1", oldest=said[0].ts, limit=2)
    assert first["has_more"]
    await slack.say("U1", "C1", "in between")
    assert await _pages(first, "messages", "text") == [["4", "3"], ["2", "1"]], "nothing twice, nothing left out"


async def test_bounds_of_a_history(slack: FakeSlack) -> None:
    said = [await slack.say("U1", "C1", f"{number}") for number in range(4)]
    client, oldest, latest = client_of(slack), said[1].ts, said[3].ts
    without = await client.conversations_history(channel="C1", oldest=oldest, latest=latest)
    within = await client.conversations_history(channel="C1", oldest=oldest, latest=latest, inclusive=True)
    assert [message["text"] for message in without["messages"]] == ["2"]
    assert [message["text"] for message in within["messages"]] == ["3", "2", "1"]
    for name, value, error in [
        ("oldest", "monday", "invalid_ts_oldest"),
        ("limit", "0", "invalid_limit"),
        ("cursor", "2", "invalid_cursor"),
    ]:
        with pytest.raises(SlackApiError, match=error):
            await client.api_call("conversations.history", params={"channel": "C1", name: value})


async def test_thread_tells_its_latest_reply_and_hands_out_its_replies(slack: FakeSlack) -> None:
    root = await slack.say("U1", "C1", "root")
    said = [await slack.say("U2", "C1", f"{number}", thread=root) for number in range(4)]
    await client_of(slack).chat_postEphemeral(channel="C1", user="U1", thread_ts=root.ts, text="only for ann")
    (beginning,) = (await client_of(slack).conversations_history(channel="C1"))["messages"]
    assert (beginning["reply_count"], beginning["latest_reply"]) == (4, said[-1].ts)
    first = await client_of(slack).conversations_replies(channel="C1", ts=root.ts, oldest=said[0].ts, limit=2)
    assert await _pages(first, "messages", "text") == [["root", "1"], ["2", "3"]]


async def test_reply_that_was_also_sent_to_the_channel_is_in_its_history(slack: FakeSlack) -> None:
    root = await slack.say("U1", "C1", "root")
    await slack.say("U2", "C1", "for all", thread=root, broadcast=True)
    history = await client_of(slack).conversations_history(channel="C1")
    assert [message["text"] for message in history["messages"]] == ["for all", "root"]


async def test_conversations_of_the_bot_by_kind_and_page(slack: FakeSlack) -> None:
    slack.add_channel("C3", "without", people=["U1"], with_bot=False)
    direct = slack.dm("U1")
    client = client_of(slack)
    slack.largest_page = 2
    first = await client.users_conversations(types="public_channel,private_channel,im", limit=200)
    assert await _pages(first, "channels", "id") == [["C1", "C2"], ["G1", direct]]
    assert [channel["id"] for channel in (await client.users_conversations())["channels"]] == ["C1", "C2"]
    with pytest.raises(SlackApiError, match="invalid_types"):
        await client.users_conversations(types="channels")
    slack.bot.scopes -= {"mpim:read"}
    with pytest.raises(SlackApiError) as missing:
        await client.users_conversations(types="public_channel,mpim")
    assert missing.value.response["needed"] == "mpim:read"


async def test_what_was_sent_while_away_comes_again_unless_it_is_lost(slack: FakeSlack) -> None:
    slack.subscriptions, slack.echo = {"app_mention"}, False
    late = await slack.say("U1", "C1", "<@BOT> late")
    slack.lose_while_down = True
    lost = await slack.say("U1", "C1", "<@BOT> lost")
    assert [delivery.event["ts"] for delivery in slack.lost()] == [lost.ts]
    async with connected(answering(bolt(slack)), slack):
        assert [delivery.event["ts"] for delivery in await slack.redeliver()] == [late.ts]
        assert await slack.redeliver(slack.lost()) == []
        await slack.until(lambda: slack.replies(late))
        await slack.all_acked()
        there = await slack.say("U1", "C1", "<@BOT> there again")
        await slack.until(lambda: slack.replies(there))
    assert slack.replies(lost) == []
    assert [delivery.acked for delivery in slack.lost()] == [None]


async def test_what_no_server_takes_is_lost_in_http_mode_too(slack: FakeSlack) -> None:
    slack.subscriptions = {"app_mention"}
    slack.http = HttpEndpoint("http://127.0.0.1:1/slack/events")
    slack.lose_while_down = True
    await slack.say("U1", "C1", "<@BOT> how many days?")
    await slack.until(slack.lost)
    assert slack.unacked() == []
    assert await slack.redeliver() == []
