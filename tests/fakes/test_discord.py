"""The loopback Discord as the real discord.py sees it: people talk, the bot answers in threads, posts and direct messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest

from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.discord.with_discord import Bot, connected


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with fake_discord() as running:
        yield running
        assert running.violations == []
        assert running.pings == []


def answering(**options: bool) -> Bot:
    """Answers mentions in a thread made from them, and direct messages."""
    bot = Bot(**options)

    @bot.event
    async def on_message(message: discord.Message) -> None:
        if message.author.bot:
            return
        if message.guild is None:
            await message.channel.send("13 days")
        elif bot.user in message.mentions:
            thread = await message.create_thread(name="How many days?")
            async with thread.typing():
                answer = await thread.send("Thirteen")
            await answer.edit(content="13 days", embed=discord.Embed(title="Sources", description="leave.pdf, page 3"))

    return bot


async def test_mention_is_answered_in_its_thread(fake: FakeDiscord) -> None:
    async with connected(fake, answering()):
        question = await fake.say(fake.ann, fake.general, "<@BOT> how many days?")
        (answer,) = await fake.until(lambda: [each for each in fake.replies(question) if each.edits])
    thread = fake.thread_of(question)
    assert thread is not None
    assert (thread.id, thread.name, thread.parent) == (question.id, "How many days?", fake.general)
    assert answer.shown == "13 days\nSources\nleave.pdf, page 3"
    assert [version.content for version in answer.edits] == ["Thirteen"]
    assert answer.edited is not None
    assert fake.bot.id in thread.members
    assert thread.said == 1
    assert [typing.channel for typing in fake.world.typing] == [thread]


async def test_direct_message(fake: FakeDiscord) -> None:
    async with connected(fake, answering(content=False)):
        await fake.say(fake.ann, fake.dm(fake.ann), "how many days?")
        await fake.until(lambda: fake.messages(fake.dm(fake.ann), by_bot=True))


async def test_bot_opens_a_direct_message(fake: FakeDiscord) -> None:
    bot = Bot()
    async with connected(fake, bot):
        user = await bot.fetch_user(fake.ben.id)
        await user.send("13 days")
        assert [each.shown for each in fake.messages(fake.dm(fake.ben))] == ["13 days"]
        fake.ben.dms_open = False
        with pytest.raises(discord.Forbidden, match="50007"):
            await user.send("14 days")


async def test_what_people_do_comes_as_events(fake: FakeDiscord) -> None:
    seen: list[tuple[str, str]] = []
    bot = Bot()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        seen.append(("said", message.content))

    @bot.event
    async def on_message_edit(before: discord.Message, after: discord.Message) -> None:
        seen.append(("edited", after.content))

    @bot.event
    async def on_raw_message_delete(event: discord.RawMessageDeleteEvent) -> None:
        seen.append(("deleted", str(event.message_id)))

    @bot.event
    async def on_raw_bulk_message_delete(event: discord.RawBulkMessageDeleteEvent) -> None:
        seen.append(("deleted", str(len(event.message_ids))))

    @bot.event
    async def on_raw_reaction_add(event: discord.RawReactionActionEvent) -> None:
        seen.append(("reacted", str(event.emoji)))

    async with connected(fake, bot):
        first = await fake.say(fake.ann, fake.general, "one")
        # discord.py changes the message that the listener has not looked at yet.
        await fake.until(lambda: seen)
        await fake.edit(first, "two")
        others = [await fake.say(fake.ben, fake.general, text) for text in ("three", "four")]
        await fake.react(fake.ben, first, "👀")
        await fake.delete(first)
        await fake.delete_many(others)
        await fake.until(lambda: len(seen) == 7)
    assert seen == [
        ("said", "one"),
        ("edited", "two"),
        ("said", "three"),
        ("said", "four"),
        ("reacted", "👀"),
        ("deleted", str(first.id)),
        ("deleted", "2"),
    ]
    assert [each.content for each in first.edits] == ["one"]
    assert fake.messages(fake.general) == []


async def test_replies_and_forwarded_messages(fake: FakeDiscord) -> None:
    heard: list[discord.Message] = []
    bot = Bot()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        heard.append(message)
        if not message.author.bot:
            await message.reply("13 days", mention_author=False)

    async with connected(fake, bot):
        question = await fake.say(fake.ann, fake.general, "how many days?")
        (answer,) = await fake.until(lambda: fake.replies(question))
        again = await fake.say(fake.ann, fake.general, "and weeks?", reply_to=answer)
        await fake.until(lambda: fake.replies(again))
        await fake.say(fake.ben, fake.random, forward=again)
        await fake.until(lambda: len(heard) == 6)
    mine = next(each for each in heard if each.id == again.id)
    assert mine.reference is not None
    assert isinstance(mine.reference.resolved, discord.Message)
    assert mine.reference.resolved.content == "13 days"
    assert bot.user in mine.mentions
    forwarded = next(each for each in heard if each.channel.id == fake.random.id)
    assert forwarded.content == ""
    assert [each.content for each in forwarded.message_snapshots] == ["and weeks?"]


async def test_forum_post_is_answered_and_marked(fake: FakeDiscord) -> None:
    bot = Bot()

    @bot.event
    async def on_thread_create(thread: discord.Thread) -> None:
        assert isinstance(thread.parent, discord.ForumChannel)
        starter = await thread.fetch_message(thread.id)
        await thread.send(f"An answer to: {starter.content}")
        (answered,) = [tag for tag in thread.parent.available_tags if tag.name == "answered"]
        await thread.add_tags(answered)

    async with connected(fake, bot):
        post = await fake.post(fake.ann, fake.forum, "Leave", "How many days?", tags=["open"])
        await fake.until(lambda: "answered" in post.tag_names)
    assert fake.starter(post).content == "How many days?"
    assert [each.shown for each in fake.messages(post)] == ["How many days?", "An answer to: How many days?"]


async def test_bot_posts_in_a_forum(fake: FakeDiscord) -> None:
    bot = Bot()
    async with connected(fake, bot):
        forum = bot.get_channel(fake.forum.id)
        assert isinstance(forum, discord.ForumChannel)
        made = await forum.create_thread(name="News", content="13 days", applied_tags=[forum.available_tags[0]])
    (post,) = fake.threads(fake.forum)
    assert made.thread.id == made.message.id == post.id
    assert (post.tag_names, fake.starter(post).shown) == (["open"], "13 days")


async def test_archived_thread_wakes(fake: FakeDiscord) -> None:
    bot = Bot()
    async with connected(fake, bot):
        thread = await fake.start_thread(fake.ann, fake.general, "Leave")
        await fake.until(lambda: bot.get_channel(thread.id))
        fake.clock.advance(2 * 86_400)
        assert fake.archive_idle() == [thread]
        there = await bot.fetch_channel(thread.id)
        assert isinstance(there, discord.Thread)
        assert there.archived
        await there.send("13 days")
        assert not thread.archived
        assert (await there.edit(archived=True)).archived


async def test_history(fake: FakeDiscord) -> None:
    said = [await fake.say(fake.ann, fake.general, str(number)) for number in range(5)]
    bot = Bot()
    async with connected(fake, bot):
        channel = bot.get_channel(fake.general.id)
        assert isinstance(channel, discord.TextChannel)
        middle = discord.Object(said[2].id)
        assert [each.content async for each in channel.history()] == ["4", "3", "2", "1", "0"]
        assert [each.content async for each in channel.history(after=middle)] == ["3", "4"]
        assert [each.content async for each in channel.history(before=middle, limit=1)] == ["1"]
        assert [each.content async for each in channel.history(around=middle, limit=3)] == ["3", "2", "1"]


async def test_files_both_ways(fake: FakeDiscord) -> None:
    read: list[bytes] = []
    bot = Bot()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        if message.attachments and not message.author.bot:
            read.append(await message.attachments[0].read())
            await message.channel.send(file=discord.File(fp=__file__, filename="answer.txt"))

    async with connected(fake, bot):
        file = fake.file("leave.md", b"13 days")
        await fake.say(fake.ann, fake.general, files=[file])
        (answer,) = await fake.until(lambda: fake.messages(fake.general, by_bot=True))
        assert read == [b"13 days"]
        assert file.fetched == 1
        (sent,) = answer.files
        assert (sent.name, sent.content_type) == ("answer.txt", "text/plain")
        assert sent.content.startswith(b'"""The loopback')


