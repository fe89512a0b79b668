"""The loopback Slack's deliveries, received by the real slack-bolt over sockets and HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import FakeSlack, fake_slack
from tests.fakes.slack.with_bolt import answering, bolt, client_of, connected, served


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with fake_slack() as running:
        yield running


async def test_mention_is_answered_in_its_thread(slack: FakeSlack) -> None:
    async with connected(answering(bolt(slack)), slack):
        question = await slack.say("U1", "C1", "<@BOT> how many days?")
        (reply,) = await slack.until(lambda: slack.replies(question))
        await slack.all_acked()
    assert reply.shown == "13 days"
    types = [delivery.event["type"] for delivery in slack.deliveries]
    assert types == ["app_mention", "message", "message"], "both events of the question, and the echo of the answer"
    assert len({delivery.payload["event_id"] for delivery in slack.deliveries}) == 3
    assert slack.violations == []


async def test_http_mode_accepts_only_good_signatures(slack: FakeSlack) -> None:
    app = answering(bolt(slack))
    async with served(app, slack):
        assert (await slack.verify_url()).payload() == {"challenge": "prove-it"}
        question = await slack.say("U1", "C1", "<@BOT> how many days?")
        await slack.until(lambda: slack.replies(question))
        await slack.all_acked()
        event = slack.deliveries[0].payload
        assert (await slack.post_raw("events_api", event, secret="wrong")).status == 401
        assert (await slack.post_raw("events_api", event, age_s=600)).status == 401
        assert (await slack.post_raw("events_api", event, signed=False)).status == 401
    assert len(slack.replies(question)) == 1
    assert slack.violations == []


async def test_command_and_dialog_over_http(slack: FakeSlack) -> None:
    app = bolt(slack)
    modal = {
        "type": "modal",
        "callback_id": "why",
        "title": {"type": "plain_text", "text": "Why?"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "label": {"type": "plain_text", "text": "Reason"},
                "element": {"type": "plain_text_input", "action_id": "text"},
            }
        ],
    }

    @app.command("/ask")
    async def ask(ack: Any, body: dict[str, Any], respond: Any, client: AsyncWebClient) -> None:
        await ack("One moment")
        await client.views_open(trigger_id=body["trigger_id"], view=modal)
        await respond(text="13 days", replace_original=False)

    @app.view("why")
    async def sent(ack: Any, view: dict[str, Any]) -> None:
        text = view["state"]["values"]["reason"]["text"]["value"]
        await (ack() if text != "bad" else ack(response_action="errors", errors={"reason": "Say more"}))

    async with served(app, slack):
        await slack.command("/ask", "how many days?")
        await slack.until(lambda: len(slack.messages("C1")) == 2)
        assert {message.shown for message in slack.messages("C1")} == {"One moment", "13 days"}
        assert {message.ephemeral_to for message in slack.messages("C1")} == {"U1"}
        (view,) = slack.views("U1")
        await slack.submit(view, {"text": "bad"})
        await slack.until(lambda: view.errors == {"reason": "Say more"})
        await slack.submit(view, {"text": "good"})
        await slack.until(lambda: not view.open)
    assert slack.violations == []


async def test_button_press_and_feedback(slack: FakeSlack) -> None:
    app, pressed = bolt(slack), asyncio.Queue[tuple[str, Any]]()

    @app.action("feedback")
    async def feedback(ack: Any, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        pressed.put_nowait((body["message"]["text"], action["value"]))

    buttons = {
        f"{kind}_button": {"text": {"type": "plain_text", "text": kind}, "value": kind}
        for kind in ("positive", "negative")
    }
    element = {"type": "feedback_buttons", "action_id": "feedback", **buttons}
    async with connected(app, slack):
        await app.client.chat_postMessage(
            channel="C2", text="13 days", blocks=[{"type": "context_actions", "elements": [element]}]
        )
        (message,) = slack.messages("C2")
        delivery = await slack.press(message, "feedback", value="negative")
        assert await pressed.get() == ("13 days", "negative")
        await slack.until(lambda: delivery.acked)
        with pytest.raises(LookupError, match="nothing to press"):
            await slack.press(message, "other")


async def test_unacknowledged_event_comes_again(slack: FakeSlack) -> None:
    attempts: list[int] = []
    app = bolt(slack)

    @app.middleware
    async def first_time_lost(req: Any, next_: Any) -> Any:
        attempts.append(int(req.headers["x-slack-retry-num"][0]))
        if len(attempts) == 1:
            raise ConnectionError("the database is away")
        return await next_()

    @app.error
    async def quiet(error: Exception) -> Any:
        return None

    answering(app)
    slack.subscriptions = {"app_mention"}
    slack.echo = False
    # Sent while nobody listens.
    question = await slack.say("U1", "C1", "<@BOT> how many days?")
    assert slack.unacked() == slack.deliveries
    async with connected(app, slack):
        await slack.redeliver()
        await slack.until(lambda: len(attempts) == 1)
        await slack.redeliver(slack.deliveries)
        await slack.until(lambda: slack.replies(question))
        await slack.until(lambda: slack.deliveries[0].acked)
    assert attempts == [1, 2]


async def test_duplicate_and_swapped_deliveries(slack: FakeSlack) -> None:
    slack.faults.duplicates, slack.faults.swapped = 1, True
    seen: list[str] = []
    app = bolt(slack)

    @app.middleware
    async def note(body: dict[str, Any], next_: Any) -> Any:
        seen.append(f"{body['event_id']} {body['event']['type']}")
        return await next_()

    slack.echo = False
    async with connected(answering(app), slack):
        await slack.say("U1", "C1", "<@BOT> how many days?")
        await slack.until(lambda: len(seen) == 3)
        await slack.until(lambda: slack.deliveries[0].acks == 2)
    first, again, other = (entry.split() for entry in seen)
    assert first == again
    assert (first[1], other[1]) == ("message", "app_mention")


async def test_socket_breaks_in_the_middle_of_an_envelope(slack: FakeSlack) -> None:
    async with connected(answering(bolt(slack)), slack):
        slack.faults.drops = 1
        slack.subscriptions = {"app_mention"}
        question = await slack.say("U1", "C1", "<@BOT> how many days?")
        await slack.until(lambda: slack.sockets.opened >= 2 and slack.sockets.live)
        assert slack.deliveries[0].acked is None
        await slack.redeliver()
        await slack.until(lambda: slack.replies(question))
        await slack.sockets.disconnect("refresh_requested")
        await slack.until(lambda: slack.sockets.opened >= 3 and slack.sockets.live)


async def test_several_connections_take_turns(slack: FakeSlack) -> None:
    slack.subscriptions = {"app_mention"}
    async with connected(answering(bolt(slack)), slack), connected(answering(bolt(slack)), slack):
        questions = [await slack.say("U1", "C1", f"<@BOT> {number}") for number in range(4)]
        await slack.until(lambda: all(slack.replies(question) for question in questions))
        assert [len(connection.delivered) for connection in slack.sockets.live] == [2, 2]


async def test_edits_deletions_and_goodbyes(slack: FakeSlack) -> None:
    question = await slack.say("U1", "C1", "<@BOT> how many days?")
    await slack.edit(question, "<@BOT> how many weeks?")
    await slack.delete(question)
    await slack.join("UBOT", "C2", inviter="U1")
    await slack.react("U2", question, "eyes")
    await slack.uninstall()
    events = [delivery.event for delivery in slack.deliveries]
    kinds = [event.get("subtype", event["type"]) for event in events]
    assert kinds == [
        "app_mention",
        "message",
        "message_changed",
        "message_deleted",
        "member_joined_channel",
        "reaction_added",
        "tokens_revoked",
        "app_uninstalled",
    ]
    assert events[2]["message"]["text"] == "<@UBOT> how many weeks?"
    assert events[2]["previous_message"]["text"] == "<@UBOT> how many days?"
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client_of(slack).auth_test()


async def test_http_retry_says_its_number(slack: FakeSlack) -> None:
    seen: list[str | None] = []
    app = bolt(slack)

    @app.middleware
    async def fails_once(req: Any, next_: Any) -> Any:
        seen.append((req.headers.get("x-slack-retry-num") or [None])[0])
        if len(seen) == 1:
            raise ConnectionError("the database is away")
        return await next_()

    @app.error
    async def away(error: Exception) -> BoltResponse:
        return BoltResponse(status=503)

    slack.subscriptions, slack.echo = {"app_mention"}, False
    async with served(answering(app), slack):
        question = await slack.say("U1", "C1", "<@BOT> how many days?")
        (delivery,) = slack.deliveries
        await slack.until(lambda: delivery.statuses == [503])
        await slack.redeliver()
        await slack.until(lambda: slack.replies(question))
    assert seen == [None, "1"]
