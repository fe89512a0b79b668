"""Each message exactly one answer, whatever Slack, people and machines do in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InvalidSettings, StorageFailed
from core.health import State
from core.store.inbox import Entry
from tests.bots.restored import restored
from tests.bots.slack.running import ANSWER, QUESTION, Bot, Scripted, running, serving, settings
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack, ManualClock, Message, SystemClock

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow

UNSURE = {
    ("chat.stopStream", "refused"): "streaming_state_conflict",
    ("chat.startStream", "carried out and broken"): "streaming_state_conflict",
    ("chat.stopStream", "carried out and broken"): "message_not_in_streaming_state",
    ("chat.startStream", "carried out and closed"): "streaming_state_conflict",
    ("chat.stopStream", "carried out and closed"): "message_not_in_streaming_state",
}


async def answered(slack: FakeSlack, question: Message) -> None:
    """The answer is there, whole."""
    await slack.until(lambda: any(ANSWER in each.shown and "Leave" in each.shown for each in slack.replies(question)))


async def test_an_event_that_comes_twice_or_in_the_other_order_is_answered_once(slack: FakeSlack, bot: Bot) -> None:
    slack.faults.duplicates, slack.faults.swapped = 3, True
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await answered(slack, question)
    await slack.redeliver(list(slack.deliveries))
    other = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
    await answered(slack, other)
    assert len(slack.replies(question)) == len(slack.replies(other)) == 1


async def test_the_answers_of_other_bots_and_its_own_are_no_questions(slack: FakeSlack, bot: Bot) -> None:
    await slack.say("UBOT2", "C1", f"<@BOT> {QUESTION}", bot_id="B2")
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await answered(slack, question)
    await slack.all_acked()
    assert len(slack.messages(by_bot=True)) == 2, "the other bot's message, and one answer"


async def test_an_edited_question_is_answered_again_in_place(slack: FakeSlack, model: FakeOpenAI, bot: Bot) -> None:
    question = await slack.say("U1", "C1", "<@BOT> How many days of leave do I have?")
    await answered(slack, question)
    asked = len(model.requests)
    await slack.edit(question, f"<@BOT> {QUESTION}")
    await slack.until(lambda: len(model.requests) > asked)
    (reply,) = slack.replies(question)
    await slack.until(lambda: reply.edits)
    assert ANSWER in reply.shown
    assert len(slack.replies(question)) == 1
    assert "annual leave" in model.prompt()


async def test_a_question_that_is_edited_while_it_is_answered_is_answered_once(
    slack: FakeSlack, model: FakeOpenAI, bot: Bot
) -> None:
    model.pause = 0.2
    question = await slack.say("U1", "C1", "<@BOT> How many days of leave do I have?")
    await slack.until(lambda: slack.replies(question))
    model.pause = 0.0
    await slack.edit(question, f"<@BOT> {QUESTION}")
    await answered(slack, question)
    assert len(slack.replies(question)) == 1


async def test_an_edit_that_mentions_the_bot_asks_it(slack: FakeSlack, bot: Bot) -> None:
    question = await slack.say("U1", "C1", QUESTION)
    await slack.all_acked()
    assert not slack.replies(question)
    await slack.edit(question, f"<@BOT> {QUESTION}")
    await answered(slack, question)


async def test_a_deleted_question_takes_its_unfinished_answer_along(
    slack: FakeSlack, model: FakeOpenAI, bot: Bot
) -> None:
    model.pause = 0.3
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: slack.replies(question))
    await slack.delete(question)
    await slack.until(lambda: not slack.replies(question))
    await slack.until(lambda: model.left_early)


async def test_slack_s_stop_button_ends_the_writing(slack: FakeSlack, model: FakeOpenAI, bot: Bot) -> None:
    model.pause = 0.3
    channel = slack.dm("U1")
    question = await slack.say("U1", channel, QUESTION)
    await slack.until(lambda: slack.replies(question))
    await slack.stop(question)
    await slack.until(lambda: model.left_early)
    await slack.until(lambda: slack.world.session_states[channel, question.ts][-1] == "active")
    assert len(slack.replies(question)) == 1


async def test_what_was_asked_while_nobody_listened_is_answered_once(
    slack: FakeSlack, model: FakeOpenAI, tmp_path: Path
) -> None:
    slack.lose_while_down = True
    lost = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    direct = await slack.say("U2", slack.dm("U2"), QUESTION)
    chosen = settings(tmp_path, slack, model)
    async with running(chosen, slack):
        await answered(slack, lost)
        await answered(slack, direct)
    async with running(chosen, slack):
        last = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
        await answered(slack, last)
    assert [len(slack.replies(each)) for each in (lost, direct, last)] == [1, 1, 1]


async def test_after_a_broken_connection_what_was_asked_meanwhile_is_answered(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.slack.channel.WATCH_SECONDS", 0.1)
    await slack.until(lambda: slack.called("conversations.history"))
    slack.lose_while_down = True
    slack.faults.fail("apps.connections.open", 2, status=503)
    slack.sockets.cut()
    lost = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    assert slack.lost()
    await slack.until(lambda: slack.replies(lost), 40)
    await answered(slack, lost)
    assert len(slack.replies(lost)) == 1


async def test_a_deletion_may_come_before_its_message(slack: FakeSlack, model: FakeOpenAI, tmp_path: Path) -> None:
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.delete(question)
    late = slack.unacked()
    assert len(late) > 1
    async with running(settings(tmp_path, slack, model), slack):
        await slack.redeliver(list(reversed(late)))
        other = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
        await answered(slack, other)
    assert len(slack.messages(by_bot=True)) == 1


async def test_a_question_deleted_while_nobody_listened_is_not_answered(
    slack: FakeSlack, model: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bots.slack.missed.ABSENT_SECONDS", 0.0)
    monkeypatch.setattr("bots.chat.desk.GRACE_SECONDS", 0.0)
    chosen = settings(tmp_path, slack, model)
    async with running(chosen, slack, asker=Scripted(ANSWER, 1000.0)):
        root = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
        gone = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
        reply = await slack.say("U2", "C1", f"<@BOT> {QUESTION}", thread=root)
        await slack.all_acked()
    slack.lose_while_down = True
    await slack.delete(gone)
    await slack.delete(reply)
    async with running(chosen, slack, text=""):
        last = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
        await answered(slack, root)
        await answered(slack, last)
    assert len(slack.messages(by_bot=True)) == 2


async def test_what_is_too_old_is_not_answered(slack: FakeSlack, model: FakeOpenAI, tmp_path: Path) -> None:
    slack.clock = ManualClock(time.time() - 120)
    old = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    slack.clock = SystemClock()
    chosen = settings(tmp_path, slack, model, slack={"missed_minutes": 1})
    async with running(chosen, slack):
        await slack.redeliver()
        # Its own age counts from when it was sent.
        new = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
        await answered(slack, new)
    assert not slack.replies(old)


async def test_what_was_said_before_an_old_state_was_restored_may_have_been_answered(
    slack: FakeSlack, model: FakeOpenAI, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, slack, model)
    async with running(chosen, slack) as bot:
        assert bot.application.record is not None
    slack.lose_while_down = True
    slack.clock = ManualClock(time.time() - 60)
    old = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    slack.clock = SystemClock()
    restored(chosen.database_url, chosen.data_dir, datetime.now(UTC) - timedelta(seconds=30))
    new = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
    async with running(chosen, slack, text=""):
        await answered(slack, new)
    assert not slack.replies(old)


async def test_an_event_that_cannot_be_written_down_is_not_acknowledged(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bot.application.record is not None
    inbox = bot.application.record.inbox
    accept, broken = inbox.accept, True

    def failing(entries: Sequence[Entry]) -> set[str]:
        if broken:
            raise StorageFailed("The disk is full.")
        return accept(entries)

    monkeypatch.setattr(inbox, "accept", failing)
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await asyncio.sleep(0.3)
    assert slack.unacked()
    broken = False
    await slack.redeliver()
    await answered(slack, question)
    assert len(slack.replies(question)) == 1


async def test_a_connection_that_breaks_is_made_again(slack: FakeSlack, bot: Bot) -> None:
    opened = slack.sockets.opened
    await slack.sockets.disconnect("refresh_requested")
    await slack.until(lambda: slack.sockets.opened > opened and slack.sockets.live, 30)
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    async with asyncio.timeout(30):
        # Slack sends again what it gave to a connection that was being replaced.
        while not slack.replies(question):
            await asyncio.sleep(0.5)
            await slack.redeliver()
    await answered(slack, question)
    assert len(slack.replies(question)) == 1


@pytest.mark.parametrize("method", ["chat.startStream", "chat.stopStream", "chat.appendStream", "chat.update"])
@pytest.mark.parametrize("fault", ["refused", "busy", "broken", "carried out and broken", "carried out and closed"])
async def test_whatever_fails_at_slack_there_is_one_whole_answer(
    slack: FakeSlack, model: FakeOpenAI, bot: Bot, method: str, fault: str
) -> None:
    model.pause = 0.15
    if fault == "refused":
        slack.faults.fail(method, error="not_allowed")
    elif fault == "busy":
        slack.faults.fail(method, retry_after=1)
    elif fault.endswith("closed"):
        slack.faults.fail(method, close=True, afterwards=True)
    else:
        slack.faults.fail(method, status=500, afterwards=fault.startswith("carried"))
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await answered(slack, question)
    assert len(slack.replies(question)) == 1
    if (method, fault) in UNSURE:
        # Whether the stream goes on, only the next call could tell.
        await slack.until(lambda: slack.violations)
        assert {violation.error for violation in slack.violations} == {UNSURE[method, fault]}
        slack.violations.clear()


async def test_an_answer_that_slack_took_without_saying_so_is_not_posted_again(
    slack: FakeSlack, model: FakeOpenAI, bot: Bot
) -> None:
    slack.faults.fail("chat.startStream", error="method_not_supported")
    slack.faults.fail("chat.postMessage", status=503, afterwards=True)
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await answered(slack, question)
    await slack.until(lambda: slack.called("conversations.replies"))
    assert len(slack.replies(question)) == 1


async def test_a_stream_that_expired_is_completed_by_an_update(slack: FakeSlack, model: FakeOpenAI, bot: Bot) -> None:
    model.pause = 0.2
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    (reply,) = await slack.until(lambda: slack.replies(question))
    slack.expire(reply)
    await answered(slack, question)
    assert len(slack.replies(question)) == 1


async def test_two_processes_share_the_work_and_answer_once(slack: FakeSlack, model: FakeOpenAI, bot: Bot) -> None:
    async with serving(bot.application, slack):
        questions = [await slack.say("U1", channel, f"<@BOT> {QUESTION}") for channel in ("C1", "C2", "G1") * 2]
        for question in questions:
            await answered(slack, question)
    assert [len(slack.replies(question)) for question in questions] == [1] * 6


async def test_who_asks_where_the_bot_may_not_write_is_answered_directly(slack: FakeSlack, bot: Bot) -> None:
    slack.add_channel("C9", "closed", people=["U1"], with_bot=False)
    message = await slack.say("U2", "C9", QUESTION)
    await slack.shortcut("answer_this", message, user="U1")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.messages(slack.dm("U1"))))
    first, *_ = slack.messages(slack.dm("U1"))
    assert "invite me" in first.shown


async def test_an_answer_longer_than_a_message_arrives_whole_in_several(slack: FakeSlack, tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "It goes on and on. " * 40 for number in range(40))
    async with running(settings(tmp_path, slack), slack, asker=Scripted(text, 0.5)):
        question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
        await slack.until(lambda: any("Try again" in str(each.blocks) for each in slack.replies(question)))
    shown = "\n".join(each.shown for each in slack.replies(question))
    assert all(f"Paragraph {number}." in shown for number in range(40))
    assert len(slack.replies(question)) == 3


@pytest.mark.parametrize(
    ("tokens", "name"),
    [({"app_token": "xapp-wrong"}, "SLACK_APP_TOKEN"), ({"bot_token": "xoxb-wrong"}, "SLACK_BOT_TOKEN")],
)
async def test_a_token_that_slack_does_not_take_is_named_at_once(
    slack: FakeSlack, tmp_path: Path, tokens: dict[str, str], name: str
) -> None:
    with pytest.raises(InvalidSettings, match=name):
        async with running(settings(tmp_path, slack, slack=tokens), slack):
            pass
    slack.violations.clear()


async def test_a_token_that_is_revoked_is_reported(slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.slack.channel.WATCH_SECONDS", 0.05)
    slack.bot.revoked = True
    await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    reports = bot.application.reports
    await slack.until(lambda: reports["slack"].state is not State.OK, 30)
    assert "token_revoked" in reports["slack"].detail
    slack.violations.clear()
