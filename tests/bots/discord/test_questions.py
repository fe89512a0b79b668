"""Questions in Discord, from the message to the answer."""

from __future__ import annotations

from pathlib import Path

from bots.discord.channel import HINT
from tests.bots.discord.running import ANSWER, QUESTION, Bot, answered, running, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.openai_server import FakeOpenAI


async def test_a_mention_is_answered_once_in_a_thread_of_its_own_with_its_sources(fake: FakeDiscord, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    (reply,) = await answered(fake, question)
    thread = fake.thread_of(question)
    assert thread is not None
    assert (thread.name, reply.channel) == (QUESTION, thread)
    assert ANSWER in reply.shown
    assert reply.component(label="Passage 1")


async def test_a_direct_message_is_answered_without_a_mention(fake: FakeDiscord, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.dm(fake.ann), QUESTION)
    (reply,) = await answered(fake, question)
    assert ANSWER in reply.shown


async def test_the_answer_is_shown_while_it_is_written(fake: FakeDiscord, model: FakeOpenAI, bot: Bot) -> None:
    model.pause = 0.4
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    (reply,) = await fake.until(lambda: fake.replies(question))
    assert ANSWER.startswith(reply.shown)
    assert reply.shown != ANSWER
    await answered(fake, question)
    assert len(reply.edits) > 1
    assert len(fake.replies(question)) == 1


async def test_a_follow_up_in_the_thread_needs_no_mention(fake: FakeDiscord, model: FakeOpenAI, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await answered(fake, question)
    thread = fake.thread_of(question)
    assert thread is not None
    asked = len(model.requests)
    await fake.say(fake.ann, thread, "And when must it be requested?")
    await fake.until(lambda: len(model.requests) > asked)
    assert QUESTION in str(model.requests[-1])
    await fake.until(lambda: len(fake.messages(thread)) == 4)


async def test_without_the_intent_the_bot_says_once_how_to_ask(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    fake.application.flags = 0
    async with running(settings(tmp_path, fake, model), fake) as bot:
        assert not bot.channel.client.has_content
        question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
        await answered(fake, question)
        thread = fake.thread_of(question)
        assert thread is not None
        await fake.say(fake.ann, thread, "And for part-time staff?")
        await fake.say(fake.ann, thread, "Hello?")
        await fake.until(lambda: HINT in [each.shown for each in fake.messages(thread)])
        await fake.say(fake.ann, thread, f"<@BOT> {QUESTION}")
        await fake.until(lambda: sum(ANSWER in each.shown for each in fake.messages(thread)) == 2)
        assert [each.shown for each in fake.messages(thread)].count(HINT) == 1


async def test_a_reply_to_an_answer_in_a_channel_goes_on(fake: FakeDiscord, model: FakeOpenAI, bot: Bot) -> None:
    asked = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)
    await fake.until(lambda: asked.messages and "Leave" in asked.messages[0].shown)
    before = len(model.requests)
    reply = await fake.say(
        fake.ann, fake.general, "And when must it be requested?", reply_to=asked.messages[0], ping=False
    )
    await fake.until(lambda: len(model.requests) > before)
    await fake.until(lambda: fake.replies(reply))


async def test_where_no_thread_can_be_made_the_answer_is_a_reply(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    from tests.fakes.discord import permissions as may

    fake.overwrite(fake.general, fake.bot, deny=may.CREATE_PUBLIC_THREADS)
    async with running(settings(tmp_path, fake, model), fake):
        question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
        (reply,) = await answered(fake, question)
        assert reply.channel == fake.general


async def test_a_new_post_in_a_forum_that_is_bound_is_answered_and_marked(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, fake, model, discord={"channels": {str(fake.forum.id): "default"}})
    async with running(chosen, fake):
        post = await fake.post(fake.ann, fake.forum, "Annual leave", QUESTION)
        starter = fake.starter(post)
        await fake.until(lambda: any(ANSWER in each.shown for each in fake.messages(post)))
        await fake.until(lambda: "answered" in [each.name for each in post.applied_tags])
        assert starter is not None
        other = await fake.say(fake.ben, fake.random, QUESTION)
    assert fake.replies(other) == []


async def test_a_forum_that_nobody_bound_is_left_alone(fake: FakeDiscord, bot: Bot) -> None:
    post = await fake.post(fake.ann, fake.forum, "Annual leave", QUESTION)
    last = await fake.say(fake.ben, fake.general, f"<@BOT> {QUESTION}")
    await answered(fake, last)
    assert len(fake.messages(post)) == 1
