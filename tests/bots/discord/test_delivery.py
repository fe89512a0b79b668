"""Each message exactly one answer, whatever Discord, people and machines do in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bots.discord.channel import open_channel
from core.errors import InvalidSettings
from tests.bots.discord.running import ANSWER, QUESTION, WAIT, Bot, answered, running, serving, settings
from tests.bots.restored import restored
from tests.bots.slack.running import Scripted
from tests.fakes.discord import FakeDiscord
from tests.fakes.openai_server import FakeOpenAI

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow
POST = "POST /channels/{channel_id}/messages"


async def test_an_event_that_comes_twice_is_answered_once(fake: FakeDiscord, bot: Bot) -> None:
    fake.faults.duplicates = 5
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await answered(fake, question)
    fake.redeliver(fake.events)
    other = await fake.say(fake.ann, fake.random, f"<@BOT> {QUESTION}")
    await answered(fake, other)
    assert len(fake.replies(question)) == len(fake.replies(other)) == 1


async def test_an_edited_question_is_answered_again_in_place(fake: FakeDiscord, model: FakeOpenAI, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, "<@BOT> How many days of leave do I have?")
    (reply,) = await answered(fake, question)
    asked = len(model.requests)
    await fake.edit(question, f"<@BOT> {QUESTION}")
    await fake.until(lambda: len(model.requests) > asked)
    await fake.until(lambda: len(fake.replies(question)) == 1 and ANSWER in reply.shown)


async def test_a_link_that_unfolds_is_no_edit(fake: FakeDiscord, model: FakeOpenAI, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await answered(fake, question)
    asked = len(model.requests)
    await fake.unfurl(question, {"type": "link", "title": "Elsewhere", "url": "https://example.org"})
    other = await fake.say(fake.ann, fake.random, f"<@BOT> {QUESTION}")
    await answered(fake, other)
    assert len(model.requests) == asked + 1


async def test_a_deleted_question_takes_its_unfinished_answer_along(
    fake: FakeDiscord, model: FakeOpenAI, bot: Bot
) -> None:
    model.pause = 0.3
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await fake.until(lambda: fake.replies(question))
    thread = fake.thread_of(question)
    await fake.delete(question)
    await fake.until(lambda: not fake.replies(question))
    await fake.until(lambda: model.left_early)
    assert thread is not None
    await fake.until(lambda: thread not in fake.threads(fake.general))


async def test_what_was_asked_while_nobody_listened_is_answered_once(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, fake, model)
    async with running(chosen, fake):
        first = await fake.say(fake.ben, fake.dm(fake.ben), QUESTION)
        await answered(fake, first)
    lost = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    direct = await fake.say(fake.ben, fake.dm(fake.ben), QUESTION)
    old = await fake.say(fake.ann, fake.random, f"<@BOT> {QUESTION}", ago_s=7200)
    async with running(chosen, fake, text=""):
        await answered(fake, lost)
        await fake.until(lambda: len([each for each in fake.messages(fake.dm(fake.ben)) if ANSWER in each.shown]) == 2)
    assert len(fake.replies(lost)) == 1
    assert direct
    assert fake.replies(old) == []


async def test_what_was_said_before_an_old_state_was_restored_may_have_been_answered(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, fake, model)
    async with running(chosen, fake):
        await answered(fake, await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}"))
    old = await fake.say(fake.ann, fake.random, f"<@BOT> {QUESTION}", ago_s=60)
    restored(chosen.database_url, chosen.data_dir, datetime.now(UTC) - timedelta(seconds=30))
    new = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    async with running(chosen, fake, text=""):
        await answered(fake, new)
    assert fake.replies(old) == []


async def test_posts_that_were_there_before_a_forum_was_bound_are_left_alone(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, fake, model)
    async with running(chosen, fake):
        old = await fake.post(fake.ann, fake.forum, "Annual leave", QUESTION)
        bound = await fake.slash(fake.olga, old, "lore bind", namespace="default")
        await fake.until(lambda: bound.messages and "From now on" in bound.messages[0].shown)
    missed = await fake.post(fake.ben, fake.forum, "Leave again", QUESTION)
    async with running(chosen, fake, text=""):
        await fake.until(lambda: any(ANSWER in each.shown for each in fake.messages(missed)), WAIT)
    assert not any(ANSWER in each.shown for each in fake.messages(old))


@pytest.mark.parametrize("how", ["cut", "reconnect", "invalidate"])
async def test_a_connection_that_breaks_is_made_again_and_nothing_is_lost(
    fake: FakeDiscord, bot: Bot, how: str
) -> None:
    await {"cut": _cut, "reconnect": _reconnect, "invalidate": _invalidate}[how](fake)
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await fake.until(lambda: any("Leave" in each.shown for each in fake.replies(question)), 40)
    assert len(fake.replies(question)) == 1


async def _cut(fake: FakeDiscord) -> None:
    fake.gateway.cut()


async def _reconnect(fake: FakeDiscord) -> None:
    await fake.gateway.reconnect()


async def _invalidate(fake: FakeDiscord) -> None:
    await fake.gateway.invalidate()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("trouble", [{"close": True}, {"status": 503}, {"status": 500}])
async def test_whatever_fails_at_discord_there_is_one_whole_answer(
    fake: FakeDiscord, bot: Bot, monkeypatch: pytest.MonkeyPatch, trouble: dict[str, object], after: bool
) -> None:
    monkeypatch.setattr("bots.chat.desk.RETRY_SECONDS", 0.05)
    fake.faults.fail(POST, 1, afterwards=after, **trouble)  # type: ignore[arg-type]
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await fake.until(lambda: any("Leave" in each.shown for each in fake.replies(question)), 40)
    await asyncio.sleep(0.2)
    assert len(fake.replies(question)) == 1


async def test_limits_are_waited_out(fake: FakeDiscord, bot: Bot) -> None:
    fake.faults.fail(POST, 2, status=429, retry_after=0.2)
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await answered(fake, question)
    assert len(fake.replies(question)) == 1


async def test_two_processes_share_the_work_and_answer_once(fake: FakeDiscord, bot: Bot) -> None:
    async with serving(replace(bot.application, claim=None), fake):
        questions = [await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}") for _ in range(4)]
        used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)
        for question in questions:
            await answered(fake, question)
        await fake.until(lambda: used.messages and "Leave" in used.messages[0].shown, WAIT)
    assert [len(fake.replies(each)) for each in questions] == [1] * 4
    assert len(used.messages) == 1


async def test_several_servers_on_several_shards(fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path) -> None:
    fake.shards = 2
    other = fake.add_guild("other", shard=(1, 2))
    channel = fake.add_channel("talk", other)
    async with running(settings(tmp_path, fake, model), fake):
        await fake.until(lambda: len(fake.gateway.live) == 2, WAIT)
        questions = [await fake.say(fake.ann, place, f"<@BOT> {QUESTION}") for place in (fake.general, channel)]
        for question in questions:
            await answered(fake, question)


async def test_only_the_servers_of_the_settings_are_served(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    async with running(settings(tmp_path, fake, model, discord={"servers": ["123456789012345678"]}), fake):
        stranger = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
        direct = await fake.say(fake.ann, fake.dm(fake.ann), QUESTION)
        await asyncio.sleep(0.5)
    assert fake.replies(stranger) == fake.replies(direct) == []


async def test_a_token_that_is_revoked_ends_it_with_a_reason(
    fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path
) -> None:
    chosen = settings(tmp_path, fake, model)
    async with running(chosen, fake) as bot:
        task = asyncio.create_task(open_channel(bot.application).serve())
        await fake.until(lambda: len(fake.gateway.live) == 2, WAIT)
        await fake.revoke_token()
        with pytest.raises(InvalidSettings, match="DISCORD_TOKEN"):
            await asyncio.wait_for(task, WAIT)


async def test_a_wrong_token_is_told_as_such(fake: FakeDiscord, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="DISCORD_TOKEN"):
        async with running(settings(tmp_path, fake, discord={"token": "a.b.c"}), fake):
            pass
    fake.violations.clear()


async def test_a_long_answer_comes_whole_in_several_messages(fake: FakeDiscord, tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 60 for number in range(20))
    async with running(settings(tmp_path, fake), fake, asker=Scripted(text, 1.0)):
        question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
        replies = await answered(fake, question)
    shown = "\n".join(each.shown for each in replies)
    assert all(f"Paragraph {number}." in shown for number in range(20))
