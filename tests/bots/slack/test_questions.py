"""Where people ask in Slack, and what they see."""

from __future__ import annotations

import pytest

from tests.bots.slack.running import ANSWER, QUESTION
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack

pytestmark = pytest.mark.usefixtures("bot")


async def test_a_mention_is_answered_once_in_its_thread_with_its_sources(slack: FakeSlack) -> None:
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    (reply,) = await slack.until(lambda: slack.replies(question))
    await slack.until(lambda: "leave" in reply.shown)
    await slack.all_acked()
    assert ANSWER in reply.shown
    assert "[1]" in reply.shown.replace(ANSWER, "")
    assert len(slack.replies(question)) == 1


async def test_a_direct_message_is_answered_without_a_mention(slack: FakeSlack) -> None:
    question = await slack.say("U1", slack.dm("U1"), QUESTION)
    (reply,) = await slack.until(lambda: slack.replies(question))
    await slack.until(lambda: ANSWER in reply.shown)


async def test_the_answer_streams_while_it_is_written(slack: FakeSlack, model: FakeOpenAI) -> None:
    model.pause = 0.15
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    (reply,) = await slack.until(lambda: slack.replies(question))
    assert reply.stream is not None
    await slack.until(lambda: reply.stream.state == "stopped")
    assert len(reply.stream.parts) > 1
    assert "".join(reply.stream.parts) == ANSWER


async def test_a_follow_up_in_the_thread_needs_no_mention_and_knows_what_was_said(
    slack: FakeSlack, model: FakeOpenAI
) -> None:
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: slack.called("chat.stopStream") or slack.called("chat.postMessage"))
    await slack.say("U1", "C1", "And how is it accrued?", thread=question)
    await slack.until(lambda: len(slack.replies(question)) == 2)
    assert QUESTION in "".join(str(request) for request in model.requests[1:])


async def test_people_among_themselves_are_left_alone(slack: FakeSlack) -> None:
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: slack.replies(question))
    await slack.say("U2", "C1", "<@U1> where is the meeting?", thread=question)
    await slack.say("U1", "C1", "In room 4", thread=question)
    await slack.say("U2", "C1", "Who is coming?", thread=question)
    last = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: slack.replies(last))
    assert len(slack.replies(question)) == 1


async def test_talk_in_a_channel_is_nobody_s_business(slack: FakeSlack) -> None:
    before = len(slack.calls)
    await slack.say("U1", "C1", QUESTION)
    await slack.all_acked()
    assert [call.method for call in slack.calls[before:] if call.method.startswith("chat.")] == []


async def test_what_is_not_in_the_documents_gets_an_honest_no_answer(slack: FakeSlack) -> None:
    question = await slack.say("U1", "C1", "<@BOT> Who won the football match in Lisbon?")
    (reply,) = await slack.until(lambda: slack.replies(question))
    assert "could not find" in reply.shown


async def test_in_a_direct_message_the_next_question_may_belong_to_the_one_before(
    slack: FakeSlack, model: FakeOpenAI
) -> None:
    direct = slack.dm("U1")
    first = await slack.say("U1", direct, QUESTION)
    await slack.until(lambda: any("Leave" in each.shown for each in slack.replies(first)))
    asked = len(model.requests)
    second = await slack.say("U1", direct, "And when must it be requested?")
    await slack.until(lambda: any("Leave" in each.shown for each in slack.replies(second)))
    assert QUESTION in str(model.requests[asked:])
    asked = len(model.requests)
    other = await slack.say("U2", slack.dm("U2"), "And when must it be requested?")
    await slack.until(lambda: slack.replies(other))
    assert len(model.requests) == asked, "by itself, it says nothing that could be found"


async def test_without_streams_the_answer_is_shown_by_changes(slack: FakeSlack, model: FakeOpenAI) -> None:
    model.pause = 0.4
    slack.faults.fail("chat.startStream", 9, error="feature_not_enabled")
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    (reply,) = await slack.until(lambda: slack.replies(question))
    assert reply.stream is None
    assert ANSWER.startswith(reply.shown)
    assert reply.shown != ANSWER
    await slack.until(lambda: "Leave" in reply.shown)
    assert ANSWER in reply.shown
    assert len(reply.edits) > 1
    assert len(slack.replies(question)) == 1
