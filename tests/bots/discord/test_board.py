"""Where Discord lets the bot do less than usual, people still get their answer."""

from __future__ import annotations

from bots.chat import wording
from tests.bots.discord.running import ANSWER, QUESTION, Bot, answered
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord import permissions as may
from tests.fakes.openai_server import FakeOpenAI

WRITING = may.SEND_MESSAGES | may.SEND_MESSAGES_IN_THREADS


async def test_where_nothing_may_be_embedded_the_sources_are_words(
    fake: FakeDiscord, model: FakeOpenAI, bot: Bot
) -> None:
    # Slowly, so that it is shown while it is written, which needs no embed.
    model.pause = 0.05
    fake.overwrite(fake.general, fake.bot, deny=may.EMBED_LINKS)
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await fake.until(lambda: any("[1] Leave" in each.content for each in fake.replies(question)))
    (reply,) = fake.replies(question)
    assert ANSWER in reply.content
    assert reply.edits
    assert not reply.embeds
    assert reply.component(label="Passage 1")


async def test_where_nothing_may_be_written_the_answer_goes_to_the_person(fake: FakeDiscord, bot: Bot) -> None:
    fake.overwrite(fake.general, fake.bot, deny=WRITING)
    await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    direct = fake.dm(fake.ann)
    await fake.until(lambda: any("[1] Leave" in each.shown for each in fake.messages(direct)))
    said, answer = fake.messages(direct)
    assert said.shown == wording.CANNOT_WRITE_THERE
    assert ANSWER in answer.shown


async def test_what_is_looked_for_after_a_failure_is_not_the_beginning_of_the_thread(
    fake: FakeDiscord, model: FakeOpenAI, bot: Bot
) -> None:
    model.pause = 0.05
    fake.faults.fail("POST /channels/{channel_id}/messages", status=503)
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await answered(fake, question)
    thread = fake.thread_of(question)
    assert thread is not None
    beginning, answer = fake.messages(thread)
    assert not beginning.edits
    assert ANSWER in answer.shown