async def test_private_things_stay_private(fake: FakeDiscord) -> None:
    secret = await fake.say(fake.olga, fake.board, "salaries")
    assert fake.messages(fake.board, viewer=fake.olga) == [secret]
    assert fake.messages(fake.board, viewer=fake.ann) == []
    with pytest.raises(PermissionError):
        await fake.say(fake.ann, fake.board, "hello")


async def test_guild_comes_and_goes(fake: FakeDiscord) -> None:
    bot = Bot()
    async with connected(fake, bot):
        other = fake.add_guild("globex")
        await fake.until(lambda: len(bot.guilds) == 2)
        fake.kick_bot(other)
        await fake.until(lambda: len(bot.guilds) == 1)
        fake.delete_channel(fake.random)
        await fake.until(lambda: bot.get_channel(fake.random.id) is None)
        with pytest.raises(discord.NotFound, match="10003"):
            await bot.get_partial_messageable(fake.random.id).send("gone")
        fake.kick_bot()
        with pytest.raises(discord.Forbidden, match="50001"):
            await bot.get_partial_messageable(fake.general.id).send("gone")


async def test_conditions_say_what_happened(fake: FakeDiscord) -> None:
    with pytest.raises(TimeoutError, match="0 live sessions"):
        await fake.until(lambda: False, 0.01)
