"""The loopback Slack's Web API, called by the real slack_sdk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import FakeSlack, ManualClock, fake_slack
from tests.fakes.slack.api import METHODS
from tests.fakes.slack.blocks import block_problems
from tests.fakes.slack.methods import SPECS
from tests.fakes.slack.with_bolt import client_of


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with fake_slack() as running:
        yield running


async def test_stream_of_the_sdk(slack: FakeSlack) -> None:
    question = await slack.say("U1", "C1", "<@BOT> how many days?")
    stream = await client_of(slack).chat_stream(
        channel="C1", thread_ts=question.ts, recipient_team_id="T1", recipient_user_id="U1", buffer_size=4
    )
    await stream.append(markdown_text="13 days ")
    (reply,) = slack.replies(question)
    assert reply.shown == "13 days "
    await stream.append(markdown_text="of leave")
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "[1] Handbook"}}]
    await stream.stop(markdown_text=".", blocks=blocks)
    assert reply.shown == "13 days of leave.\n[1] Handbook"
    assert reply.stream is not None
    assert reply.stream.parts == ["13 days ", "of leave", "."]
    assert slack.violations == []


async def test_idle_stream_expires() -> None:
    clock = ManualClock()
    async with fake_slack(clock) as slack:
        client, question = client_of(slack), await slack.say("U1", slack.dm("U1"), "how many days?")
        stream = await client.chat_startStream(channel=slack.dm("U1"), thread_ts=question.ts)
        with pytest.raises(SlackApiError, match="streaming_state_conflict"):
            await client.chat_update(channel=slack.dm("U1"), ts=stream["ts"], text="13 days")
        clock.advance(slack.stream_idle_s)
        with pytest.raises(SlackApiError, match="message_not_in_streaming_state"):
            await client.chat_appendStream(channel=slack.dm("U1"), ts=stream["ts"], markdown_text="13")
        await client.chat_update(channel=slack.dm("U1"), ts=stream["ts"], text="13 days")
        assert [reply.shown for reply in slack.replies(question)] == ["13 days"]


async def test_stop_button_ends_the_stream(slack: FakeSlack) -> None:
    client, channel = client_of(slack), slack.dm("U1")
    question = await slack.say("U1", channel, "how many days?")
    stream = await client.chat_startStream(channel=channel, thread_ts=question.ts, markdown_text="13")
    await slack.stop(question)
    with pytest.raises(SlackApiError, match="stopped_by_user"):
        await client.chat_appendStream(channel=channel, ts=stream["ts"], markdown_text=" days")
    stopped = slack.deliveries[-1].event
    assert (stopped["type"], stopped["thread_ts"]) == ("agent_session_stopped", question.ts)
    assert stopped["streaming_message_ts"] == [stream["ts"]]
    assert slack.violations == []


async def test_rate_limit_is_waited_out_by_the_sdk(slack: FakeSlack) -> None:
    client = client_of(slack)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    slack.faults.fail("chat.postMessage", retry_after=0)
    await client.chat_postMessage(channel="C1", text="13 days")
    assert [call.status for call in slack.calls] == [429, 200]
    assert len(slack.messages("C1")) == 1


async def test_tiers_are_counted_by_the_minute() -> None:
    clock = ManualClock()
    async with fake_slack(clock) as slack:
        client = client_of(slack)
        slack.limits.per_minute["auth.test"] = 2
        await client.auth_test()
        clock.advance(20)
        await client.auth_test()
        with pytest.raises(SlackApiError) as too_many:
            await client.auth_test()
        assert too_many.value.response.status_code == 429
        assert too_many.value.response.headers["Retry-After"] == "40"
        clock.advance(40)
        await client.auth_test()
        assert [call.status for call in slack.throttled] == [429]


async def test_channel_takes_one_message_per_second_after_a_burst() -> None:
    clock = ManualClock()
    async with fake_slack(clock) as slack:
        client = client_of(slack)
        for number in range(slack.limits.post_burst):
            await client.chat_postMessage(channel="C1", text=f"{number}")
        with pytest.raises(SlackApiError, match="ratelimited"):
            await client.chat_postMessage(channel="C1", text="too many")
        await client.chat_postMessage(channel="C2", text="elsewhere")
        clock.advance(1)
        await client.chat_postMessage(channel="C1", text="later")


async def test_file_is_downloaded_with_the_token_and_uploaded(slack: FakeSlack) -> None:
    sent = slack.file("handbook.pdf", b"%PDF-1.7 leave", user="UADMIN")
    await slack.say("UADMIN", slack.dm("UADMIN"), "", files=[sent])
    message, shared = (delivery.event for delivery in slack.deliveries)
    assert (message["subtype"], shared["type"]) == ("file_share", "file_shared")
    client = client_of(slack)
    facts = (await client.files_info(file=shared["file_id"]))["file"]
    assert facts["url_private_download"] == message["files"][0]["url_private_download"]
    async with aiohttp.ClientSession() as http:
        right = await http.get(facts["url_private_download"], headers={"Authorization": f"Bearer {slack.bot.token}"})
        assert await right.read() == b"%PDF-1.7 leave"
        wrong = await http.get(facts["url_private_download"], headers={"Authorization": "Bearer xoxb-wrong"})
        assert (wrong.status, wrong.content_type) == (200, "text/html")
    await client.files_upload_v2(channel="C1", filename="answer.md", content="# 13 days", initial_comment="Here")
    (posted,) = slack.messages("C1")
    assert (posted.files[0].content, posted.text) == (b"# 13 days", "Here")
    assert [violation.error for violation in slack.violations] == ["login_page"]


async def test_connect_file_must_be_asked_for(slack: FakeSlack) -> None:
    sent = slack.file("theirs.pdf", b"%PDF", connect=True)
    await slack.say("U1", "C1", "look", files=[sent])
    (stub,) = slack.deliveries[0].event["files"]
    assert stub["file_access"] == "check_file_info"
    assert "url_private" not in stub
    assert (await client_of(slack).files_info(file=stub["id"]))["file"]["name"] == "theirs.pdf"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C1"}, "no_text"),
        ({"channel": "C404", "text": "x"}, "channel_not_found"),
        ({"channel": "C1", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "C1", "markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"channel": "C1", "markdown_text": "x", "text": "x"}, "markdown_text_conflict"),
        ({"channel": "C1", "text": "x", "blocks": [{"type": "bogus"}]}, "invalid_blocks"),
        ({"channel": "C1", "text": "x", "blocks": [{"type": "divider"}] * 51}, "msg_blocks_too_many"),
        (
            {"channel": "C1", "text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
            "invalid_blocks",
        ),
        (
            {"channel": "C1", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]},
            "invalid_blocks",
        ),
        ({"channel": "C1", "blocks": [{"type": "actions", "elements": [{"type": "image"}]}]}, "invalid_blocks"),
    ],
)
async def test_what_a_message_cannot_be(slack: FakeSlack, arguments: dict[str, Any], error: str) -> None:
    client = client_of(slack)
    form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
    with pytest.raises(SlackApiError, match=error):
        await client.api_call("chat.postMessage", json=arguments)
    with pytest.raises(SlackApiError, match=error):
        await client.api_call("chat.postMessage", data=form)
    assert [violation.error for violation in slack.violations] == [error, error]
    assert slack.messages() == []


async def test_tokens_scopes_and_unknown_names(slack: FakeSlack) -> None:
    for token, call, error in [
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        (slack.app_token, "auth.test", "not_allowed_token_type"),
        (slack.bot.token, "apps.connections.open", "not_allowed_token_type"),
        (slack.bot.token, "chat.shout", "unknown_method"),
        (slack.bot.token, "chat.scheduleMessage", "unknown_method"),
        (slack.bot.token, "users.info", "invalid_arguments"),
    ]:
        with pytest.raises(SlackApiError, match=error):
            await client_of(slack, token).api_call(call)
    slack.bot.scopes -= {"reactions:write"}
    with pytest.raises(SlackApiError) as missing:
        await client_of(slack).reactions_add(channel="C1", name="eyes", timestamp="1.0")
    assert missing.value.response["needed"] == "reactions:write"
    await client_of(slack).api_call("chat.postMessage", json={"channel": "C1", "text": "x", "thread": "1.0"})
    assert slack.violations[-1].detail == "thread"
    assert not slack.violations[-1].refused


async def test_calls_fail_on_demand(slack: FakeSlack) -> None:
    client = client_of(slack, timeout=1)
    client.retry_handlers.clear()
    slack.faults.fail("chat.postMessage", status=500)
    slack.faults.fail("chat.postMessage", error="internal_error", afterwards=True)
    slack.faults.fail("chat.postMessage", hang=True)
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel="C1", text="lost")
    with pytest.raises(SlackApiError, match="internal_error"):
        await client.chat_postMessage(channel="C1", text="posted, and not told")
    with pytest.raises(TimeoutError):
        await client.chat_postMessage(channel="C1", text="hangs")
    assert [message.text for message in slack.messages("C1")] == ["posted, and not told"]


async def test_agent_view_shows_status_and_prompts() -> None:
    clock = ManualClock()
    async with fake_slack(clock) as slack:
        client = client_of(slack)
        channel = await slack.open_agent("U1")
        assert slack.deliveries[0].event["tab"] == "messages"
        prompts = [{"title": "Leave", "message": "How many days?"}]
        await client.assistant_threads_setSuggestedPrompts(channel_id=channel, prompts=prompts, thread_ts="1.0")
        assert slack.world.prompts == {}
        await client.api_call("assistant.threads.setSuggestedPrompts", json={"channel_id": channel, "prompts": prompts})
        assert slack.world.prompts[channel] == prompts
        question = await slack.say("U1", channel, "How many days?")
        await client.assistant_threads_setStatus(channel_id=channel, thread_ts=question.ts, status="is reading")
        assert slack.status(channel, question.ts) == "is reading"
        clock.advance(120)
        assert slack.status(channel, question.ts) == ""
        await client.agents_sessions_setStatus(channel_id=channel, thread_ts=question.ts, status="processing")
        assert slack.world.session_states[channel, question.ts] == ["processing"]


# slack_sdk still names its client in aiohttp's old way.
@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
async def test_install_and_rotation() -> None:
    clock = ManualClock()
    async with fake_slack(clock) as slack:
        slack.add_workspace("T2", "globex", bot="UBOT2")
        code = slack.offer_install("T2", rotating=True)
        client = AsyncWebClient(base_url=slack.api_url)
        first = await client.oauth_v2_access(client_id="1", client_secret="s", code=code)
        clock.advance(first["expires_in"])
        with pytest.raises(SlackApiError, match="token_expired"):
            await client.auth_test(token=first["access_token"])
        renewed = await client.oauth_v2_access(
            client_id="1", client_secret="s", grant_type="refresh_token", refresh_token=first["refresh_token"]
        )
        assert (await client.auth_test(token=renewed["access_token"]))["team_id"] == "T2"


async def test_home_tab(slack: FakeSlack) -> None:
    client = client_of(slack)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "3 documents"}}
    await client.views_publish(user_id="U1", view={"type": "home", "blocks": [section]})
    assert slack.world.homes["U1"].shown == "3 documents"
    await slack.open_home("U1")
    assert slack.deliveries[0].event["view"]["blocks"] == [section]
    with pytest.raises(SlackApiError, match="markdown is only for messages"):
        await client.views_publish(user_id="U1", view={"type": "home", "blocks": [{"type": "markdown", "text": "x"}]})


def test_every_method_has_its_facts() -> None:
    assert set(METHODS) == set(SPECS)


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}, "at most 20"),
        ({"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]}, "must have text"),
        ({"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}, "at most 10"),
        ({"type": "context_actions", "elements": [{"type": "button"}]}, "unsupported element here: button"),
        ({"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]}, "75"),
        ({"type": "section", "text": {"type": "mrkdwn", "text": ""}}, "at least 1 character"),
        ({"type": "image", "image_url": "https://example.com/a.png"}, "alt_text"),
        ({"type": "task_card", "task_id": "1", "title": "Read", "status": "done"}, "none of the four"),
    ],
)
def test_blocks_that_slack_does_not_take(block: dict[str, Any], problem: str) -> None:
    assert any(problem in found for found in block_problems([block]))


def test_markdown_blocks_share_one_allowance() -> None:
    blocks = [{"type": "markdown", "text": "x" * 6001}] * 2
    assert block_problems(blocks) == ["markdown blocks: at most 12000 characters in all, are 12002"]
