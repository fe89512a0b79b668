"""Buttons, dialogs, the command, the shortcut and the agent view."""

from __future__ import annotations

import pytest

from core.types import Reason, Thumb
from tests.bots.slack.running import ANSWER, QUESTION, Bot
from tests.fakes.slack import FakeSlack, Message

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow


async def answer_in(slack: FakeSlack, channel: str = "C1", user: str = "U1") -> Message:
    question = await slack.say(user, channel, f"<@BOT> {QUESTION}")
    reply: Message = await slack.until(
        lambda: next((each for each in slack.replies(question) if "Try again" in str(each.blocks)), None)
    )
    return reply


async def private_answer(slack: FakeSlack, channel: str = "C2") -> Message:
    await slack.command("/ask", QUESTION, channel=channel)
    reply: Message = await slack.until(
        lambda: next((each for each in slack.messages(channel) if ANSWER in each.shown), None)
    )
    return reply


async def test_a_source_opens_its_passage(slack: FakeSlack, bot: Bot) -> None:
    reply = await answer_in(slack)
    await slack.press(reply, "passage", user="U2")
    (view,) = await slack.until(lambda: slack.views("U2"))
    assert "You accrue 13 days of annual leave per year." in view.shown


async def test_a_source_of_a_removed_document_still_shows_its_quote(slack: FakeSlack, bot: Bot) -> None:
    reply = await answer_in(slack)
    (document,), _ = await bot.application.documents.page()
    await bot.application.documents.remove(document.id)
    await slack.press(reply, "passage")
    (view,) = await slack.until(lambda: slack.views("U1"))
    assert "13 days" in view.shown


async def test_thumbs_are_kept_with_their_reason(slack: FakeSlack, bot: Bot) -> None:
    reply = await answer_in(slack)
    assert bot.application.record is not None
    feedback = bot.application.record.feedback
    up, down = (f"{thumb}:slack:C1:{reply.root}" for thumb in ("up", "down"))
    await slack.press(reply, "feedback", user="U2", value=up)
    await slack.until(lambda: any("Thank you" in each.shown for each in slack.messages("C1")))
    await slack.press(reply, "feedback", user="U1", value=down)
    (view,) = await slack.until(lambda: slack.views("U1"))
    await slack.submit(view, {"reason": "outdated", "comment": "It is 14 days now"})
    await slack.until(lambda: not view.open)
    rated, total = feedback.page()
    while not rated[0].feedback.comment:
        rated, total = feedback.page()
    assert total == 2
    assert {(each.feedback.rater, each.feedback.thumb) for each in rated} == {
        ("slack:U1", Thumb.DOWN),
        ("slack:U2", Thumb.UP),
    }
    assert (rated[0].feedback.reason, rated[0].question) == (Reason.OUTDATED, QUESTION)


async def test_try_again_answers_in_place(slack: FakeSlack, bot: Bot) -> None:
    reply = await answer_in(slack)
    await slack.press(reply, "retry")
    await slack.until(lambda: reply.edits)
    assert ANSWER in reply.shown
    assert len(slack.messages("C1", by_bot=True)) == 1


async def test_a_command_is_answered_to_the_asker_only(slack: FakeSlack, bot: Bot) -> None:
    reply = await private_answer(slack)
    assert reply.ephemeral_to == "U1"
    assert {each.ephemeral_to for each in slack.messages("C2", by_bot=True)} == {"U1"}


async def test_a_command_without_a_question_says_how_to_ask(slack: FakeSlack, bot: Bot) -> None:
    await slack.command("/ask", "   ")
    (reply,) = await slack.until(lambda: slack.messages("C1", by_bot=True))
    assert "/ask How many" in reply.shown


async def test_a_private_answer_can_be_shared_and_asked_again(slack: FakeSlack, bot: Bot) -> None:
    reply = await private_answer(slack)
    await slack.press(reply, "share")
    shared = await slack.until(
        lambda: [each for each in slack.messages("C2") if each.ephemeral_to is None and ANSWER in each.shown]
    )
    assert any(QUESTION in each.shown for each in slack.messages("C2") if each.ephemeral_to is None)
    assert "Share with" not in str(shared[0].blocks)
    before = len(slack.messages("C2"))
    await slack.press(reply, "retry")
    await slack.until(lambda: len(slack.messages("C2")) > before)


async def test_the_shortcut_answers_a_message_in_its_thread_once(slack: FakeSlack, bot: Bot) -> None:
    message = await slack.say("U2", "C1", QUESTION)
    await slack.shortcut("answer_this", message, user="U1")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(message)))
    await slack.shortcut("answer_this", message, user="UADMIN")
    await slack.until(lambda: any("answered already" in each.shown for each in slack.messages("C1")))
    assert len([each for each in slack.replies(message) if each.ephemeral_to is None]) == 1


async def test_the_agent_view_suggests_what_others_asked(slack: FakeSlack, bot: Bot) -> None:
    for user in ("U1", "U2"):
        await answer_in(slack, user=user)
    channel = await slack.open_agent("UADMIN")
    prompts = await slack.until(lambda: slack.world.prompts.get(channel))
    assert [prompt["message"] for prompt in prompts] == [QUESTION]


async def test_an_answer_that_is_no_longer_kept_is_told_so(slack: FakeSlack, bot: Bot) -> None:
    reply = await answer_in(slack)
    assert bot.application.record is not None
    thread = f"slack:C1:{reply.root}"
    bot.application.record.conversations.forget(f'["default", [], "", "{thread}"]')
    await slack.press(reply, "passage")
    await slack.until(lambda: any("no longer kept" in each.shown for each in slack.messages("C1")))


@pytest.mark.parametrize("broken", ["views.open"])
async def test_a_button_that_fails_says_so_with_a_reference(slack: FakeSlack, bot: Bot, broken: str) -> None:
    reply = await answer_in(slack)
    slack.faults.fail(broken, error="expired_trigger_id")
    await slack.press(reply, "passage")
    await slack.until(lambda: any("(reference " in each.shown for each in slack.messages("C1")))
